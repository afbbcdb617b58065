package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"runnel/boards"
	"runnel/cmd/runnel/internal/config"
)

func runCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run [-c FILE]",
		Short: "Run the router in the foreground",
		Long: `Runs the router until SIGTERM or Ctrl-C; then every session gets GOODBYE. A second
signal ends it at once. SIGHUP, like "runnel reload", has it read its config again.
Logs go to standard error.

Without a config it serves the realm "realm1" to the programs of this machine: on
127.0.0.1:8080 and on a Unix socket ("runnel check --print-default").`,
		Example: `  runnel run
  runnel run -c gateway.toml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return run(file) },
	}
	configFlag(cmd, &file)
	return cmd
}

func run(file string) error {
	hangups := make(chan os.Signal, 1) // from the beginning, or one that comes early ends the process
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	c, err := readConfigFiles(file)
	if err != nil {
		return err
	}
	log := slog.New(newLogHandler(os.Stderr))
	setLog(c.Log)
	slog.SetDefault(log)
	hastenCollector()
	for _, w := range c.Warnings {
		log.Warn("config", "warning", w.Error())
	}
	log.Info("starting", "version", version, "board", boards.Detect().String(), "config", c.Name)
	n, err := build(c, log)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; another program listens there, perhaps another Runnel: end it, or write another url (ss -ltnp shows who it is)", err)
	}
	if err != nil {
		return err
	}
	n.load = func() (*config.Config, error) { return readConfigFiles(file) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	told := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(told)
		stop() // a second signal ends the process at once
		tellSystemd("STOPPING=1", log)
	})
	err = n.run(ctx, func() {
		tellSystemd("READY=1", log)
		go n.reloadAt(ctx, hangups)
	})
	if ctx.Err() != nil {
		<-told // an idle router is gone sooner than that is said
	}
	return err
}

func tellSystemd(state string, log *slog.Logger) {
	if err := notify(state); err != nil {
		log.Warn("cannot notify systemd", "err", err)
	}
}
