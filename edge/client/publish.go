package client

import (
	"context"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// PublishOptions say how an event is published and to whom. Each list narrows the receivers down; a list that is empty
// but not nil counts.
type PublishOptions struct {
	Acknowledge bool // wait until the router has it, or refuses it

	// Done has the publication acknowledged without Publish waiting for that: it returns when the event is on its way, and
	// then Done is called, once, with the publication's id, the router's ERROR, or wamp.NetworkFailure if the session ends
	// before. If Publish returns an error Done is not called. The goroutine that calls it is the one that reads: Done must
	// not wait for this client. When Options.Unacknowledged of them are under way Publish waits.
	Done func(publication wamp.ID, err error)

	IncludeMe  bool // deliver the event to this client too, if it has subscribed
	DiscloseMe bool // tell the subscribers who publishes
	Retain     bool // the router keeps the event for those who ask for it when they subscribe

	Eligible, Exclude                 []wamp.ID // sessions
	EligibleAuthid, ExcludeAuthid     []string
	EligibleAuthrole, ExcludeAuthrole []string

	// What a link says of an event that it passes on. Routers heed it from those only who may forward.
	ForwardFor []Hop     // the way it has come, the oldest hop first
	Origin     *Origin   // so that it is routed once, however often it is sent; needs Acknowledge or Done
	Time       time.Time // when it was published first, if that is worth telling

	Extra map[string]any // further fields of PUBLISH.Options

	// More says that further messages will follow at once: this one need not be written by itself.
	More bool
}

// Publish publishes an event. Without Acknowledge it returns when the event is on its way, and there is no telling
// whether the router refuses it or the connection breaks. While the client is not connected, and while its outgoing
// buffer is full and ctx done, it returns an error and nothing is published.
func (c *Client) Publish(ctx context.Context, topic string, o PublishOptions, p Payload) error {
	s, err := c.session()
	if err != nil {
		return err
	}
	m := outbound{Message: codec.Message{Type: wamp.Publish}, text: topic}
	if m.Payload, err = p.encode(s.out.serializer); err != nil {
		return err
	}
	if m.Dict, err = o.dict(s.out.serializer); err != nil {
		return err
	}
	urgency := immediate
	if o.More {
		urgency = batched
	}
	switch {
	case o.Done != nil:
		return s.publishWithin(ctx, &m, o.Done, urgency)
	case o.Acknowledge:
		return s.publishAcknowledged(ctx, m)
	}
	return s.out.send(ctx, &m, urgency)
}

// publishWithin publishes when fewer than Options.Unacknowledged such publications are under way.
func (s *session) publishWithin(ctx context.Context, m *outbound, done func(wamp.ID, error), u urgency) error {
	select {
	case s.window <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	m.request = &delivery{session: s, done: done}
	err := s.out.send(ctx, m, u)
	if err != nil {
		<-s.window
	}
	return err
}

// delivery is the request of a PUBLISH that nobody waits for.
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

// acknowledgement is the request of a PUBLISH that wants PUBLISHED.
type acknowledgement struct {
	done chan error // room for one
}

func (a *acknowledgement) kind() (sent, reply wamp.Type) { return wamp.Publish, wamp.Published }
func (a *acknowledgement) answer(*codec.Message)         { a.done <- nil }
func (a *acknowledgement) fail(err error)                { a.done <- err }

// dict encodes the options; most events have none.
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
	if ms := o.Time.UnixMilli(); !o.Time.IsZero() && ms >= 0 {
		b.Uint(wamp.KeyTime, uint64(ms))
	}
	return finish(&b, o.Extra)
}

func (o *PublishOptions) plain() bool {
	return !(o.Acknowledge || o.Done != nil || o.IncludeMe || o.DiscloseMe || o.Retain) && o.Extra == nil &&
		o.ForwardFor == nil && o.Origin == nil && o.Time.IsZero() &&
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

// finish adds the fields that the caller gave and returns the dict.
func finish(b *codec.Builder, extra map[string]any) (codec.Dict, error) {
	for key, value := range extra {
		b.Any(key, value)
	}
	if err := b.Err(); err != nil {
		return codec.Dict{}, &Error{URI: wamp.InvalidArgument.Error(), cause: err}
	}
	return b.Dict(), nil
}
