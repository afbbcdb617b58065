// Package feed publishes the lines of a stream: "runnel pub --stdin".
package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"runnel/cmd/runnel/internal/cli"
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

// Feed publishes lines as events.
type Feed struct {
	Client  *client.Client // which reconnects
	Topic   string
	How     client.PublishOptions
	Payload client.Payload // the line is appended to the arguments

	number  int // of the line
	skipped int
}

// Run publishes each line of in as it arrives. It survives a restart of the router: unsent lines wait, and with
// How.Acknowledge it resends lines that were not acknowledged.
func (f *Feed) Run(ctx context.Context, in io.Reader) error {
	for text, err := range term.Lines(ctx, in, maxLine) {
		if err == nil {
			err = f.line(ctx, text)
		}
		if ctx.Err() != nil {
			return cli.Ending(ctx)
		}
		if err != nil {
			return err
		}
	}
	if f.skipped > 0 {
		return fmt.Errorf("publish %s: %s skipped", term.Printable(f.Topic), term.Counted(f.skipped, "line"))
	}
	return nil
}

func (f *Feed) line(ctx context.Context, line term.Line) error {
	f.number++
	if line.Size > maxLine {
		f.skip(line.Size, fmt.Errorf("a message takes %d at most", maxLine))
		return nil
	}
	payload := f.Payload
	payload.Args = append(payload.Args[:len(payload.Args):len(payload.Args)], term.ParseValue(line.Text))
	how := f.How
	how.Acknowledge = how.Acknowledge || line.Size > suspectLine
	pause := client.Reconnect{Min: 100 * time.Millisecond, Max: 10 * time.Second}.Backoff()
	for tries := 1; ; tries++ {
		if err := f.Client.WaitUp(ctx); err != nil {
			return err
		}
		err := f.Client.Publish(ctx, f.Topic, how, payload)
		switch {
		case err == nil, ctx.Err() != nil:
			return err
		case errors.Is(err, wamp.PayloadSizeExceeded):
			f.skip(line.Size, err)
			return nil
		case errors.Is(err, wamp.NetworkFailure) && line.Size > suspectLine && tries >= suspectTries:
			f.skip(line.Size, fmt.Errorf("the router closed the connection %d times", tries))
			return nil
		case errors.Is(err, wamp.Unavailable):
			if tries == 1 {
				fmt.Fprintf(os.Stderr, "runnel: line %d, trying again: %s\n", f.number, term.Safe(err.Error()))
			}
		case !errors.Is(err, wamp.NetworkFailure) && !errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("publish %s: %w", term.Printable(f.Topic), err)
		}
		if !client.Sleep(ctx, pause.Next()) {
			return ctx.Err()
		}
	}
}

// skip reports a line that cannot be published.
func (f *Feed) skip(octets int, why error) {
	f.skipped++
	fmt.Fprintf(os.Stderr, "runnel: line %d skipped: it has %d bytes: %s\n", f.number, octets, term.Safe(why.Error()))
}
