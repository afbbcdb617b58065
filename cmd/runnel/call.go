package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

func callCommand() *cobra.Command {
	c := caller{out: term.Stdout}
	cmd := &cobra.Command{
		Use:   "call URI [ARG...]",
		Short: "Call a procedure and print the result",
		Long: `Calls a procedure and prints its result: arguments as JSON, then key=value. A
result that is one string is printed as it is. An ARG is JSON if it parses as
JSON, else a string. Negative numbers are ordinary ARGs. Write "--" in front of
other ARGs that begin with a dash.

A WAMP error is printed on standard error and begins with its URI (exit status 1).
The call is canceled at the timeout (124) and by Ctrl-C.`,
		Example: `  runnel call com.example.add 2 3
  runnel call com.example.greenhouse.set_point 24 --kw unit=C --timeout 2s
  runnel call com.example.scan --progress --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return c.run(args[0], cli.Unmask(args[1:])) },
	}
	c.peer.Flags(cmd, version)
	f := cmd.Flags()
	f.StringArrayVar(&c.keywords, "kw", nil, "`KEY=VALUE` argument by keyword; may be given several times")
	f.DurationVar(&c.timeout, "timeout", 0, "give up after this time, with exit status 124")
	f.BoolVar(&c.progress, "progress", false, "print progressive results as they arrive, one per line")
	f.BoolVar(&c.asJSON, "json", false, "print JSON objects")
	return cmd
}

type caller struct {
	peer     remote.Router
	out      io.Writer
	keywords []string
	timeout  time.Duration
	progress bool
	asJSON   bool

	cancel context.CancelCauseFunc // of the call
}

func (c *caller) run(procedure string, args []string) error {
	payload, err := cli.ParseArgs(args, c.keywords)
	if err != nil {
		return err
	}
	ctx, stop := cli.UntilSignal(c.timeout)
	defer stop()
	ctx, c.cancel = context.WithCancelCause(ctx)
	session, err := c.peer.Connect(ctx)
	if err != nil {
		return cli.Because(ctx, err)
	}
	defer remote.Close(session)
	how := client.CallOptions{}
	if c.progress {
		how.Progress = c.onProgress
	}
	result, err := session.Call(ctx, procedure, how, payload)
	if err != nil {
		return cli.Because(ctx, c.peer.Explain(procedure, remote.About(procedure, remote.CallError(err))))
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
		return fmt.Errorf("cannot read the result: %w", err)
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
