package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

func callCommand() *cobra.Command {
	c := caller{out: term.Stdout}
	cmd := &cobra.Command{
		Use:   "call URI [ARG...]",
		Short: "Call a procedure and print the result",
		Long: `Calls a procedure and prints its result: arguments as JSON, then key=value; a
result that is one string is printed as it is. An ARG is JSON if it parses as
JSON, else a string. Negative numbers are ARGs like others; write "--" in front of
other ARGs that begin with a dash.

A WAMP error is printed on standard error, its URI first (exit status 1). A call
that takes longer than the timeout is canceled (124), and so it is by Ctrl-C.`,
		Example: `  runnel call com.example.add 2 3
  runnel call com.example.greenhouse.set_point 24 --kw unit=C --timeout 2s
  runnel call com.example.scan --progress --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return c.run(args[0], unmask(args[1:])) },
	}
	c.peer.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&c.keywords, "kw", nil, "`KEY=VALUE` argument by keyword; may be given several times")
	f.DurationVar(&c.timeout, "timeout", 0, "give up after this time, with exit status 124")
	f.BoolVar(&c.progress, "progress", false, "print progressive results as they come, one a line")
	f.BoolVar(&c.asJSON, "json", false, "print JSON objects")
	return cmd
}

type caller struct {
	peer     peer
	out      io.Writer
	keywords []string
	timeout  time.Duration
	progress bool
	asJSON   bool

	cancel context.CancelCauseFunc // of the call
}

func (c *caller) run(procedure string, args []string) error {
	payload, err := parseArgs(args, c.keywords)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(c.timeout)
	defer stop()
	ctx, c.cancel = context.WithCancelCause(ctx)
	session, err := c.peer.once(ctx)
	if err != nil {
		return because(ctx, err)
	}
	defer leave(session)
	how := client.CallOptions{}
	if c.progress {
		how.Progress = c.onProgress
	}
	result, err := session.Call(ctx, procedure, how, payload)
	if err != nil {
		return because(ctx, c.peer.denied(procedure, about(procedure, callError(err))))
	}
	return c.print(&result.Body, false)
}

func (c *caller) onProgress(r *client.Result) {
	if err := c.print(&r.Body, true); err != nil {
		c.cancel(err)
	}
}

func (c *caller) print(b *client.Body, progress bool) error {
	args, kwargs, err := b.Decode()
	if err != nil {
		return fmt.Errorf("the result can't be read: %w", err)
	}
	text, err := c.text(args, kwargs, progress)
	if err == nil && (text != "" || c.asJSON) {
		_, err = fmt.Fprintln(c.out, text)
	}
	return err
}

func (c *caller) text(args []any, kwargs map[string]any, progress bool) (string, error) {
	if c.asJSON {
		object := map[string]any{}
		if progress {
			object["progress"] = true
		}
		term.AddPayload(object, args, kwargs)
		return term.JSONText(object)
	}
	if len(args) == 1 && len(kwargs) == 0 {
		if text, ok := args[0].(string); ok {
			if term.ForPeople(c.out) {
				text = term.SafeLines(text)
			}
			return text, nil
		}
	}
	return term.PlainText(args, kwargs)
}

// wampError is an error of the protocol as the command line shows it: the URI, then what came with it.
type wampError struct {
	err     *client.Error
	subject string // the procedure, where the router refused and what it says does not name it
}

// about has an error of the router's own name the procedure that was called.
func about(procedure string, err error) error {
	if e, ok := err.(wampError); ok && strings.HasPrefix(e.err.URI, "wamp.error.") && !strings.Contains(e.Error(), procedure) {
		e.subject = procedure
		return e
	}
	return err
}

func (e wampError) Unwrap() error { return e.err }

func (e wampError) Error() string {
	args, kwargs, _ := e.err.Decode()
	text, err := term.PlainText(args, kwargs)
	switch {
	case err == nil && text != "" && e.subject != "":
		return term.Printable(e.err.URI) + ": call " + term.Printable(e.subject) + ": " + text
	case err == nil && text != "":
		return term.Printable(e.err.URI) + ": " + text
	case e.subject != "":
		return term.Safe(e.err.Error()) + ": call " + term.Printable(e.subject)
	}
	return term.Safe(e.err.Error())
}

// callError finds the error of the protocol in err, if there is one.
func callError(err error) error {
	var e *client.Error
	if errors.As(err, &e) {
		return wampError{err: e}
	}
	return err
}

// because returns why ctx ended, if it has: then err is what came of it. An answer that says that time is out counts as
// such.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, wamp.Timeout) {
		return errTimedOut
	}
	return err
}
