package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/report"
	"runnel/cmd/runnel/internal/service"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

func reloadCommand() *cobra.Command {
	var p peer
	var pid string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have a running router read its config again",
		Long: `Has a running router read its config again, by calling runnel.reload in the realm,
and prints what has changed. The realm's permissions must allow that call; the
built-in default does. SIGHUP does the same.

Listeners, serial lines, uplinks and realms come and go, and permissions and
principals change, without disturbing the sessions that this does not concern.
A config that is invalid changes nothing: the problems are printed, and the exit
status is 3. Neither does one that can't be applied: exit status 1.

With --pid it sends SIGHUP to that process instead and waits until it has told, in
$RUNTIME_DIRECTORY or /run/runnel, how the reload went; systemd's unit does that.`,
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
			ctx, stop := untilSignal(time.Minute)
			defer stop()
			return printChanges(term.Stdout)(service.Reload(ctx, id))
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&pid, "pid", "", "have the process `ID` reload by SIGHUP, and wait for the outcome")
	return cmd
}

func askReload(p *peer, w io.Writer) error {
	ctx, stop := untilSignal(time.Minute)
	defer stop()
	lines, err := p.reload(ctx)
	if errors.Is(err, wamp.NetworkFailure) {
		// The way by which this session came has changed, too. To reload twice does no harm, and says how it went.
		if lines, err = p.reloadAgain(ctx); err == nil {
			lines = append(lines, "the listener "+p.routerURL()+", and with it this session")
		}
	}
	if err != nil {
		return because(ctx, p.denied(report.ProcedureReload, reloadError(err)))
	}
	return printChanges(w)(lines, nil)
}

// printChanges returns what prints the changes of a reload that was applied.
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

func (p *peer) reload(ctx context.Context) ([]string, error) {
	c, err := p.once(ctx)
	if err != nil {
		return nil, err
	}
	defer leave(c)
	result, err := c.Call(ctx, report.ProcedureReload, client.CallOptions{}, client.Payload{})
	if err != nil {
		return nil, err
	}
	return texts(result.Args()), nil
}

// reloadAgain waits a while for the router to be reached again.
func (p *peer) reloadAgain(ctx context.Context) (lines []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		lines, err = p.reload(ctx)
		if answered := new(client.Error); err == nil || errors.As(err, &answered) && !errors.Is(err, wamp.NetworkFailure) {
			return lines, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// reloadError makes of the router's problems what "runnel check" would print.
func reloadError(err error) error {
	var e *client.Error
	if !errors.As(err, &e) || e.URI != report.ErrorConfig {
		return callError(err)
	}
	args, _, _ := e.Decode()
	var problems config.Problems
	for _, line := range texts(args) {
		problems = append(problems, config.Problem{Text: line})
	}
	return problems
}

// texts returns those of args that are strings, in a form that a terminal can take.
func texts(args []any) (lines []string) {
	for _, arg := range args {
		if text, ok := arg.(string); ok {
			lines = append(lines, term.Harmless(text))
		}
	}
	return lines
}

// processID parses the process id that a unit passes as $MAINPID.
func processID(text string) (int, error) {
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 1 {
		return 0, usageError(fmt.Sprintf("--pid %q: want the id of a process", text))
	}
	return pid, nil
}
