package rest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

const (
	maxStreams   = 128              // of one listener
	maxOfHost    = 32               // of one address
	keepAlive    = 15 * time.Second // between comments while there are no events
	streamBuffer = 128 << 10        // bytes of events that wait for one client
	retryTime    = "retry: 2000\n\n"
)

// stream is the answer to GET /events: server-sent events of one subscription. It has its own session. A client also
// gets the events that it publishes itself, because POST uses another session.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	within  time.Duration // for a write
	last    place         // the client already has the events up to this place
	epoch   uint64        // of the newest event; owned by the handler of events

	mu sync.Mutex // held for a write
	// Guarded by mu.
	buf    text
	failed error
	sent   []written // events of a durable subscription that are not acknowledged, oldest first
}

// streamOptions are the parameters of GET /events.
type streamOptions struct {
	client.SubscribeOptions
	durable client.Durable
	last    place // Last-Event-ID
}

// events answers GET /events.
func (s *Server) events(w http.ResponseWriter, r *http.Request, uri string, named bool) error {
	if !named {
		return invalid("the path must name a topic: /events/com.example.weather")
	}
	o, err := streamParameters(r)
	if err != nil {
		return err
	}
	who, err := s.credentials(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	me := &owner{cancel: cancel, ended: make(chan struct{}), host: networkOf(hostOf(who.peer.Remote))}
	if err := s.live.add(me); err != nil {
		return err
	}
	defer s.live.remove(me)
	c, err := s.joinStream(ctx, who, o.durable.Name != "")
	if err != nil {
		return err
	}
	defer closeClient(c)
	if o.durable.Name != "" { // after the client has proved its identity
		if err := s.live.replace(ctx, me, who, o.durable.Name); err != nil {
			return err
		}
	}
	return s.stream(ctx, w, c, uri, o)
}

// streamParameters reads the parameters of GET /events.
func streamParameters(r *http.Request) (o streamOptions, err error) {
	for name, values := range r.URL.Query() {
		value, ok := values[len(values)-1], true
		switch name {
		case "realm":
		case "match":
			switch value {
			case "exact", "":
			case "prefix":
				o.Match = wamp.Prefix
			case "wildcard":
				o.Match = wamp.Wildcard
			default:
				ok = false
			}
		case "retained":
			o.GetRetained, ok = flag.parse(value).(bool)
		case "durable":
			o.durable.Name, ok = value, value != ""
		case "from":
			o.durable.From = value
		default:
			return o, invalid("unknown parameter %.100q", name)
		}
		if !ok {
			return o, invalid("parameter %s has a wrong value: %.100q", name, value)
		}
	}
	if o.durable.Name == "" && o.durable.From != "" {
		return o, invalid("from has no effect without durable")
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" && o.durable.Name != "" {
		var ok bool
		if o.last, ok = readPlace(id); !ok {
			return o, invalid("Last-Event-ID is not an id of this stream: %.100q", id)
		}
	}
	return o, nil
}

// joinStream opens the session of a stream.
func (s *Server) joinStream(ctx context.Context, who credentials, durable bool) (*client.Client, error) {
	done, err := s.pool.admit(&s.pool.joining, hostOf(who.peer.Remote))
	if err != nil {
		return nil, err
	}
	defer done()
	o := s.client(&who)
	o.EventBuffer = streamBuffer
	if durable {
		o.HandlerWait = 2 * s.opts.Time // longer than a write: an event that finds no room would be delivered again, after later ones
	}
	return client.Connect(ctx, o)
}

// stream subscribes and sends events until the client disconnects or stops reading, or until its session ends.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, c *client.Client, uri string, o streamOptions) error {
	t := &stream{w: w, control: http.NewResponseController(w), within: s.opts.Time, last: o.last, epoch: o.last.epoch}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer t.close()
	t.mu.Lock() // events wait until the head of the answer is written
	err := t.subscribe(ctx, c, uri, o, cancel)
	if err != nil {
		t.mu.Unlock()
		return err
	}
	setAll(w.Header(), "Content-Type", "text/event-stream", "X-Accel-Buffering", "no") // the latter for nginx in front of the router
	w.WriteHeader(http.StatusOK)
	t.buf = t.buf.add(retryTime)
	err = t.flush()
	t.mu.Unlock()
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for dropped := uint64(0); err == nil; {
		select {
		case <-tick.C:
			err = t.comment(c.Dropped(), &dropped)
		case <-c.Done():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// close ensures that nothing writes to the connection from now on, because the web server takes it back.
func (t *stream) close() {
	t.control.SetWriteDeadline(time.Unix(1, 0)) // ends a write that waits
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = context.Canceled
	}
}

// subscribe subscribes for the stream. The handlers call cancel when the client stops taking events.
func (t *stream) subscribe(ctx context.Context, c *client.Client, uri string, o streamOptions, cancel func()) (err error) {
	if o.durable.Name == "" {
		_, err = c.Subscribe(ctx, uri, o.SubscribeOptions, func(e *client.Event) {
			if t.send(e, place{}) != nil {
				cancel()
			}
		})
		return err
	}
	o.durable.Window, o.durable.AckWait, o.durable.Origin = durableWindow, durableWait, true
	o.durable.Dropped = func(error) { cancel() }
	_, err = c.SubscribeConfirming(ctx, uri, o.SubscribeOptions, o.durable, func(e *client.Event) {
		if t.sendDurable(e) != nil {
			cancel()
		}
	})
	return err
}

// send writes an event with its id, if that is not 0.
func (t *stream) send(e *client.Event, at place) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed != nil {
		return t.failed
	}
	t.write(e, at)
	if e.More && len(t.buf) < streamBuffer/4 {
		return t.failed // written with the next one
	}
	return t.flush()
}

// write appends an event to the buffer. The caller holds mu.
func (t *stream) write(e *client.Event, at place) {
	b := t.buf
	events, reason, gap := e.Gap()
	if gap {
		b = b.add("event: gap\n")
	}
	if at.position != 0 {
		b = b.add("id: ", decimal(at.epoch), "-", decimal(at.position), "\n")
	}
	b = b.add("data: ")
	start := len(b)
	if gap {
		b = b.add(`{"events":`, decimal(events), `,"reason":`, quoted(reason), "}")
	} else {
		var err error
		if b, err = b.event(e); err != nil {
			return // a payload that JSON cannot express; the router never transcodes to such a payload
		}
	}
	oneLine(b[start:])
	t.buf = b.add("\n\n")
}

// oneLine replaces line breaks. Those inside JSON strings are escaped, so only white space changes.
func oneLine(b []byte) {
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
}

// comment writes a comment, which keeps proxies from closing the connection. It also says how many events were dropped because
// the client reads too slowly.
func (t *stream) comment(total uint64, before *uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := total - *before; n > 0 {
		*before = total
		t.buf = t.buf.add("event: gap\ndata: {\"events\":", decimal(n), ",\"reason\":\"slow\"}\n\n")
	} else {
		t.buf = t.buf.add(":\n\n")
	}
	t.acknowledge(time.Now())
	return t.flush()
}

// flush writes the buffer. A client that does not take it in time is disconnected. The caller holds mu.
func (t *stream) flush() error {
	if t.failed != nil || len(t.buf) == 0 {
		return t.failed
	}
	t.control.SetWriteDeadline(time.Now().Add(t.within))
	_, err := t.w.Write(t.buf)
	if err == nil {
		err = t.control.Flush()
	}
	if t.buf = t.buf[:0]; cap(t.buf) > streamBuffer {
		t.buf = nil
	}
	t.failed = err
	return err
}
