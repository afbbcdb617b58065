// Package daemon is the process of "runnel run": it starts the node, reloads it at SIGHUP, and ends it at SIGTERM or Ctrl-C.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"runnel/boards"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/member"
	"runnel/cmd/runnel/internal/node"
	"runnel/cmd/runnel/internal/service"
)

// Run runs the router with the configuration in file, until SIGTERM or Ctrl-C. If strict, it exits at a fault that it
// would otherwise tolerate. version is the program's.
func Run(file string, strict bool, version string) error {
	hangups := make(chan os.Signal, 1) // from the start: an early SIGHUP would end the process
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	starts, ok := awaitTurn(hangups)
	if !ok {
		return nil
	}
	restored, notRestored := member.Restore(config.File(file))
	load := config.LoadFallback
	if strict {
		load = config.Load
	}
	c, err := load(file, node.CheckUplink)
	if err != nil {
		return err
	}
	handler := node.NewLogHandler(os.Stderr, service.ToJournal(os.Stderr))
	handler.Set(c.Log)
	log := slog.New(handler)
	slog.SetDefault(log)
	node.TuneCollector()
	node.CheckMemory(c)
	if c.Fallback != nil {
		for line := range strings.SplitSeq(c.Fallback.Problems.Error(), "\n") {
			log.Error("invalid configuration", "err", line)
		}
		log.Error("the node starts with another configuration; correct the files, then reload", "config", c.Fallback.Describe())
	}
	for _, w := range c.Warnings {
		log.Warn("config", "warning", w.Error())
	}
	if restored != nil {
		log.Error("the last file from the centre was not confirmed; the previous file is restored", "file", restored.File)
	}
	if notRestored != nil {
		log.Error("cannot restore the file that the centre's last file has replaced", "err", notRestored)
	}
	log.Info("starting", "version", version, "board", boards.Detect().String(), "config", c.Name)
	n, err := node.New(c, node.Options{
		Log: log, Version: version, SetLog: handler.Set, Degrade: !strict,
		Load:      func() (*config.Config, error) { return node.Load(file) },
		File:      config.File(file),
		Restored:  restored,
		Reloading: func() func([]string, error) { return service.Reloading(log) },
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; another program listens there, perhaps another Runnel: stop it, or configure another url (ss -ltnp shows the program)", err)
	}
	if err != nil {
		return err
	}
	return serve(n, starts, hangups, log)
}

// awaitTurn delays the start of a service whose last processes ended soon after their start. SIGHUP ends the wait. It
// returns false if the service is stopped meanwhile.
func awaitTurn(hangups <-chan os.Signal) (starts *service.Starts, ok bool) {
	log := slog.New(node.NewLogHandler(os.Stderr, service.ToJournal(os.Stderr)))
	starts = service.Started(log)
	pause := starts.Pause()
	if pause == 0 {
		return starts, true
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.Error("the router has exited soon after each of its last starts; it waits before it starts again", "total", starts.Ended(), "retry_in", pause)
	// A start may take 90 s (TimeoutStartSec); the pause is added.
	service.Notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d\nSTATUS=waiting %v after %d failed starts; see the log. systemctl restart starts it at once",
		(pause+90*time.Second).Microseconds(), pause, starts.Ended()), log)
	select {
	case <-time.After(pause):
	case <-hangups:
	case <-ctx.Done():
		starts.Reset()
		service.Notify("STOPPING=1", log)
		return nil, false
	}
	service.Notify("STATUS=", log)
	return starts, true
}

// serve runs the node until SIGTERM or Ctrl-C, and reloads at each SIGHUP.
func serve(n *node.Node, starts *service.Starts, hangups <-chan os.Signal, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	stopping := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopping)
		stop() // a second signal ends the process at once
		service.Notify("STOPPING=1", log)
		starts.Reset()
	})
	err := n.Run(ctx, func() {
		service.Notify("READY=1", log)
		starts.Settle()
		go reloadAt(ctx, n, hangups)
		go service.Watchdog(ctx, n.Probe, log)
	})
	if ctx.Err() != nil {
		<-stopping // an idle router may end before systemd is notified
	}
	return err
}

// reloadAt reloads at each signal, until ctx is done. The node logs the outcome.
func reloadAt(ctx context.Context, n *node.Node, signals <-chan os.Signal) {
	for {
		select {
		case <-signals:
			n.Reload()
		case <-ctx.Done():
			return
		}
	}
}
