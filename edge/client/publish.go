package client

import (
	"context"
	"errors"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// PublishOptions say how to publish an event, and to which subscribers. Each list restricts the receivers; a list that
// is empty but not nil takes effect, too.
type PublishOptions struct {
	Acknowledge bool // wait until the router accepts or rejects the event

	// Done requests an acknowledgement that Publish does not wait for. Once the router has answered, Done is called
	// with the publication id or the router's ERROR, or with wamp.NetworkFailure if the session ends first. It is
	// called once, or not at all if Publish returns an error. The goroutine that reads calls it, so Done must not wait
	// for this client. Publish blocks while Options.Unacknowledged such publications are pending.
	Done func(publication wamp.ID, err error)

	IncludeMe  bool // deliver the event to this client, too, if it has subscribed
	DiscloseMe bool // disclose the publisher's identity to the subscribers
	Retain     bool // the router keeps the event for later subscribers with get_retained

	Eligible, Exclude                 []wamp.ID // session ids
	EligibleAuthid, ExcludeAuthid     []string
	EligibleAuthrole, ExcludeAuthrole []string

	// TTL is how long the event is of use. Routers and their queues do not deliver it later; 0: no limit. It is sent in
	// milliseconds, at least 1.
	TTL time.Duration

	// Set by links for events that they forward. Routers accept these only from sessions that may forward.
	ForwardFor []Hop     // the links that the event has crossed, oldest hop first
	Origin     *Origin   // identifies the event, so that it is routed once even if sent again; needs Acknowledge or Done
	Time       time.Time // when the event was first published; zero: not sent

	Extra map[string]any // further fields of PUBLISH.Options

	// More announces further messages: the client may delay this one to write them together.
	More bool
}

// Publish publishes an event. Without Acknowledge and Done it returns when the event is in the outgoing buffer; a
// rejection by the router or a broken connection stays unnoticed. Without a session, or if ctx is done before there is
// room, Publish returns an error and nothing is published.
func (c *Client) Publish(ctx context.Context, topic string, o PublishOptions, p Payload) error {
	s, err := c.session()
	if err != nil {
		return err
	}
	if o.Done != nil {
		return s.publishWithin(ctx, topic, o, p)
	}
	m, urgency, err := o.message(s.out.serializer, topic, p)
	switch {
	case err != nil:
		return err
	case o.Acknowledge:
		return s.publishAcknowledged(ctx, m)
	}
	return s.out.send(ctx, &m, urgency)
}

// message makes the PUBLISH.
func (o *PublishOptions) message(serializer wamp.Serializer, topic string, p Payload) (m outbound, u urgency, err error) {
	m = outbound{Message: codec.Message{Type: wamp.Publish}, text: topic}
	if m.Payload, err = p.encode(serializer); err != nil {
		return m, u, err
	}
	if u = immediate; o.More {
		u = batched
	}
	m.Dict, err = o.dict(serializer)
	return m, u, err
}

// ErrExpired is returned by Publish if PublishOptions.TTL passes while Options.Unacknowledged publications are pending.
var ErrExpired = errors.New("the event has expired")

// publishWithin publishes once fewer than Options.Unacknowledged publications with Done are pending. It subtracts the time
// of the wait from the event's TTL.
func (s *session) publishWithin(ctx context.Context, topic string, o PublishOptions, p Payload) (err error) {
	select {
	case s.window <- struct{}{}:
	default:
		if err := s.awaitWindow(ctx, &o); err != nil {
			return err
		}
	}
	m, u, err := o.message(s.out.serializer, topic, p)
	if err == nil {
		m.request = &delivery{session: s, done: o.Done}
		err = s.out.send(ctx, &m, u)
	}
	if err != nil {
		<-s.window
	}
	return err
}

func (s *session) awaitWindow(ctx context.Context, o *PublishOptions) error {
	begun := time.Now()
	select {
	case s.window <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if o.TTL > 0 {
		if o.TTL -= time.Since(begun); o.TTL <= 0 {
			<-s.window
			return ErrExpired
		}
	}
	return nil
}

// delivery is the request of a PUBLISH with PublishOptions.Done.
type delivery struct {
	session *session
	done    func(wamp.ID, error)
}

func (d *delivery) kind() (sent, reply wamp.Type) { return wamp.Publish, wamp.Published }
func (d *delivery) answer(m *codec.Message)       { d.finish(m.ID, nil) }
func (d *delivery) fail(err error)                { d.finish(0, err) }

func (d *delivery) finish(publication wamp.ID, err error) {
	<-d.session.window
	d.done(publication, err)
}

func (s *session) publishAcknowledged(ctx context.Context, m outbound) error {
	ctx, cancel := context.WithTimeout(ctx, s.client.opts.RequestTimeout)
	defer cancel()
	a := &acknowledgement{done: make(chan error, 1)}
	m.request = a
	if err := s.out.send(ctx, &m, immediate); err != nil {
		return err
	}
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		s.forget(m.Request)
		return noReply(wamp.Published, ctx)
	}
}

// acknowledgement is the request of a PUBLISH with PublishOptions.Acknowledge.
type acknowledgement struct {
	done chan error // room for one
}

func (a *acknowledgement) kind() (sent, reply wamp.Type) { return wamp.Publish, wamp.Published }
func (a *acknowledgement) answer(*codec.Message)         { a.done <- nil }
func (a *acknowledgement) fail(err error)                { a.done <- err }

// dict encodes the options. Most events have none.
func (o *PublishOptions) dict(s wamp.Serializer) (codec.Dict, error) {
	if o.plain() {
		return codec.Dict{}, nil
	}
	var b codec.Builder
	b.Reset(s, make([]byte, 0, 128))
	setFlag(&b, "acknowledge", o.Acknowledge || o.Done != nil)
	setFlag(&b, "disclose_me", o.DiscloseMe)
	setFlag(&b, "retain", o.Retain)
	if o.IncludeMe {
		b.Bool("exclude_me", false)
	}
	setList(&b, "eligible", o.Eligible)
	setList(&b, "eligible_authid", o.EligibleAuthid)
	setList(&b, "eligible_authrole", o.EligibleAuthrole)
	setList(&b, "exclude", o.Exclude)
	setList(&b, "exclude_authid", o.ExcludeAuthid)
	setList(&b, "exclude_authrole", o.ExcludeAuthrole)
	setHops(&b, o.ForwardFor)
	o.Origin.set(&b)
	if o.TTL > 0 {
		b.Uint(wamp.KeyTTL, uint64(max(o.TTL.Milliseconds(), 1)))
	}
	if ms := o.Time.UnixMilli(); !o.Time.IsZero() && ms >= 0 {
		b.Uint(wamp.KeyTime, uint64(ms))
	}
	return finish(&b, o.Extra)
}

func (o *PublishOptions) plain() bool {
	return !(o.Acknowledge || o.Done != nil || o.IncludeMe || o.DiscloseMe || o.Retain) && o.Extra == nil &&
		o.ForwardFor == nil && o.Origin == nil && o.Time.IsZero() && o.TTL <= 0 &&
		o.Eligible == nil && o.EligibleAuthid == nil && o.EligibleAuthrole == nil &&
		o.Exclude == nil && o.ExcludeAuthid == nil && o.ExcludeAuthrole == nil
}

func setFlag(b *codec.Builder, key string, set bool) {
	if set {
		b.Bool(key, true)
	}
}

func setList[T any](b *codec.Builder, key string, list []T) {
	if list != nil {
		b.Any(key, list)
	}
}

// finish adds the application's own fields and returns the dict.
func finish(b *codec.Builder, extra map[string]any) (codec.Dict, error) {
	for key, value := range extra {
		b.Any(key, value)
	}
	if err := b.Err(); err != nil {
		return codec.Dict{}, &Error{URI: wamp.InvalidArgument.Error(), cause: err}
	}
	return b.Dict(), nil
}
