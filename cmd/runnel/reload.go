package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// reloadProcedure has a running router read its configuration again. Like runnel.status it is registered in every realm;
// who may call it is up to the permissions there.
const reloadProcedure = "runnel.reload"

// The errors of runnel.reload. Their arguments are lines for people.
const (
	errorConfig = "runnel.error.config" // the configuration is invalid; nothing has changed
	errorReload = "runnel.error.reload" // it could not be applied
)

// reload reads the configuration again and makes the router that of it. On an error nothing has changed.
func (n *node) reload() (said []string, err error) {
	if n.load == nil {
		return nil, errors.New("this router has no configuration file")
	}
	n.reloading.Lock()
	defer n.reloading.Unlock()
	o := outcome{PID: os.Getpid(), Began: monotonic()}
	tellSystemd(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", o.Began), n.log)
	c, err := n.load()
	if err == nil {
		for _, w := range c.Warnings {
			n.log.Warn("config", "warning", w.Error())
		}
		said, err = n.apply(c)
	}
	status := "configuration applied"
	if o.Applied, o.Lines = err == nil, said; err != nil {
		var problems config.Problems
		o.Invalid, o.Lines = errors.As(err, &problems), strings.Split(err.Error(), "\n")
		status = "configuration not applied: " + o.Lines[0]
		for _, line := range o.Lines {
			n.log.Error("configuration not applied", "err", line)
		}
	} else {
		n.retryHeld()
		n.log.Info("configuration applied", "config", c.Name, "changes", len(said))
	}
	if err := o.leave(); err != nil {
		n.log.Warn("cannot tell how the reload went", "err", err)
	}
	tellSystemd("READY=1\nSTATUS="+status, n.log)
	return said, err
}

// reloadAt reloads at each signal, until ctx is done.
func (n *node) reloadAt(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-signals:
			n.reload()
		case <-ctx.Done():
			return
		}
	}
}

func (n *node) answerReload(context.Context, *client.Invocation) (client.Payload, error) {
	said, err := n.reload()
	if err != nil {
		uri := errorReload
		if problems := (config.Problems)(nil); errors.As(err, &problems) {
			uri = errorConfig
		}
		var lines []any
		for line := range strings.SplitSeq(err.Error(), "\n") {
			lines = append(lines, line)
		}
		return client.Payload{}, client.NewError(uri, lines...)
	}
	lines := make([]any, len(said))
	for i, line := range said {
		lines[i] = line
	}
	return client.Args(lines...), nil
}

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
				return askReload(&p, stdout)
			}
			id, err := processID(pid)
			if err != nil {
				return err
			}
			ctx, stop := untilSignal(time.Minute)
			defer stop()
			return printChanges(stdout)(reloadProcess(ctx, id))
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
		return because(ctx, p.denied(reloadProcedure, reloadError(err)))
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
	result, err := c.Call(ctx, reloadProcedure, client.CallOptions{}, client.Payload{})
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
	if !errors.As(err, &e) || e.URI != errorConfig {
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
			lines = append(lines, harmless(text))
		}
	}
	return lines
}
