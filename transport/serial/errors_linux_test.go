package serial

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

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
