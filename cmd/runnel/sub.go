package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/durables"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

func subCommand() *cobra.Command {
	s := subscriber{out: term.Stdout}
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "sub URI...",
		Short: "Print events, one per line",
		Long: `Subscribes and prints what is published, one event a line: the topic, the
arguments as JSON, then key=value. Bytes are printed as 0x and hexadecimal.
With --json each line is an object with topic, args, kwargs, publication and the
other details of the EVENT.

With --durable NAME the router keeps events until the command has written their lines.
The command survives a restart of the router. It ends at Ctrl-C (exit status 0), after
COUNT events (0) or at the timeout (124).`,
		Example: `  runnel sub com.example.weather
  runnel sub com.example. --match prefix
  runnel sub com.example..temperature --match wildcard --json
  runnel sub com.example.weather -n 1 --timeout 5s
  runnel sub com.example.weather --durable billing --from all`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, topics []string) error { return s.run(topics, timeout) },
	}
	s.peer.Flags(cmd, version)
	f := cmd.Flags()
	f.StringVar(&s.match, "match", "exact", "exact, prefix or wildcard")
	f.BoolVar(&s.asJSON, "json", false, "print one JSON object per line")
	f.IntVarP(&s.count, "count", "n", 0, "end after this many events")
	f.BoolVar(&s.retained, "retained", false, "ask for the retained event of each topic, too")
	s.durable.Flags(cmd)
	f.DurationVar(&timeout, "timeout", 0, "give up after this time, with exit status 124")
	return cmd
}

// subscriber is the state of the command. The fields above mu do not change after the flags are read.
type subscriber struct {
	peer     remote.Router
	out      io.Writer
	match    string
	asJSON   bool
	retained bool
	durable  durables.Reading
	count    int

	mu      sync.Mutex
	printed int
	ended   context.CancelCauseFunc
}

func (s *subscriber) run(topics []string, timeout time.Duration) error {
	match, err := cli.MatchFlag(s.match)
	if err != nil {
		return err
	}
	opts, err := s.peer.Options()
	if err != nil {
		return err
	}
	ctx, stop := cli.UntilSignal(timeout)
	defer stop()
	printing, ended := context.WithCancelCause(ctx)
	s.ended = ended
	c, err := s.peer.ConnectLasting(ctx, opts)
	if err != nil {
		return cli.Because(ctx, err)
	}
	defer remote.Close(c)
	for _, topic := range topics {
		how := client.SubscribeOptions{Match: match, GetRetained: s.retained}
		if err := s.durable.Subscribe(ctx, c, topic, how, s.event, s.ended); err != nil {
			if errors.Is(err, wamp.InvalidURI) && strings.HasSuffix(topic, ".") && match == wamp.Exact {
				err = fmt.Errorf("%w; add --match prefix to subscribe to everything below it", err)
			}
			return cli.Because(ctx, fmt.Errorf("subscribe to %s: %w", topic, err))
		}
	}
	<-printing.Done()
	if ctx.Err() != nil {
		return cli.Ending(ctx)
	}
	if cause := context.Cause(printing); cause != errDone {
		return cause // standard output is closed, or the subscription was dropped
	}
	return nil
}

// errDone ends the command once it has printed --count events.
var errDone = errors.New("done")

// event prints one event, or returns an error. topic is the URI of the subscription, which may be a pattern.
func (s *subscriber) event(topic string, e *client.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count > 0 && s.printed == s.count {
		return errDone
	}
	text, err := s.text(e)
	if err != nil {
		fmt.Fprintf(os.Stderr, "runnel: cannot read an event of %s: %v\n", term.Printable(topic), err)
		return nil
	}
	if _, err := fmt.Fprintln(s.out, text); err != nil {
		s.ended(err)
		return err
	}
	if s.printed++; s.printed == s.count {
		s.ended(errDone)
	}
	return nil
}

func (s *subscriber) text(e *client.Event) (string, error) {
	args, kwargs, err := e.Decode()
	if err != nil {
		return "", err
	}
	if s.asJSON {
		return eventJSON(e, args, kwargs)
	}
	text, err := term.PlainText(args, kwargs)
	if err != nil || text == "" {
		return term.Printable(e.Topic()), err
	}
	return term.Printable(e.Topic()) + " " + text, nil
}

func eventJSON(e *client.Event, args []any, kwargs map[string]any) (string, error) {
	object, err := e.Details.Map()
	if err != nil {
		return "", err
	}
	if object == nil {
		object = map[string]any{}
	}
	object["topic"] = e.Topic()
	object["publication"] = e.Publication
	term.AddPayload(object, args, kwargs)
	return term.JSONText(object)
}
