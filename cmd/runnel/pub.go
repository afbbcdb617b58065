package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/feed"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

func pubCommand() *cobra.Command {
	var p publisher
	cmd := &cobra.Command{
		Use:   "pub URI [ARG...]",
		Short: "Publish an event",
		Long: `Publishes an event. An ARG is JSON if it parses as JSON, else a string; quote
twice a string that looks like JSON: '"21"'.

Without --ack the router does not report whether it accepted the event. With it, a
rejected event is an error.

With --stdin it survives a restart of the router: unsent lines wait, and with --ack
it sends unacknowledged lines again. It skips a line that is too long for a message
(exit status 1).

Negative numbers are ordinary ARGs. Write "--" in front of other ARGs that begin
with a dash.`,
		Example: `  runnel pub com.example.weather 21.5
  runnel pub com.example.weather '{"temperature": 21.5}' --kw station=roof --ack
  runnel pub com.example.valve open --ttl 10s
  journalctl -f | runnel pub com.example.log --stdin`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.run(args[0], cli.Unmask(args[1:])) },
	}
	p.peer.Flags(cmd, version)
	f := cmd.Flags()
	f.StringArrayVar(&p.keywords, "kw", nil, "`KEY=VALUE` argument by keyword; may be given several times")
	f.BoolVar(&p.how.Acknowledge, "ack", false, "wait until the router has accepted the event")
	f.BoolVar(&p.how.Retain, "retain", false, "ask the router to keep the event for later subscribers")
	f.DurationVar(&p.how.TTL, "ttl", 0, "lifetime of the event, like 10s: it is not delivered later")
	f.BoolVar(&p.stdin, "stdin", false, "publish each line of standard input, as the last ARG")
	return cmd
}

type publisher struct {
	peer     remote.Router
	keywords []string
	stdin    bool
	how      client.PublishOptions
}

func (p *publisher) run(topic string, args []string) (err error) {
	if p.how.TTL < 0 {
		return cli.UsageError("--ttl must not be negative")
	}
	payload, err := cli.ParseArgs(args, p.keywords)
	if err != nil {
		return err
	}
	ctx, stop := cli.UntilSignal(0)
	defer stop()
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if left := remote.Close(c); err == nil && (ctx.Err() == nil || !p.stdin) {
			err = left // events that were not acknowledged may not have been written
		}
	}()
	if p.stdin {
		f := feed.Feed{Client: c, Topic: topic, How: p.how, Payload: payload}
		return f.Run(ctx, os.Stdin)
	}
	if err := c.Publish(ctx, topic, p.how, payload); err != nil {
		return fmt.Errorf("publish %s: %w", term.Printable(topic), err)
	}
	return nil
}

// connect opens a session. With --stdin it survives a restart of the router.
func (p *publisher) connect(ctx context.Context) (*client.Client, error) {
	if !p.stdin {
		return p.peer.Connect(ctx)
	}
	opts, err := p.peer.Options()
	if err != nil {
		return nil, err
	}
	c, err := p.peer.ConnectLasting(ctx, opts)
	if err != nil {
		return nil, cli.Because(ctx, err)
	}
	return c, nil
}
