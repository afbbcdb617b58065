package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/memory"
	"runnel/transport/serial/reading"
)

// sensor speaks for a device that knows no WAMP: it joins the realm in the device's place, a peer like any other with the
// line's role, publishes what the device says and offers procedures that reach it.
//
//	run       joins, offers the procedures; serves the line until ctx is done
//	serve     the device is there: listen to it
//	publish   one event
type sensor struct {
	// Static after construction.
	name   string
	log    *slog.Logger
	client *client.Client
	retain bool
	hear   func(device io.ReadWriteCloser, publish func(reading.Event)) error
	offers map[string]client.Handler
	watch  *watch

	mu sync.Mutex
	// Guarded by mu.
	state   voice
	refused map[string]string // procedures that the router refuses to register, and why
}

// voice is how a sensor's publications fare.
type voice struct {
	Published uint64 `json:"published"`
	Refused   uint64 `json:"refused"` // by the router
	Dropped   uint64 `json:"dropped"` // for want of a session
	Refusal   string `json:"refusal,omitempty"`
}

// longestQuestion is the longest message in octets to what answers calls in this process: the arguments are decoded here,
// which takes many times their length.
const longestQuestion = 16 << 10

// wire joins the realm as the device.
func (n *node) wire(s config.Serial) func(context.Context) (client.Conn, error) {
	return func(context.Context) (client.Conn, error) {
		near, far := memory.Pipe(memory.Options{Name: s.Name, Authid: s.Authid, Role: s.Role, Realm: s.Realm, Limit: longestQuestion})
		go n.router.Serve(far)
		return near, nil
	}
}

func (n *node) newSensor(s config.Serial) *sensor {
	log := n.log.With("line", s.Name)
	return &sensor{
		watch: &watch{log: log, every: time.Duration(s.ExpectEvery)},
		name:  s.Name, log: log, retain: s.Retain, refused: map[string]string{}, offers: map[string]client.Handler{},
		client: client.New(client.Options{
			Dial: n.wire(s), Realm: s.Realm, Agent: "runnel/" + version, Log: log,
			Reconnect: client.Reconnect{Max: 5 * time.Second},
		}),
	}
}

// run serves the line until ctx is done.
func (s *sensor) run(ctx context.Context, line func(context.Context, func(io.ReadWriteCloser) error) error) error {
	ctx, leave := context.WithCancel(ctx)
	var session sync.WaitGroup
	session.Go(func() { s.client.Run(ctx) })
	session.Go(func() { s.watch.run(ctx) })
	defer session.Wait()
	defer leave()
	for procedure, handle := range s.offers {
		how := client.RegisterOptions{Persist: true, Refused: func(err error) { s.offered(procedure, err) }}
		if _, err := s.client.Register(ctx, procedure, how, handle); err != nil {
			return fmt.Errorf("offer %s: %w", procedure, err)
		}
	}
	if s.client.WaitUp(ctx) != nil {
		return nil // what the device says first would have nowhere to go
	}
	return line(ctx, func(device io.ReadWriteCloser) error {
		return s.hear(device, func(e reading.Event) { s.publish(ctx, e) })
	})
}

// offered notes what the router says to a procedure; nil is consent.
func (s *sensor) offered(procedure string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.refused, procedure)
		return
	}
	s.refused[procedure] = err.Error()
	s.log.Warn("serial line may not offer its procedure", "procedure", procedure, "err", err)
}

func (s *sensor) publish(ctx context.Context, e reading.Event) {
	how := client.PublishOptions{Retain: s.retain, Done: func(_ wamp.ID, err error) { s.published(e.Topic, err) }}
	if err := s.client.Publish(ctx, e.Topic, how, client.Payload{Args: e.Args, Kwargs: e.Kwargs}); err != nil && ctx.Err() == nil {
		s.mu.Lock()
		s.state.Dropped++
		s.mu.Unlock()
	}
}

// published notes what the router says to a publication. One that is refused will be refused again: it is logged once,
// and once more when it was allowed in between.
func (s *sensor) published(topic string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch refusal := ""; {
	case err == nil:
		s.state.Published++
		if strings.HasPrefix(s.state.Refusal, topic+": ") { // another topic may still be refused
			s.state.Refusal = ""
		}
	case errors.Is(err, wamp.NetworkFailure):
		s.state.Dropped++
	default:
		s.state.Refused++
		if refusal = topic + ": " + err.Error(); s.state.Refusal == "" {
			s.log.Warn("serial line may not publish", "topic", topic, "err", err)
		}
		s.state.Refusal = refusal
	}
}

// report returns how the publications fare, and which procedures are refused.
func (s *sensor) report() (v voice, refused []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for procedure, why := range s.refused {
		refused = append(refused, procedure+": "+why)
	}
	slices.Sort(refused)
	return s.state, refused
}

// maxWrite bounds what a call may write to a device: some seconds on a slow line.
const maxWrite = 4 << 10

// writer writes to the device that is there, if one is.
type writer struct {
	newline string
	turn    chan struct{} // room for one: who writes

	mu     sync.Mutex
	device io.Writer // guarded by mu; nil if none is there
}

func newWriter(newline string) *writer {
	return &writer{newline: newline, turn: make(chan struct{}, 1)}
}

func (w *writer) set(device io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.device = device
}

// write is the procedure: a string is a line, to which its end is added; octets are written as they are.
func (w *writer) write(ctx context.Context, i *client.Invocation) (client.Payload, error) {
	octets, err := w.argument(i.Args())
	if err != nil {
		return client.Payload{}, client.NewError(wamp.InvalidArgument.Error(), err.Error())
	}
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return client.Payload{}, ctx.Err()
	}
	w.mu.Lock()
	device := w.device
	w.mu.Unlock()
	if device == nil {
		return client.Payload{}, client.NewError(wamp.Unavailable.Error(), "the device is not there")
	}
	if _, err := device.Write(octets); err != nil {
		return client.Payload{}, client.NewError(wamp.Unavailable.Error(), err.Error())
	}
	return client.Payload{}, nil
}

func (w *writer) argument(args []any) ([]byte, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("%d arguments; want one, a string or octets", len(args))
	}
	var octets []byte
	switch v := args[0].(type) {
	case string:
		if strings.ContainsAny(v, "\r\n") {
			return nil, errors.New("a string is one line; call once for each, or pass octets")
		}
		octets = []byte(v + w.newline)
	case []byte:
		octets = v
	default:
		return nil, errors.New("want a string or octets")
	}
	if len(octets) > maxWrite {
		return nil, fmt.Errorf("%d octets; want at most %d", len(octets), maxWrite)
	}
	return octets, nil
}
