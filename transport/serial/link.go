package serial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"runnel/transport/serial/lapb"
)

// Framing is the framing on the wire.
type Framing uint8

const (
	Bare    Framing = iota // the bytes of the stream
	HDLC                   // the link, which makes an unreliable line reliable; see lapb
	Foreign                // a protocol other than RawSocket: text or a bus
)

var framingNames = []string{"none", "hdlc", "foreign"}

func (f Framing) String() string { return framingNames[f] }

// UnmarshalText reads "none" or "hdlc".
func (f *Framing) UnmarshalText(text []byte) error {
	i, err := pick("framing", framingNames[:Foreign], string(text))
	*f = Framing(i)
	return err
}

// linkConfig completes the link's configuration with the role and the port's baud rate.
func linkConfig(link lapb.Config, role lapb.Role, port Config) lapb.Config {
	link.Role = role
	link.Baud = port.withDefaults().Baud
	if link.BootID == 0 {
		link.BootID = rand.Uint32()
	}
	return link
}

// validateLink reports settings of a link that do not fit the port.
func validateLink(link lapb.Config, port Config) error {
	if bits := port.withDefaults().DataBits; bits != 8 {
		return fmt.Errorf(`%d data bits: framing "hdlc" needs 8`, bits)
	}
	return link.Validate()
}

// linkState holds the state of a line's link across openings of the port.
type linkState struct {
	mu      sync.Mutex
	station *lapb.Station // nil while the port is closed
	past    lapb.Status   // sums of the counters of earlier stations
}

func (s *linkState) begin(station *lapb.Station) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.station = station
}

func (s *linkState) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = s.sum()
	s.past.Up, s.past.BaudSuspect = false, false
	s.station = nil
}

// sum is called with mu held.
func (s *linkState) sum() lapb.Status {
	if s.station == nil {
		return s.past
	}
	now := s.station.Status()
	now.In += s.past.In
	now.Out += s.past.Out
	now.Link.Add(s.past.Link)
	now.Framing.Add(s.past.Framing)
	now.Err = cmp.Or(now.Err, s.past.Err)
	return now
}

func (s *linkState) status() lapb.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum()
}

// useLink runs the gateway's end of a link on the port and serves one stream after the other, until the port fails or ctx
// is done. It closes the port and returns the port's error.
func (l *Line) useLink(ctx context.Context, port *Port, serve func(io.ReadWriteCloser) error) error {
	station, err := lapb.New(port, l.framed, lapb.Hooks{Log: l.logDevice, BaudSuspect: l.warnBaud})
	if err != nil {
		return err // cannot happen: Run has validated the configuration
	}
	l.link.begin(station)
	defer l.link.detach()
	failed := make(chan error, 1)
	go func() { failed <- station.Run() }()
	l.serveStreams(ctx, port, station, serve)
	station.Close()
	return <-failed
}

func (l *Line) serveStreams(ctx context.Context, port *Port, station *lapb.Station, serve func(io.ReadWriteCloser) error) {
	pause := delay{min: pauseMin, max: pauseMax}
	for {
		l.status.enter(Listening, port.Device(), nil)
		stream, err := station.Accept(ctx)
		if err != nil {
			return
		}
		began := time.Now()
		err = l.serveStream(stream, port, station.Status().Peer, serve)
		pause.after(err, time.Since(began))
		sleep(ctx, pause.current)
	}
}

func (l *Line) serveStream(s *lapb.Stream, port *Port, peer lapb.Identity, serve func(io.ReadWriteCloser) error) error {
	defer s.Close()
	l.log.Info("serial link up", "device", port.Device(), "name", peer.Name, "boot", peer.BootID)
	l.count.peers.Add(1)
	l.status.enter(Serving, port.Device(), nil)
	err := serve(s)
	if lost := s.Err(); lost != nil && !errors.Is(lost, io.EOF) && !errors.Is(lost, ErrUnplugged) {
		l.log.Warn("serial link lost", "device", port.Device(), "err", lost)
	}
	return err
}

// logDevice logs a log line of the device.
func (l *Line) logDevice(line string) { l.log.Info("serial device log", "text", line) }

func (l *Line) warnBaud() {
	l.log.Warn("serial device sends bytes but no valid frames; check its baud rate", "baud", l.framed.Baud)
}
