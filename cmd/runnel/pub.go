package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"runnel/edge/client"
)

func pubCommand() *cobra.Command {
	var p publisher
	cmd := &cobra.Command{
		Use:   "pub URI [ARG...]",
		Short: "Publish an event",
		Long: `Publishes an event. An ARG is JSON if it parses as JSON, else a string; quote
twice what looks like JSON and shall be a string: '"21"'.

Without --ack the router does not say whether the event was accepted; with it, a
refusal is an error.`,
		Example: `  runnel pub com.example.weather 21.5
  runnel pub com.example.weather '{"temperature": 21.5}' --kw station=roof --ack
  journalctl -f | runnel pub com.example.log --stdin`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.run(args[0], args[1:]) },
	}
	p.peer.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&p.keywords, "kw", nil, "`KEY=VALUE` argument by keyword; may be given several times")
	f.BoolVar(&p.how.Acknowledge, "ack", false, "wait until the router has accepted the event")
	f.BoolVar(&p.how.Retain, "retain", false, "ask the router to keep the event for later subscribers")
	f.BoolVar(&p.stdin, "stdin", false, "publish each line of standard input, as the last ARG")
	return cmd
}

type publisher struct {
	peer     peer
	keywords []string
	stdin    bool
	how      client.PublishOptions
}

func (p *publisher) run(topic string, args []string) (err error) {
	payload, err := parseArgs(args, p.keywords)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(0)
	defer stop()
	c, err := p.peer.once(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if left := leave(c); err == nil {
			err = left // what was not acknowledged may not have been written
		}
	}()
	if p.stdin {
		return p.lines(ctx, c, topic, payload, os.Stdin)
	}
	return p.publish(ctx, c, topic, payload)
}

func (p *publisher) publish(ctx context.Context, c *client.Client, topic string, payload client.Payload) error {
	if err := c.Publish(ctx, topic, p.how, payload); err != nil {
		return fmt.Errorf("publish %s: %w", topic, err)
	}
	return nil
}

// maxLine bounds a line of standard input; a message takes no more by default.
const maxLine = 1 << 20

// lines publishes each line as it comes.
func (p *publisher) lines(ctx context.Context, c *client.Client, topic string, payload client.Payload, in io.Reader) error {
	args := payload.Args
	for text, err := range linesOf(ctx, in) {
		if err != nil {
			return err
		}
		payload.Args = append(args[:len(args):len(args)], parseValue(text))
		if err := p.publish(ctx, c, topic, payload); err != nil {
			return err
		}
	}
	return nil
}

// linesOf reads lines until the end of in, or of ctx: a read of a terminal can't be interrupted.
func linesOf(ctx context.Context, in io.Reader) func(yield func(string, error) bool) {
	lines, ended := make(chan string), make(chan error, 1)
	go func() {
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, maxLine)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
		ended <- scanner.Err()
		close(lines)
	}()
	return func(yield func(string, error) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case text, ok := <-lines:
				if !ok {
					if err := <-ended; err != nil {
						yield("", fmt.Errorf("read standard input: %w", err))
					}
					return
				}
				if !yield(text, nil) {
					return
				}
			}
		}
	}
}
