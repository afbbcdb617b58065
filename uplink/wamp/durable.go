package wamp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/spool"
)

// A durable import consumes a durable subscription at the centre, which keeps the events while the link is down:
//
//	receive    publishes an event in the local realm under its origin at the centre, so a repetition is not routed again
//	published  acknowledges it once the local router has answered PUBLISHED
//
// The link rejects an event that the local router cannot accept at the moment, and all later events until its
// redelivery. The centre sends them in order. If a centre does not keep events for the link, that is reported, and the
// rule becomes an ordinary import.
//
// The centre removes the subscriptions of former rules when the link joins (forget). Their names begin alike, and contain the node
// and the uplink.

// kept is a durable import.
type kept struct {
	// Static after construction.
	link *Link
	rule *rule
	what string // the rule in State

	dropped uint64 // of the remote client; owned by the goroutine that hands over events

	mu sync.Mutex
	// Guarded by mu.
	gate   gate
	plain  func() // ends the ordinary subscription that replaces the rejected one; nil: there is none
	silent bool   // the centre ignores the option
}

// gate keeps the order when events are refused. It passes all numbers up to awaited; the first one that passes opens it.
type gate struct {
	awaited uint64 // 0: open
	until   time.Time
	lowest  uint64 // of the numbers above awaited that were refused
}

// gateTime bounds the wait for the redelivery of a refused event: the centre waits a second. It may have expired meanwhile.
const gateTime = 3 * time.Second

// errLater is the answer to an event that must be delivered again.
var errLater = client.NewError(wamp.Unavailable.Error(), "the event must be delivered again")

// mayPublish reports whether an event may be published.
func (g *gate) mayPublish(number uint64, now time.Time) bool {
	if g.awaited != 0 && number > g.awaited && now.After(g.until) {
		g.awaited, g.until, g.lowest = min(g.lowest, number), now.Add(gateTime), math.MaxUint64
	}
	if g.awaited != 0 && number > g.awaited {
		g.lowest = min(g.lowest, number)
		return false
	}
	*g = gate{}
	return true
}

// close makes the gate refuse events above a number.
func (g *gate) close(number uint64, now time.Time) {
	if g.awaited == 0 || number < g.awaited {
		g.awaited, g.until = max(number, 1), now.Add(gateTime)
		if g.lowest == 0 {
			g.lowest = math.MaxUint64
		}
	}
}

// keptPrefix begins the names of the link's durable subscriptions at the centre. They are unique to node and uplink.
func (l *Link) keptPrefix() string {
	readable := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' {
			return c
		}
		return '-'
	}, l.opts.Node)
	return "import-" + readable[:min(len(readable), 40)] + "-" + digest(l.opts.Node) + "-"
}

// keptName returns the name of a rule's durable subscription.
func (l *Link) keptName(r *rule) string {
	return l.keptPrefix() + digest(r.Match.String()+" "+r.uri)
}

func digest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:12] }

// isKept reports whether the centre is to keep the rule's events.
func (r *rule) isKept() bool { return r.direction == imports && r.Store == spool.Durable }

// subscribeKept subscribes to the durable imports.
func (l *Link) subscribeKept(rules []*rule) error {
	for _, r := range rules {
		k := &kept{link: l, rule: r, what: r.String() + ", kept at the central router"}
		if _, err := l.remote.client.SubscribeConfirming(atOnce, r.uri, client.SubscribeOptions{Match: r.Match, Persist: true, Refused: k.answered},
			client.Durable{Name: l.keptName(r), MaxAge: &r.MaxAge, Origin: true, Renew: true}, k.receive); err != nil {
			return err
		}
		r.subscribed.Add(1)
		l.kept = append(l.kept, k)
	}
	return nil
}

// answered takes the centre's refusal; nil: it has accepted. As long as it refuses, the rule is an ordinary import.
// It runs in the client's goroutines, and does not wait.
func (k *kept) answered(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.report(err); err == nil {
		if k.plain != nil {
			k.plain()
			k.plain = nil
		}
		return
	}
	if k.plain == nil {
		if k.plain, err = k.link.subscribe(share{k.rule, offer{Pattern: k.rule.home()}}); err != nil {
			k.link.remote.log.Warn("rule refused", "rule", k.rule.String(), "err", err)
		}
	}
}

// errSilent means that the centre has treated the subscription as an ordinary one.
var errSilent = errors.New("the centre is not a Runnel with durable subscriptions; update it, or remove store = \"durable\"")

// report records whether the centre keeps the rule's events. The caller holds mu.
func (k *kept) report(err error) {
	switch {
	case errors.Is(err, wamp.NotAuthorized):
		err = fmt.Errorf("%w; at the centre, set durable = true in the role of this link. Until then, events published while the link is down are lost", err)
	case err != nil:
		err = fmt.Errorf("%w; events published while the link is down are lost", err)
	}
	switch news := k.link.status.SetRuleResult(k.what, err); {
	case err != nil && news:
		k.link.remote.log.Warn("the centre keeps no events for the link", "rule", k.rule.String(), "err", err)
	case news:
		k.link.remote.log.Info("the centre keeps events for the link", "rule", k.rule.String())
	}
}

// joinKept is called after each join at the centre.
func (l *Link) joinKept(w client.Welcome) {
	known, _ := w.Durable()
	for _, k := range l.kept {
		k.joined(known)
	}
	if known && l.opts.Node != "" {
		go l.forget()
	}
}

// joined records a new session at a centre that has durable subscriptions, or has none.
func (k *kept) joined(known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gate = gate{}
	was := k.silent
	if k.silent = !known && k.plain == nil; k.silent {
		k.report(errSilent)
	} else if was && k.plain == nil {
		k.report(nil)
	}
}

// forgetTime bounds the request to remove former subscriptions.
const forgetTime = 30 * time.Second

// forget makes the centre remove the durable subscriptions of rules that are no longer in the configuration.
func (l *Link) forget() {
	names := []any{}
	for _, k := range l.kept {
		names = append(names, l.keptName(k.rule))
	}
	ctx, cancel := context.WithTimeout(l.running, forgetTime)
	defer cancel()
	result, err := l.remote.client.Call(ctx, "runnel.durable.keep", client.CallOptions{}, client.Args(l.keptPrefix(), names))
	if err != nil {
		l.remote.log.Debug("cannot remove the durable subscriptions of former rules", "err", err)
		return
	}
	if args := result.Args(); len(args) > 0 {
		if removed, _ := args[0].([]any); len(removed) > 0 {
			l.remote.log.Info("durable subscriptions of former rules removed", "total", len(removed))
		}
	}
}

// receive takes an event of the centre. The client hands events over one at a time.
func (k *kept) receive(e *client.Event) {
	l, from := k.link, e.Origin()
	if events, reason, ok := e.Gap(); ok {
		k.lost(events, reason)
		e.Confirm(nil)
		return
	}
	if !e.Redelivered() && !k.rule.first(e.Publication) {
		e.Confirm(nil) // it has arrived by the ordinary subscription
		return
	}
	if from == nil {
		l.publishLocally(k.rule, e)
		e.Confirm(nil)
		return
	}
	topic, way, ok := l.admit(k.rule, &l.remote, &l.local, e)
	if !ok {
		e.Confirm(nil)
		return
	}
	if !k.mayPublish(from.Sequence) {
		e.Confirm(errLater)
		return
	}
	o := client.PublishOptions{
		ForwardFor: way, Extra: passthru(&e.Body), More: e.More, Origin: from, Time: e.Time(), TTL: e.TTL(),
		Done: func(_ wamp.ID, err error) { k.published(e, from.Sequence, err) },
	}
	if err := l.local.client.Publish(l.running, topic, o, client.Raw(e.Payload)); err != nil {
		k.published(e, from.Sequence, err)
	}
}

// mayPublish reports whether an event may be published. Events that the client has dropped and refused are older. The centre
// delivers them again first.
func (k *kept) mayPublish(number uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := k.link.remote.client.Dropped(); n != k.dropped {
		k.dropped = n
		k.gate.close(number-1, time.Now())
	}
	return k.gate.mayPublish(number, time.Now())
}

// published handles the local router's answer.
func (k *kept) published(e *client.Event, number uint64, err error) {
	l := k.link
	switch {
	case err == nil:
		l.status.EventsDown.Forward()
		e.Confirm(nil)
	case isDown(err), errors.Is(err, wamp.Unavailable), l.running.Err() != nil:
		k.mu.Lock()
		k.gate.close(number, time.Now())
		k.mu.Unlock()
		e.Confirm(errLater)
	default:
		if l.status.EventsDown.Drop() {
			l.local.log.Warn("event dropped: the local router rejects it; further ones are only counted until one crosses", "rule", k.rule.String(), "err", err)
		}
		e.Confirm(nil)
	}
}

// lost reports events that the centre could not keep for the link. The local realm gets the report that a centre gets of a spool.
func (k *kept) lost(events uint64, reason string) {
	l := k.link
	l.status.EventsDown.Lose(max(events, 1))
	l.remote.log.Warn("the centre has dropped events for the link", "rule", k.rule.String(), "events", events, "reason", reason)
	l.local.client.Publish(l.running, uplink.GapTopic, client.PublishOptions{}, l.gap(&spool.Gap{Reason: spool.Reason(reason), Count: events, Since: time.Now()}))
}
