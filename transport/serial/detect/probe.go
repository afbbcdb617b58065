package detect

import (
	"cmp"
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

// Bauds lists the baud rates to try, the usual ones first.
var Bauds = []int{115200, 9600, 57600, 38400, 19200, 4800, 230400, 460800, 921600, 2400, 1200}

// keep is how many received bytes are kept.
const keep = 16 << 10

// Prober finds the settings and the protocol of a line.
type Prober struct {
	Each   time.Duration                                      // how long each try listens, unless it is sure earlier
	Open   func(context.Context, serial.Config) (Port, error) // opens the port
	Report func(serial.Config, Guess)                         // called with the result of each try
	Known  Devices                                            // whose messages are recognized

	best  serial.Config
	guess Guess
}

// Probe returns the port's settings and the data received with them. c names the port; if c has a baud rate, no other
// is tried.
func (p *Prober) Probe(ctx context.Context, c serial.Config) (serial.Config, Guess, error) {
	p.best, p.guess = c, Guess{}
	bauds := Bauds
	if c.Baud != 0 {
		bauds = []int{c.Baud}
	}
	var tries []serial.Config
	for _, baud := range bauds {
		c.Baud = baud
		tries = append(tries, c)
	}
	doubtful, err := p.try(ctx, tries)
	if err == nil && p.guess.Kind <= Unreadable {
		_, err = p.try(ctx, withParity(doubtful))
	}
	return p.best, p.guess, err
}

// withParity repeats the tries that received unreadable bytes with other parities.
func withParity(doubtful []serial.Config) (tries []serial.Config) {
	for _, c := range doubtful {
		c.Parity = serial.Even
		tries = append(tries, c)
		c.DataBits = 7
		tries = append(tries, c)
	}
	return tries
}

// try listens with each setting until it is sure. It returns the settings with unreadable input.
func (p *Prober) try(ctx context.Context, tries []serial.Config) (doubtful []serial.Config, err error) {
	for _, c := range tries {
		heard, err := p.listen(ctx, c)
		if errors.Is(err, serial.ErrSetting) {
			continue // a baud rate the port does not support
		}
		if err != nil {
			return nil, err
		}
		p.Report(c, heard)
		if heard.better(p.guess) {
			p.best, p.guess = c, heard
		}
		if p.guess.Sure {
			return nil, nil
		}
		if heard.Kind == Unreadable {
			doubtful = append(doubtful, c)
		}
	}
	return doubtful, nil
}

// better reports whether g is a better guess about the line than another one.
func (g Guess) better(than Guess) bool {
	if g.Sure != than.Sure {
		return g.Sure
	}
	return cmp.Or(cmp.Compare(g.Kind, than.Kind), cmp.Compare(g.Pieces, than.Pieces)) > 0
}

func (p *Prober) listen(ctx context.Context, c serial.Config) (g Guess, err error) {
	port, err := p.Open(ctx, c)
	if err != nil {
		return g, err
	}
	defer port.Close()
	defer context.AfterFunc(ctx, func() { port.SetDeadline(time.Unix(1, 0)) })()
	if err := port.SetDeadline(time.Now().Add(p.Each)); err != nil {
		return g, err
	}
	var heard []byte
	buf := make([]byte, 4<<10)
	for !g.final() && len(heard) < keep {
		n, err := port.Read(buf)
		heard = append(heard, buf[:n]...)
		g = Identify(heard, p.Known)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return g, err
		}
	}
	return g, ctx.Err()
}
