package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
)

// The link offers the registrations of the local realm that its exports match, with one subscription for each. It lists
// them by the registration meta API when a meta event reports a change, and when a session begins. It offers rules with
// Static as a whole.

const (
	// listPause is the minimum pause between two listings. The pause is ten times as long as a listing takes, if that
	// is longer.
	listPause = 20 * time.Millisecond
	listTime  = time.Minute // bounds one listing

	// maxOffers bounds the subscriptions. With more registrations, the link offers the rules as a whole.
	maxOffers = 20_000
)

// followRegistrations subscribes to the meta events if a rule needs them.
func (l *Link) followRegistrations(ctx context.Context) error {
	if !slices.ContainsFunc(l.calls.exports, func(r *Rule) bool { return !r.Static }) {
		return nil
	}
	for _, topic := range []string{
		"wamp.registration.on_create", "wamp.registration.on_register", "wamp.registration.on_unregister", "wamp.registration.on_delete", wamp.OnShard,
	} {
		_, err := l.local.Subscribe(ctx, topic, client.SubscribeOptions{Persist: true},
			func(*client.Event) { signal(l.calls.dirty) })
		if err != nil {
			return err
		}
	}
	return nil
}

// subscribeCalls subscribes to the subjects of links. If the connection has ended, it ends the session.
func (s *session) subscribeCalls() {
	c := &s.link.calls
	s.conn.Subscribe(callsSubject, "", s.control)
	if len(c.exports) > 0 {
		s.conn.Subscribe(linkSubject+c.name+".>", "", s.calledHere)
	}
}

// beginCalls starts to handle calls on a connection.
func (s *session) beginCalls() {
	c := &s.link.calls
	s.subscribeCalls()
	if len(c.imports)+len(c.exports) > 0 {
		s.nodes, _ = s.conn.Inbox(func(m *conn.Msg, err error) {
			if err == nil && string(m.Header.Get(payload.TypeField)) == payload.Nodes {
				s.learnNodes(m)
			}
		})
		s.askNodes()
	}
	signal(c.dirty)
}

// forgetShards forgets the announcements of the other links, because this one no longer reaches them.
func (l *Link) forgetShards() {
	l.calls.shards.expire(0)
	signal(l.calls.dirty)
}

// runCalls keeps the subscriptions of the current connection in step with the registrations of the local realm, until
// ctx is done. It also keeps the nodes of this link and of the others up to date.
func (l *Link) runCalls(ctx context.Context) {
	c := &l.calls
	defer close(c.ended)
	if len(c.exports)+len(c.imports) == 0 {
		return
	}
	o, r := &offers{link: l}, &reaches{link: l, made: make(map[wamp.Pattern]*reached)}
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.dirty:
		case <-tick.C:
			if s := l.current.Load(); s != nil {
				s.announce(callsSubject)
			}
			if !c.shards.expire(3 * announceEvery) {
				continue
			}
		case <-ctx.Done():
			o.close()
			return
		}
		began := time.Now()
		want, own, err := l.registered(ctx)
		if err != nil && ctx.Err() == nil {
			l.log.Debug("cannot list the registrations", "err", err)
			time.AfterFunc(time.Second, func() { signal(c.dirty) })
		}
		o.set(want, err == nil)
		if err == nil {
			o.share(own)
			r.set(ctx)
		}
		client.Sleep(ctx, max(listPause, 10*time.Since(began)))
	}
}

// share announces the nodes of this link to the others, if the nodes have changed or the connection is new.
func (o *offers) share(own map[wamp.Pattern][]string) {
	news, left := o.link.calls.shards.set(own)
	if o.of != nil && (news || o.of != o.announced) {
		o.of.announce(callsSubject)
		o.announced = o.of
	}
	var err error
	if left > 0 {
		err = fmt.Errorf("%d sharded registrations are too many to tell the other routers, which shard their calls without this one", left)
	}
	o.link.recordRule("sharded procedures", err)
}

// registered returns the local patterns to offer with their rules, and the nodes of sharded registrations by patterns
// of the cluster.
func (l *Link) registered(ctx context.Context) (want map[wamp.Pattern]*Rule, own map[wamp.Pattern][]string, err error) {
	want, own = make(map[wamp.Pattern]*Rule), make(map[wamp.Pattern][]string)
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
		return want, own, nil
	}
	welcome, up := l.local.Welcome()
	if !up {
		return want, own, errNotJoined
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	result, err := l.local.Call(ctx, "wamp.registration.list", client.CallOptions{},
		client.Kwargs(map[string]any{wamp.KeyOverlaps: overlaps, wamp.KeyMembers: true}))
	if err != nil {
		return want, own, err
	}
	args := result.Args()
	if len(args) < 2 {
		return want, own, errNoList
	}
	list, _ := args[1].([]any)
	for _, v := range list {
		details, _ := v.(map[string]any)
		p, nodes, ok := offered(details, welcome.Session)
		if !ok {
			continue
		}
		l.narrow(want, p)
		if r := want[p]; r != nil && nodes != nil {
			there := wamp.Pattern{URI: r.ToRemote(p.URI), Match: p.Match}
			if details["sharded"] == true || l.calls.shards.shares(there, l.router()) {
				own[there] = append(own[there], nodes...)
			}
		}
	}
	return want, own, nil
}

var (
	errNotJoined = errors.New("the local router is not joined")
	errNoList    = errors.New("the local router does not list its registrations")
)

// offered returns the pattern of a registration, and the nodes of its callees. ok is false if only the link itself has
// registered it.
func offered(details map[string]any, own wamp.ID) (p wamp.Pattern, nodes []string, ok bool) {
	p.URI, _ = details["uri"].(string)
	policy, _ := details["match"].(string)
	p.Match, ok = wamp.ParseMatch(policy)
	if !ok || p.URI == "" && p.Match == wamp.Exact || wamp.Reserved(p.URI) {
		return p, nil, false
	}
	members, _ := details["members"].([]any)
	named, _ := details["nodes"].([]any)
	ok = false
	for i, v := range members {
		id, _ := v.(int64)
		if id <= 0 || wamp.ID(id) == own {
			continue
		}
		ok = true
		if i < len(named) {
			if node, _ := named[i].(string); payload.ValidNode(node) {
				nodes = append(nodes, node)
			}
		}
	}
	return p, nodes, ok
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
	link      *Link
	of        *session // the connection
	announced *session // the connection on which the nodes were announced
	made      map[wamp.Pattern]*conn.Sub
}

// offerSet holds the offers of a link, by patterns of the cluster.
type offerSet struct {
	exact map[string]bool
	wide  []wamp.Pattern
}

// has reports whether a subject is offered.
func (o *offerSet) has(name string) bool {
	uri, ok := subject.URI(name)
	return ok && o != nil && (o.exact[uri] || slices.ContainsFunc(o.wide, func(p wamp.Pattern) bool { return p.Matches(uri) }))
}

// publish makes the offers visible to other goroutines.
func (o *offers) publish(want map[wamp.Pattern]*Rule) {
	set := &offerSet{exact: make(map[string]bool)}
	for p := range o.made {
		switch r := want[p]; {
		case r == nil:
		case p.Match == wamp.Exact:
			set.exact[r.ToRemote(p.URI)] = true
		default:
			set.wide = append(set.wide, wamp.Pattern{URI: r.ToRemote(p.URI), Match: p.Match})
		}
	}
	o.link.calls.offers.Store(set)
}

// set adds the missing subscriptions. If all registrations are known, it also ends needless subscriptions.
func (o *offers) set(want map[wamp.Pattern]*Rule, all bool) {
	s := o.link.current.Load()
	if s == nil {
		o.of = nil
		return
	}
	if s != o.of {
		o.of, o.made = s, make(map[wamp.Pattern]*conn.Sub)
	}
	fresh, gone := false, false
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
			gone = true
		}
	}
	if fresh || gone {
		o.publish(want)
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
		o.link.recordRule("export procedure "+r.Procedure+" ("+r.Match.String()+")", err)
	}
}

// close ends the subscriptions, so that other callees get the calls.
func (o *offers) close() {
	o.link.calls.offers.Store(nil)
	if o.of == nil {
		return
	}
	if o.link.calls.shards.set(nil); o.announced == o.of {
		o.of.announce(callsSubject)
	}
	for _, sub := range o.made {
		sub.Unsubscribe()
	}
}
