package ear

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"runnel/transport/serial"
)

// Port is an open port to listen to.
type Port interface {
	io.ReadCloser
	SetDeadline(time.Time) error
}

// Bauds are the rates that are tried, the usual ones first.
var Bauds = []int{115200, 9600, 57600, 38400, 19200, 4800, 230400, 460800, 921600, 2400, 1200}

// keep is how much of what is heard is kept.
const keep = 16 << 10

// Probe finds out what a line speaks: how its port has to be set, and what is to be heard then. c says which port it is;
// its Baud, if there is one, is the only one that is tried. Each try listens for a time, or until it is sure. tell is
// called after each.
func Probe(ctx context.Context, c serial.Config, each time.Duration, open func(context.Context, serial.Config) (Port, error), tell func(serial.Config, Guess)) (best serial.Config, g Guess, err error) {
	bauds := Bauds
	if c.Baud != 0 {
		bauds = []int{c.Baud}
	}
	var doubtful []serial.Config
	best = c
	for _, baud := range bauds {
		c.Baud = baud
		doubtful = append(doubtful, c)
	}
	// Where octets came and made no sense, the parity bit may be to blame.
	for _, parities := range [][]serial.Config{nil, {{Parity: serial.Even}, {Parity: serial.Even, DataBits: 7}}} {
		tries := doubtful
		if parities != nil {
			tries = nil
			for _, d := range doubtful {
				for _, p := range parities {
					d.Parity, d.DataBits = p.Parity, p.DataBits
					tries = append(tries, d)
				}
			}
		}
		doubtful = nil
		for _, try := range tries {
			found, err := listen(ctx, try, each, open)
			if errors.Is(err, errUnsettable) {
				continue
			}
			if err != nil {
				return best, g, err
			}
			tell(try, found)
			if found.better(g) {
				best, g = try, found
			}
			if g.Sure {
				return best, g, nil
			}
			if found.Kind == Nonsense {
				doubtful = append(doubtful, try)
			}
		}
		if g.Kind > Nonsense {
			break
		}
	}
	return best, g, nil
}

func (g Guess) better(than Guess) bool {
	if g.Sure != than.Sure {
		return g.Sure
	}
	if g.Kind != than.Kind {
		return g.Kind > than.Kind
	}
	return g.Pieces > than.Pieces
}

// errUnsettable is a baud rate that a port does not know.
var errUnsettable = errors.New("not a rate of this port")

func listen(ctx context.Context, c serial.Config, each time.Duration, open func(context.Context, serial.Config) (Port, error)) (g Guess, err error) {
	port, err := open(ctx, c)
	if errors.Is(err, serial.ErrSetting) {
		return g, errUnsettable
	}
	if err != nil {
		return g, err
	}
	defer port.Close()
	defer context.AfterFunc(ctx, func() { port.SetDeadline(time.Unix(1, 0)) })()
	if err := port.SetDeadline(time.Now().Add(each)); err != nil {
		return g, err
	}
	var heard []byte
	buf := make([]byte, 4<<10)
	for !g.Sure && len(heard) < keep {
		n, err := port.Read(buf)
		heard = append(heard, buf[:n]...)
		g = Look(heard)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return g, err
		}
	}
	return g, ctx.Err()
}
