package nats

import (
	"context"
	"errors"
	"slices"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/subject"
)

// The link offers the registrations of the local realm that its exports match, with one subscription for each. It
// lists them by the registration meta API when a meta event reports a change, and when a session begins. Rules with
// Static are offered as a whole.

const (
	// listPause is the minimum pause between two listings. The pause is ten times as long as a listing takes, if that
	// is longer.
	listPause = 20 * time.Millisecond
	listTime  = time.Minute // bounds one listing

	// maxOffers bounds the subscriptions. With more registrations, the rules are offered as a whole.
	maxOffers = 20_000
)

// followRegistrations subscribes to the meta events if a rule needs them.
func (l *Link) followRegistrations(ctx context.Context) error {
	if !slices.ContainsFunc(l.calls.exports, func(r *Rule) bool { return !r.Static }) {
		return nil
	}
	for _, topic := range []string{"on_create", "on_register", "on_unregister", "on_delete"} {
		_, err := l.local.Subscribe(ctx, "wamp.registration."+topic, client.SubscribeOptions{Persist: true},
			func(*client.Event) { signal(l.calls.dirty) })
		if err != nil {
			return err
		}
	}
	return nil
}

// beginCalls starts the handling of calls on a connection.
func (s *session) beginCalls() {
	s.conn.Subscribe(callsSubject, "", s.control) // an ended connection ends the session
	signal(s.link.calls.dirty)
}

// runCalls keeps the subscriptions of the current connection in step with the registrations of the local realm, until
// ctx is done.
func (l *Link) runCalls(ctx context.Context) {
	defer close(l.calls.ended)
	if len(l.calls.exports) == 0 {
		return
	}
	o := &offers{link: l}
	for {
		select {
		case <-l.calls.dirty:
		case <-ctx.Done():
			o.end()
			return
		}
		began := time.Now()
		want, err := l.registered(ctx)
		if err != nil && ctx.Err() == nil {
			l.log.Debug("registrations are not known", "err", err)
			time.AfterFunc(time.Second, func() { signal(l.calls.dirty) })
		}
		o.set(want, err == nil)
		client.Sleep(ctx, max(listPause, 10*time.Since(began)))
	}
}

// registered returns the local patterns to offer, with their rules.
func (l *Link) registered(ctx context.Context) (map[wamp.Pattern]*Rule, error) {
	want := make(map[wamp.Pattern]*Rule)
	var overlaps []any
	for _, r := range l.calls.exports {
		p := wamp.Pattern{URI: r.Procedure, Match: r.Match}
		if r.Static {
			want[p] = r
			continue
		}
		overlaps = append(overlaps, []any{p.URI, p.Match.String()})
	}
	if overlaps == nil {
		return want, nil
	}
	welcome, up := l.local.Welcome()
	if !up {
		return want, errNotJoined
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	result, err := l.local.Call(ctx, "wamp.registration.list", client.CallOptions{},
		client.Kwargs(map[string]any{wamp.KeyOverlaps: overlaps, wamp.KeyMembers: true}))
	if err != nil {
		return want, err
	}
	args := result.Args()
	if len(args) < 2 {
		return want, errNoList
	}
	list, _ := args[1].([]any)
	for _, v := range list {
		details, _ := v.(map[string]any)
		if p, ok := offered(details, welcome.Session); ok {
			l.narrow(want, p)
		}
	}
	return want, nil
}

var (
	errNotJoined = errors.New("the local router is not joined")
	errNoList    = errors.New("the local router does not list its registrations")
)

// offered returns the pattern of a registration. ok is false if only the link itself has it.
func offered(details map[string]any, own wamp.ID) (p wamp.Pattern, ok bool) {
	p.URI, _ = details["uri"].(string)
	policy, _ := details["match"].(string)
	p.Match, ok = wamp.ParseMatch(policy)
	if !ok || p.URI == "" && p.Match == wamp.Exact || wamp.Reserved(p.URI) {
		return p, false
	}
	members, _ := details["members"].([]any)
	return p, slices.ContainsFunc(members, func(v any) bool {
		id, _ := v.(int64)
		return id > 0 && wamp.ID(id) != own
	})
}

// narrow adds the part of a registration's pattern that the rules export. If no single pattern describes that part,
// narrow adds the whole rule.
func (l *Link) narrow(want map[wamp.Pattern]*Rule, p wamp.Pattern) {
	for _, r := range l.calls.exports {
		q := wamp.Pattern{URI: r.Procedure, Match: r.Match}
		switch {
		case r.Static || !q.Overlaps(p):
		case q.Covers(p) && len(want) < maxOffers && (p.Match != wamp.Prefix || p.URI == "" || p.URI[len(p.URI)-1] == '.'):
			want[p] = r
		default:
			want[q] = r
		}
	}
}

// offers are the subscriptions of one connection for calls.
type offers struct {
	link *Link
	of   *session // the connection
	made map[wamp.Pattern]*conn.Sub
}

// set adds the missing subscriptions. If all registrations are known, it also ends the subscriptions that are no
// longer needed.
func (o *offers) set(want map[wamp.Pattern]*Rule, all bool) {
	s := o.link.current.Load()
	if s == nil {
		return
	}
	if s != o.of {
		o.of, o.made = s, make(map[wamp.Pattern]*conn.Sub)
	}
	fresh := false
	for p, r := range want {
		if o.made[p] != nil {
			continue
		}
		name, err := subject.Pattern(r.ToRemote(p.URI), p.Match)
		if err != nil {
			continue // no subject can express this registration's name
		}
		sub, err := s.conn.Subscribe(name, queueGroup, s.called)
		if err != nil {
			o.of = nil // the connection has ended
			return
		}
		o.made[p], fresh = sub, true
	}
	for p, sub := range o.made {
		if want[p] == nil && all {
			sub.Unsubscribe()
			delete(o.made, p)
		}
	}
	if fresh {
		o.check(want)
	}
}

// check reports the rules whose subjects the server denies.
func (o *offers) check(want map[wamp.Pattern]*Rule) {
	ctx, cancel := context.WithTimeout(o.of.open, o.link.opts.AnswerTime)
	defer cancel()
	if o.of.conn.Flush(ctx) != nil {
		return
	}
	denied := make(map[*Rule]error)
	for p, sub := range o.made {
		r := want[p]
		if r == nil {
			continue
		}
		if d := sub.Denied(); d != nil {
			denied[r] = errors.New("the server says: " + d.Text + "; allow the user of this link to subscribe to " + sub.Subject)
		} else if _, known := denied[r]; !known {
			denied[r] = nil
		}
	}
	for r, err := range denied {
		o.link.ruled("export procedure "+r.Procedure+" ("+r.Match.String()+")", err)
	}
}

// end ends the subscriptions, so that calls go to other callees.
func (o *offers) end() {
	if o.of == nil {
		return
	}
	for _, sub := range o.made {
		sub.Unsubscribe()
	}
}
