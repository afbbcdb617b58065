package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/service"
	"runnel/cmd/runnel/internal/term"
)

func reloadCommand() *cobra.Command {
	var p remote.Router
	var pid string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make a running router reload its configuration",
		Long: `Has a running router read its config again, by calling runnel.reload in the realm,
and prints the changes. The realm's permissions must allow that call; the
built-in default does. SIGHUP does the same.

Listeners, serial lines, uplinks and realms come and go, and permissions and
principals change. Other sessions are not disturbed. A config that is invalid or
cannot be applied changes nothing: the problems are printed, and the exit status
is 3 or 1.

With --pid it sends SIGHUP to that process instead, and waits for the outcome that
the process writes to $RUNTIME_DIRECTORY or /run/runnel. systemd's unit uses this.`,
		Example: `  runnel check && runnel reload
  runnel reload --url unix:///run/runnel/runnel.sock
  runnel reload --pid $MAINPID`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("pid") {
				return askReload(&p, term.Stdout)
			}
			id, err := processID(pid)
			if err != nil {
				return err
			}
			ctx, stop := cli.UntilSignal(time.Minute)
			defer stop()
			return printChanges(term.Stdout)(service.Reload(ctx, id))
		},
	}
	p.Flags(cmd, version)
	p.NodeFlag(cmd)
	cmd.Flags().StringVar(&pid, "pid", "", "send SIGHUP to the process `ID`, and wait for the outcome of the reload")
	return cmd
}

func askReload(p *remote.Router, w io.Writer) error {
	ctx, stop := cli.UntilSignal(time.Minute)
	defer stop()
	lines, reconnected, err := p.Reload(ctx)
	if reconnected && err == nil && p.Node() != "" {
		lines = append(lines, "the link of node "+p.Node())
	} else if reconnected && err == nil {
		lines = append(lines, "the listener "+p.Address()+", and with it this session")
	}
	return printChanges(w)(lines, err)
}

// printChanges returns a function that prints the changes of a reload, unless it has failed.
func printChanges(w io.Writer) func([]string, error) error {
	return func(lines []string, err error) error {
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			lines = []string{"nothing has changed"}
		}
		_, err = fmt.Fprintln(w, strings.Join(lines, "\n"))
		return err
	}
}

// processID parses the process id that a unit passes as $MAINPID.
func processID(text string) (int, error) {
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 1 {
		return 0, cli.UsageError(fmt.Sprintf("--pid %q: want the id of a process", text))
	}
	return pid, nil
}
