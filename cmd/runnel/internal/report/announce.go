package report

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// The topics of the retained events that announce a change of state, in each realm:
//
//	runnel.uplink.on_state.NAME   an uplink of the realm; the payload is an Uplink
//	runnel.serial.on_state.NAME   a serial line of the realm; the payload is a Serial
//	runnel.node.on_clash          a list of edge.Clash: the node ids that two routers linked to the realm share
//
// NAME is in lower case, with _ for all but letters and digits, so that it is one component of any URI.
const (
	onState    = "on_state."
	clashTopic = "runnel.node.on_clash"
)

// checkInterval is the time between two checks of the states.
const checkInterval = time.Second

// state is a report with the part whose changes are announced. Changes of counters are not announced.
type state struct {
	report any
	news   string
}

// announcer publishes the states of one realm. Its fields are owned by announce.
type announcer struct {
	client    *client.Client
	published map[string]string // topic -> the announced part of the last published state
}

// announce checks the states and publishes those that have changed, until ctx is done.
func announce(ctx context.Context, c *client.Client, realm string, s Source) {
	a := &announcer{client: c, published: make(map[string]string)}
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		a.publish(ctx, states(realm, s))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// states returns the states of a realm's uplinks and serial lines, by topic.
func states(realm string, s Source) map[string]state {
	states := make(map[string]state)
	for _, u := range s.Uplinks() {
		if u.Realm == realm {
			states[uplinkURI+onState+wamp.Component(u.Name)] = state{u, newsOf(u.Name, u.Up, u.URL, u.Error, u.Clash, u.Refused, u.Queue.Alarm, u.Queue.heldNews())}
		}
	}
	for _, l := range s.Serial() {
		if l.Realm == realm {
			states[serialURI+onState+wamp.Component(l.Name)] = state{l, newsOf(l.Name, l.State, l.Device, l.Error, l.Link != nil && l.Link.Up, l.Alarms)}
		}
	}
	if list := s.Clashes(realm); len(list) > 0 {
		var news []any
		for _, c := range list {
			news = append(news, c.Node, c.First, c.Second)
		}
		states[clashTopic] = state{list, newsOf(news...)}
	}
	return states
}

func newsOf(parts ...any) string {
	text, _ := json.Marshal(parts) // strings and booleans: it cannot fail
	return string(text)
}

// publish publishes the changed states. It clears the topic of a removed part by a retained event without a payload.
func (a *announcer) publish(ctx context.Context, states map[string]state) {
	for _, topic := range slices.Sorted(maps.Keys(states)) {
		if s := states[topic]; a.published[topic] != s.news && a.event(ctx, topic, client.Args(s.report)) {
			a.published[topic] = s.news
		}
	}
	for topic := range a.published {
		if _, there := states[topic]; !there && a.event(ctx, topic, client.Payload{}) {
			delete(a.published, topic)
		}
	}
}

// event reports whether the router accepted the event. If not, the next check publishes it again.
func (a *announcer) event(ctx context.Context, topic string, p client.Payload) bool {
	ctx, cancel := context.WithTimeout(ctx, checkInterval)
	defer cancel()
	return a.client.Publish(ctx, topic, client.PublishOptions{Acknowledge: true, Retain: true}, p) == nil
}
