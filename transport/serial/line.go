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

// Waiting times of a line. A device that returns must be served within 1.5 s: one poll and one retry, as udev sets the
// group of a new device only after the device appears.
const (
	poll      = 250 * time.Millisecond // between checks for a missing device
	retryMin  = time.Second            // between attempts to open a port that cannot be opened or fails at once
	retryMax  = 5 * time.Second
	pauseMin  = 100 * time.Millisecond // between peers that fail at once
	pauseMax  = time.Second
	steady    = time.Second // an attempt that lasts this long has not failed at once
	noiseNote = 64          // bytes without a handshake that cause a warning
)

// LineConfig describes a line.
type LineConfig struct {
	Name    string // for logs; "" for the device
	Port    Config
	Framing Framing
	Link    lapb.Config  // framing HDLC only; the line sets Role and Baud
	Log     *slog.Logger // nil for slog.Default()
}

// Line keeps a serial port in use. Its methods may be called from any goroutine, Run from one at a time.
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
	tap    tap
}

// NewLine returns a line. It does nothing until Run is called.
func NewLine(c LineConfig) *Line {
	log := cmp.Or(c.Log, slog.Default()).With("line", cmp.Or(c.Name, c.Port.target()))
	l := &Line{port: c.Port, framing: c.Framing, framed: linkConfig(c.Link, lapb.Gateway, c.Port), log: log}
	l.status.enter(Stopped, "", nil)
	return l
}

// Validate returns an error that names the invalid setting in c. It does not access any device.
func (c LineConfig) Validate() error {
	if err := c.Port.Validate(); err != nil || c.Framing != HDLC {
		return err
	}
	return validateLink(c.Link, c.Port)
}

// Run opens the port and calls serve for each peer that connects: the stream begins with the peer's RawSocket handshake.
// With framing HDLC each connection of the link is a peer. The stream belongs to serve until it returns. Closing the
// stream ends the peer's connection, not the port. When the device is unplugged, reads and writes fail at once; after serve
// has returned, Run closes the port and waits for the device to return.
//
// With framing Foreign there is no handshake: serve is called when the port is open, and receives all bytes.
//
// Run returns nil when ctx is done. It waits for serve to return, so that the current session can say GOODBYE. With framing
// Foreign there is no session, and the stream ends with ctx. Run returns an error only if the configuration is invalid.
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
		l.uart.detach() // before the port is closed
		port.Close()
		if ctx.Err() != nil {
			break
		}
		l.lost(port, err)
		retry.next(time.Since(opened))
		l.delayReopen(ctx, retry.current)
	}
	return nil
}

// delayReopen waits for d before it reopens a port that failed at once. It returns early when the device disappears: a device
// that returns is a new one.
func (l *Line) delayReopen(ctx context.Context, d time.Duration) {
	for ; d > 0 && ctx.Err() == nil && l.port.present(); d -= poll {
		sleep(ctx, min(d, poll))
	}
}

// waitToOpen waits for the next attempt to open the port. Checking for a missing device is cheap, so it is checked often.
func (l *Line) waitToOpen(ctx context.Context, err error, retry *delay) {
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, os.ErrNotExist):
		if l.status.enter(Waiting, "", err) {
			l.log.Info("serial device not found; waiting for it", "err", err)
		}
		*retry = delay{min: retry.min, max: retry.max}
		sleep(ctx, poll)
	default:
		if l.status.enter(Refused, "", err) {
			l.log.Warn("cannot open serial port; retrying", "err", err)
		}
		retry.next(0)
		sleep(ctx, retry.current)
	}
}

func (l *Line) opened(p *Port) {
	l.count.opens.Add(1)
	l.uart.begin(p)
	p.tap = &l.tap
	l.status.enter(Listening, p.Device(), nil)
	l.log.Info("serial port open", "device", p.Device())
}

func (l *Line) lost(p *Port, err error) {
	l.count.losses.Add(1)
	l.status.enter(Waiting, "", err)
	l.log.Warn("serial port lost", "device", p.Device(), "err", err)
}

// useForeign serves the port until it fails or ctx is done, and returns the reason.
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
		rest = s.unread()
		pause.after(err, time.Since(began))
		sleep(ctx, pause.current)
	}
	return nil
}

// await waits for a peer's handshake or for ctx.
func (l *Line) await(ctx context.Context, s *stream) error {
	l.status.enter(Listening, s.port.Device(), nil)
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	noise := 0
	return s.resync(func(n int) {
		l.count.skipped.Add(uint64(n))
		if noise < noiseNote && noise+n >= noiseNote {
			l.log.Warn("serial device sends bytes that are not a RawSocket handshake; skipping them", "device", s.port.Device())
		}
		noise += n
	})
}

func (l *Line) serve(s *stream, serve func(io.ReadWriteCloser) error) error {
	l.count.peers.Add(1)
	l.status.enter(Serving, s.port.Device(), nil)
	return serve(s)
}

// delay grows from min to max with consecutive failures.
type delay struct {
	min, max, current time.Duration
}

// after sets the delay after an attempt that lasted for a time and returned err; after a successful one it is 0.
func (d *delay) after(err error, lasted time.Duration) {
	if err == nil {
		lasted = steady
	}
	d.next(lasted)
}

// next sets the delay after an attempt that lasted for a time; after a steady one it is 0.
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
	_ = pause(ctx, d)
}
