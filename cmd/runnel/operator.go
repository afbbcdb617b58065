package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"runnel/edge/client"
)

// What operators ask and are told, in every realm, as far as the permissions there go:
//
//	runnel.uplink.list, .serial.list, .listener.list   names; a listener's is its URL
//	runnel.uplink.get, .serial.get, .listener.get      one of them, by name, as in runnel.status
//	runnel.uplink.on_state.NAME                        an event, retained, whenever the state of an uplink of the realm changes:
//	runnel.serial.on_state.NAME                        likewise of a serial line; what .get returns
//	runnel.node.on_clash                               likewise: the node ids that two routers linked to the realm have
//
// In a topic a name is in lower case, with _ for all but letters and digits, so that it is one component of any URI.
const (
	uplinkURI   = "runnel.uplink."
	serialURI   = "runnel.serial."
	listenerURI = "runnel.listener."
	onState     = "on_state."
	clashTopic  = "runnel.node.on_clash"

	noSuchName = "runnel.error.no_such_name"
)

// lookEvery is how often it is looked whether a state has changed.
const lookEvery = time.Second

// inquiries makes the procedures.
func (n *node) inquiries() map[string]client.Handler {
	procedures := make(map[string]client.Handler)
	offer(procedures, uplinkURI, func() []uplinkReport { return n.uplinkReports() }, func(u uplinkReport) string { return u.Name })
	offer(procedures, serialURI, func() []serialReport { return n.serialReports() }, func(s serialReport) string { return s.Name })
	offer(procedures, listenerURI, func() []listenReport { return n.listenReports() }, func(l listenReport) string { return l.URL })
	return procedures
}

// offer adds list and get of one kind of parts.
func offer[T any](procedures map[string]client.Handler, uri string, all func() []T, name func(T) string) {
	procedures[uri+"list"] = func(context.Context, *client.Invocation) (client.Payload, error) {
		names := []string{}
		for _, part := range all() {
			names = append(names, name(part))
		}
		return client.Args(names), nil
	}
	procedures[uri+"get"] = func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		asked := ""
		if args := inv.Args(); len(args) > 0 {
			asked, _ = args[0].(string)
		}
		for _, part := range all() {
			if name(part) == asked {
				return client.Args(part), nil
			}
		}
		return client.Payload{}, client.NewError(noSuchName, fmt.Sprintf("there is no %q here", asked))
	}
}

func (n *node) listenReports() []listenReport {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []listenReport{}
	for _, l := range n.listeners {
		list = append(list, l.report())
	}
	return list
}

func (n *node) serialReports() []serialReport {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []serialReport{}
	for _, l := range n.lines {
		list = append(list, l.report())
	}
	return list
}

func (n *node) uplinkReports() []uplinkReport {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []uplinkReport{}
	for _, u := range n.uplinks {
		list = append(list, u.report())
	}
	return list
}

// teller publishes the states of one realm's uplinks and serial lines when they change.
type teller struct {
	client *client.Client
	realm  string
	told   map[string]string // the state that was published last, by topic
}

// tell looks and publishes until ctx is done.
func (n *node) tell(ctx context.Context, t *teller) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		t.publish(ctx, n.states(t.realm))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// state is a report and what of it is news when it changes: not the counters.
type state struct {
	report any
	news   string
}

// states returns those of a realm's uplinks and serial lines, by topic.
func (n *node) states(realm string) map[string]state {
	n.mu.Lock()
	defer n.mu.Unlock()
	states := make(map[string]state)
	for _, u := range n.uplinks {
		if u.config.Realm == realm {
			r := u.report()
			states[uplinkURI+onState+component(r.Name)] = state{r, newsOf(r.Name, r.Up, r.URL, r.Error, r.Clash, r.Refused, r.Queue.Alarm, r.Queue.alarm())}
		}
	}
	for _, l := range n.lines {
		if l.config.Realm == realm {
			r := l.report()
			states[serialURI+onState+component(r.Name)] = state{r, newsOf(r.Name, r.State, r.Device, r.Error, r.Link != nil && r.Link.Up, r.Alarms)}
		}
	}
	if list := n.router.Clashes(realm); len(list) > 0 {
		var news []any
		for _, c := range list {
			news = append(news, c.Node, c.First, c.Second)
		}
		states[clashTopic] = state{list, newsOf(news...)}
	}
	return states
}

func newsOf(parts ...any) string {
	text, _ := json.Marshal(parts) // texts and booleans
	return string(text)
}

// publish publishes what has changed. A part that is no more has its topic cleared: a retained event without a payload does.
func (t *teller) publish(ctx context.Context, states map[string]state) {
	for _, topic := range slices.Sorted(maps.Keys(states)) {
		if s := states[topic]; t.told[topic] != s.news && t.say(ctx, topic, client.Args(s.report)) {
			t.told[topic] = s.news
		}
	}
	for topic := range t.told {
		if _, there := states[topic]; !there && t.say(ctx, topic, client.Payload{}) {
			delete(t.told, topic)
		}
	}
}

// say reports whether the event was published. While the router's own session is not there, it is tried again later.
func (t *teller) say(ctx context.Context, topic string, p client.Payload) bool {
	ctx, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	return t.client.Publish(ctx, topic, client.PublishOptions{Acknowledge: true, Retain: true}, p) == nil
}

// component makes one component of a URI, strict ones included, out of a name.
func component(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, name)
}
