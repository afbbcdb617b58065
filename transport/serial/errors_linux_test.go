package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
	"runnel/transport/serial/lapb"
)

// A reset of the link is what a new connection resolves.
func TestLinkReset(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, io.EOF: false, os.ErrClosed: false, lapb.ErrUnknown: true, lapb.ErrRestarted: true, fmt.Errorf("read: %w", lapb.ErrConfused): true,
	} {
		if LinkReset(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}

// timeless is a port that knows no deadlines.
type timeless struct {
	io.ReadWriter
	closed int
	err    error
}

func (c *timeless) Close() error                { c.closed++; return c.err }
func (c *timeless) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// A stream over a port without deadlines ends with the port, which is then lost.
func TestStreamClosesATimelessPort(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct{ closing, want error }{{nil, os.ErrClosed}, {broken, broken}} {
		port := &timeless{err: c.closing}
		s := &stream{port: &Port{rw: port}}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if port.closed != 1 || !errors.Is(s.lost, c.want) || c.want == broken && errors.Is(s.lost, os.ErrClosed) {
			t.Errorf("closed %d times; lost: %v, want %v", port.closed, s.lost, c.want)
		}
	}
}

// A port that failed is opened again after the delay, at once if the device has gone.
func TestDelayReopen(t *testing.T) {
	for name, c := range map[string]struct {
		delay time.Duration
		gone  time.Duration // when the device disappears; 0: never
		ends  time.Duration // when the context ends; 0: never
		want  time.Duration
	}{
		"none": {0, 0, 0, 0}, "short": {poll / 2, 0, 0, poll / 2}, "long": {3*poll + poll/2, 0, 0, 3*poll + poll/2}, "negative": {-1, 0, 0, 0},
		"the device disappears": {10 * poll, poll + poll/2, 0, 2 * poll}, "the line ends": {10 * poll, 0, poll + poll/2, poll + poll/2},
	} {
		t.Run(name, func(t *testing.T) {
			file := kit.Write(t, t.TempDir(), "port", "")
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.gone > 0 {
					time.AfterFunc(c.gone, func() { os.Remove(file) })
				}
				if c.ends > 0 {
					time.AfterFunc(c.ends, cancel)
				}
				l := NewLine(LineConfig{Name: "test", Port: Config{Device: file}, Log: slog.New(slog.DiscardHandler)})
				start := time.Now()
				if l.delayReopen(ctx, c.delay); time.Since(start) != c.want {
					t.Errorf("waited %v, want %v", time.Since(start), c.want)
				}
			})
		})
	}
}
