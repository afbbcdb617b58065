package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

const (
	// maxLine bounds a line of standard input: no transport takes a longer message.
	maxLine = 16 << 20
	// A line longer than suspectLine may be the reason why the router closes the connection. It is sent suspectTries times.
	// Over RawSocket the router announces its limit; over WebSocket it only closes.
	suspectLine  = 64 << 10
	suspectTries = 3
)

// lines publishes each line of in as it arrives. It survives a restart of the router: lines that were not sent wait, and with
// --ack lines that were not acknowledged are sent again.
func (p *publisher) lines(ctx context.Context, topic string, payload client.Payload, in io.Reader) (err error) {
	opts, err := p.peer.Options()
	if err != nil {
		return err
	}
	c, err := p.peer.ConnectLasting(ctx, opts)
	if err != nil {
		return cli.Because(ctx, err)
	}
	defer func() {
		if left := remote.Close(c); err == nil && ctx.Err() == nil {
			err = left // what was not acknowledged may not have been written
		}
	}()
	s := lineSender{publisher: p, client: c, topic: topic, payload: payload}
	for text, err := range term.Lines(ctx, in, maxLine) {
		if err == nil {
			err = s.line(ctx, text)
		}
		if ctx.Err() != nil {
			return cli.Ending(ctx)
		}
		if err != nil {
			return err
		}
	}
	if s.skipped > 0 {
		return fmt.Errorf("publish %s: %s skipped", term.Printable(topic), term.Counted(s.skipped, "line"))
	}
	return nil
}

// lineSender publishes one line after the other.
type lineSender struct {
	*publisher
	client  *client.Client
	topic   string
	payload client.Payload
	number  int // of the line
	skipped int
}

func (s *lineSender) line(ctx context.Context, line term.Line) error {
	s.number++
	if line.Size > maxLine {
		s.skip(line.Size, fmt.Errorf("a message takes %d at most", maxLine))
		return nil
	}
	payload := s.payload
	payload.Args = append(payload.Args[:len(payload.Args):len(payload.Args)], term.ParseValue(line.Text))
	how := s.how
	how.Acknowledge = how.Acknowledge || line.Size > suspectLine
	pause := client.Reconnect{Min: 100 * time.Millisecond, Max: 10 * time.Second}.Backoff()
	for tries := 1; ; tries++ {
		if err := s.client.WaitUp(ctx); err != nil {
			return err
		}
		err := s.client.Publish(ctx, s.topic, how, payload)
		switch {
		case err == nil, ctx.Err() != nil:
			return err
		case errors.Is(err, wamp.PayloadSizeExceeded):
			s.skip(line.Size, err)
			return nil
		case errors.Is(err, wamp.NetworkFailure) && line.Size > suspectLine && tries >= suspectTries:
			s.skip(line.Size, fmt.Errorf("the router closed the connection %d times", tries))
			return nil
		case errors.Is(err, wamp.Unavailable):
			if tries == 1 {
				fmt.Fprintf(os.Stderr, "runnel: line %d, trying again: %s\n", s.number, term.Safe(err.Error()))
			}
		case !errors.Is(err, wamp.NetworkFailure) && !errors.Is(err, context.DeadlineExceeded):
			return publishError(s.topic, err)
		}
		if !client.Sleep(ctx, pause.Next()) {
			return ctx.Err()
		}
	}
}

// skip reports a line that cannot be published.
func (s *lineSender) skip(octets int, why error) {
	s.skipped++
	fmt.Fprintf(os.Stderr, "runnel: line %d skipped: it has %d bytes: %s\n", s.number, octets, term.Safe(why.Error()))
}
