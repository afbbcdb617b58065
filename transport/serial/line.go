package serial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"runnel/transport/serial/lapb"
)

// How long a line waits. A device that comes back has to be served again within 1.5 s: one poll, and one try more
// because udev sets a new device's group only after it has appeared.
const (
	poll      = 250 * time.Millisecond // between looks for a device that is not there
	retryMin  = time.Second            // between tries at a port that cannot be opened, or is lost as soon as it is
	retryMax  = 5 * time.Second
	pauseMin  = 100 * time.Millisecond // between peers that fail at once
	pauseMax  = time.Second
	steady    = time.Second // what lasts this long has not failed at once
	noiseNote = 64          // octets that are no handshake before it is worth a warning
)

// LineConfig says which port a line keeps in use.
type LineConfig struct {
	Name    string // for the logs; "": the device
	Port    Config
	Framing Framing
	Link    lapb.Config  // with framing HDLC; the line fills in Role and Baud
	Log     *slog.Logger // nil: slog.Default()
}

// Line keeps a serial port in use. Its methods may be called from any goroutine; Run by one at a time.
type Line struct {
	// Static after construction.
	port    Config
	framing Framing
	framed  lapb.Config
	log     *slog.Logger

	count  counters
	status status
	link   linkState
	uart   uartState
}

// NewLine returns a line that does nothing before Run.
func NewLine(c LineConfig) *Line {
	log := cmp.Or(c.Log, slog.Default()).With("line", cmp.Or(c.Name, c.Port.target()))
	l := &Line{port: c.Port, framing: c.Framing, framed: linkConfig(c.Link, lapb.Gateway, c.Port), log: log}
	l.status.enter(Stopped, "", nil)
	return l
}

// Validate reports what is wrong with c, without looking at any device.
func (c LineConfig) Validate() error {
	if err := c.Port.Validate(); err != nil || c.Framing != HDLC {
		return err
	}
	return validateLink(c.Link, c.Port)
}

// Run opens the port and calls serve for each peer that speaks up on it: the next octets of the stream are the peer's
// RawSocket handshake. With framing HDLC each connection of the link is a peer. serve has the stream for itself until it
// returns, and closing the stream ends the peer's time, not the port's. If the device goes away, reads and writes fail at
// once; when serve has returned the port is closed and Run waits for the device to come back.
//
// With framing Foreign nobody has to speak up: serve is called when the port is open, and gets all octets.
//
// Run returns nil when ctx is done. It does not cut off the peer that is being served, who may want to say GOODBYE: it
// waits for serve. What is Foreign says no GOODBYE: its stream ends with ctx. Run returns an error only if the config is
// wrong.
func (l *Line) Run(ctx context.Context, serve func(io.ReadWriteCloser) error) error {
	if err := (LineConfig{Port: l.port, Framing: l.framing, Link: l.framed}).Validate(); err != nil {
		return fmt.Errorf("run serial line %s: %w", l.port.target(), err)
	}
	defer l.status.enter(Stopped, "", nil)
	retry := delay{min: retryMin, max: retryMax}
	for ctx.Err() == nil {
		port, err := Open(ctx, l.port)
		if err != nil {
			l.waitToOpen(ctx, err, &retry)
			continue
		}
		opened := time.Now()
		l.opened(port)
		switch l.framing {
		case HDLC:
			err = l.useLink(ctx, port, serve)
		case Foreign:
			err = l.useForeign(ctx, port, serve)
		default:
			err = l.use(ctx, port, serve)
		}
		l.uart.end() // before the port is closed
		port.Close()
		if ctx.Err() != nil {
			break
		}
		l.lost(port, err)
		retry.next(time.Since(opened))
		l.hold(ctx, retry.current)
	}
	return nil
}

// hold waits for d before a port that was lost as soon as it was open is tried again, but no longer than the device is
// there: one that comes back is another one.
func (l *Line) hold(ctx context.Context, d time.Duration) {
	for ; d > 0 && ctx.Err() == nil && l.port.present(); d -= poll {
		sleep(ctx, min(d, poll))
	}
}

// waitToOpen waits for the next try. A device that is not there is looked for often, as that costs little.
func (l *Line) waitToOpen(ctx context.Context, err error, retry *delay) {
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, os.ErrNotExist):
		if l.status.enter(Waiting, "", err) {
			l.log.Info("serial device is not there, waiting for it", "err", err)
		}
		*retry = delay{min: retry.min, max: retry.max}
		sleep(ctx, poll)
	default:
		if l.status.enter(Refused, "", err) {
			l.log.Warn("cannot open serial port, trying again", "err", err)
		}
		retry.next(0)
		sleep(ctx, retry.current)
	}
}

func (l *Line) opened(p *Port) {
	l.count.opens.Add(1)
	l.uart.begin(p)
	l.status.enter(Listening, p.Device(), nil)
	l.log.Info("serial port open", "device", p.Device())
}

func (l *Line) lost(p *Port, err error) {
	l.count.losses.Add(1)
	l.status.enter(Waiting, "", err)
	l.log.Warn("serial port lost", "device", p.Device(), "err", err)
}

// useForeign serves whatever speaks on the port until the port fails or ctx is done. It returns why.
func (l *Line) useForeign(ctx context.Context, port *Port, serve func(io.ReadWriteCloser) error) error {
	s := &stream{port: port, count: &l.count}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	err := l.serve(s, serve)
	return cmp.Or(s.finish(), err, os.ErrClosed)
}

// use serves one peer after the other until the port fails or ctx is done. It returns the port's error.
func (l *Line) use(ctx context.Context, port *Port, serve func(io.ReadWriteCloser) error) error {
	pause := delay{min: pauseMin, max: pauseMax}
	var rest []byte
	for ctx.Err() == nil {
		s := &stream{port: port, count: &l.count, ahead: rest}
		err := l.await(ctx, s)
		began := time.Now()
		if err == nil {
			err = l.serve(s, serve)
		}
		if lost := s.finish(); lost != nil {
			return lost
		}
		rest = s.rest()
		if err == nil {
			pause.next(steady)
			continue
		}
		pause.next(time.Since(began))
		sleep(ctx, pause.current)
	}
	return nil
}

// await waits for a peer's handshake, or for ctx.
func (l *Line) await(ctx context.Context, s *stream) error {
	l.status.enter(Listening, s.port.Device(), nil)
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	noise := 0
	return s.resync(func(n int) {
		l.count.skipped.Add(uint64(n))
		if noise < noiseNote && noise+n >= noiseNote {
			l.log.Warn("serial device sends octets that are no RawSocket handshake; skipping them", "device", s.port.Device())
		}
		noise += n
	})
}

func (l *Line) serve(s *stream, serve func(io.ReadWriteCloser) error) error {
	l.count.peers.Add(1)
	l.status.enter(Serving, s.port.Device(), nil)
	return serve(s)
}

// delay grows from min to max while what it delays keeps failing.
type delay struct {
	min, max, current time.Duration
}

// next sets the delay after something that lasted for a time; 0 after what was steady.
func (d *delay) next(lasted time.Duration) {
	switch {
	case lasted >= steady:
		d.current = 0
	case d.current == 0:
		d.current = d.min
	default:
		d.current = min(2*d.current, d.max)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	_ = settle(ctx, d)
}
