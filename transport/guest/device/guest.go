package device

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

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/memory"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// Options are the options of guests of all kinds.
type Options struct {
	Name   string // of the serial line; names the session's connection
	Authid string
	Role   string
	Realm  string
	Agent  string

	Serve func(*memory.Conn) // serves the router's end of the session's connection; called in its own goroutine

	Retain      bool          // readings are published as retained events
	ExpectEvery time.Duration // the alarm for silence is raised after this time; 0: never
	Log         *slog.Logger
}

// Guest is the session of one device. Run and serve are called by the owner of the serial line; State may be called from any
// goroutine.
//
//	Run       joins the realm, offers the procedures, serves the line until ctx is done
//	serve     one opened port: reads the device until the port fails
//	publish   one reading
type Guest struct {
	// Static after construction.
	log      *slog.Logger
	client   *client.Client
	retain   bool
	serve    func(port io.ReadWriteCloser, publish func(reading.Event)) error
	offers   map[string]client.Handler
	watch    *watch
	lines    *lines.Sensor  // of a device that prints lines, else nil
	modbus   *modbus.Master // of a Modbus, else nil
	lastGood func() time.Time

	mu sync.Mutex
	// Guarded by mu.
	counts  counts
	refused map[string]string // procedures that the router refuses to register, with the reason
}

// counts counts the readings by their outcome.
type counts struct {
	published, refused, dropped uint64
	topic                       string // of the last reading that was accepted
	refusal                     string // the last refusal: "topic: reason"; "" once the topic is accepted again
}

// State is a snapshot of a guest.
type State struct {
	Published uint64 // readings that the router accepted
	Refused   uint64 // readings that the router rejected
	Dropped   uint64 // readings without a session to publish them
	Refusal   string // "topic: reason" of the readings that are rejected now

	RefusedProcedures []string // "procedure: reason", sorted

	Topic    string    // of the last reading that the router accepted; "": none yet
	LastGood time.Time // of the last good reading; zero if there was none
	Silent   bool      // no good reading within ExpectEvery
	Alarms   []string  // texts for people, the same for as long as the cause lasts

	Lines  *lines.State  // of a device that prints lines, else nil
	Modbus *modbus.State // of a Modbus, else nil
}

// maxCall is the longest message in bytes that a guest takes from the router. The arguments of calls are decoded in this
// process, which takes many times their length.
const maxCall = 16 << 10

func newGuest(o Options) *Guest {
	log := o.Log.With("line", o.Name)
	dial := func(context.Context) (client.Conn, error) {
		near, far := memory.Pipe(memory.Options{Name: o.Name, Authid: o.Authid, Role: o.Role, Realm: o.Realm, Limit: maxCall})
		go o.Serve(far)
		return near, nil
	}
	return &Guest{
		log: log, retain: o.Retain, offers: map[string]client.Handler{}, refused: map[string]string{},
		watch: &watch{log: log, every: o.ExpectEvery},
		client: client.New(client.Options{
			Dial: dial, Realm: o.Realm, Agent: o.Agent, Log: log,
			Reconnect: client.Reconnect{Max: 5 * time.Second},
		}),
	}
}

// Run joins the realm and serves the line until ctx is done. line opens the port, hands it to the function that it is given,
// and does so again after a failure; it returns when its context is done.
func (g *Guest) Run(ctx context.Context, line func(context.Context, func(io.ReadWriteCloser) error) error) error {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { g.client.Run(ctx) })
	running.Go(func() { g.watch.run(ctx) })
	defer running.Wait()
	defer stop()
	for procedure, handle := range g.offers {
		how := client.RegisterOptions{Persist: true, Refused: func(err error) { g.registered(procedure, err) }}
		if _, err := g.client.Register(ctx, procedure, how, handle); err != nil {
			return fmt.Errorf("register %s: %w", procedure, err)
		}
	}
	if g.client.WaitUp(ctx) != nil {
		return nil // without a session the first readings would be lost
	}
	return line(ctx, func(port io.ReadWriteCloser) error {
		return g.serve(port, func(e reading.Event) { g.publish(ctx, e) })
	})
}

// registered records the router's answer to a REGISTER. err is nil if it was accepted.
func (g *Guest) registered(procedure string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		delete(g.refused, procedure)
		return
	}
	g.refused[procedure] = err.Error()
	g.log.Warn("serial line may not offer its procedure", "procedure", procedure, "err", err)
}

func (g *Guest) publish(ctx context.Context, e reading.Event) {
	how := client.PublishOptions{Retain: g.retain, Done: func(_ wamp.ID, err error) { g.published(e.Topic, err) }}
	if err := g.client.Publish(ctx, e.Topic, how, client.Payload{Args: e.Args, Kwargs: e.Kwargs}); err != nil && ctx.Err() == nil {
		g.mu.Lock()
		g.counts.dropped++
		g.mu.Unlock()
	}
}

// published records the router's answer to a PUBLISH. The first refusal is logged, and again after the topic was accepted in
// between: each further reading of the topic will be rejected as well.
func (g *Guest) published(topic string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := &g.counts
	switch {
	case err == nil:
		c.published++
		c.topic = topic
		if strings.HasPrefix(c.refusal, topic+": ") { // other topics may still be rejected
			c.refusal = ""
		}
	case errors.Is(err, wamp.NetworkFailure):
		c.dropped++
	default:
		c.refused++
		if c.refusal == "" {
			g.log.Warn("serial line may not publish", "topic", topic, "err", err)
		}
		c.refusal = topic + ": " + err.Error()
	}
}

// State returns a snapshot.
func (g *Guest) State() State {
	s := State{LastGood: g.lastGood()}
	s.Alarms, s.Silent = g.watch.alarms()
	if g.lines != nil {
		state := g.lines.State()
		s.Lines = &state
	}
	if g.modbus != nil {
		state := g.modbus.State()
		s.Modbus = &state
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.Published, s.Refused, s.Dropped, s.Refusal = g.counts.published, g.counts.refused, g.counts.dropped, g.counts.refusal
	s.Topic = g.counts.topic
	for procedure, reason := range g.refused {
		s.RefusedProcedures = append(s.RefusedProcedures, procedure+": "+reason)
	}
	slices.Sort(s.RefusedProcedures)
	return s
}
