package edge

import (
	"fmt"
	"time"

	"runnel/edge/auth"
	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/filter"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// testament is a PUBLISH for the time when its session has ended (advanced/pubsub_testament.md). The router publishes it
// however the session ends, unless it was flushed before. The black and white lists of its options apply. Its permission is
// checked when the testament is published, because its role may have changed by then.
type testament struct {
	topic   string
	dict    codec.Dict
	options publishOptions
	lists   *filter.Filter
	payload codec.Payload
}

// Limits of a session's testaments, in both scopes together.
const (
	maxTestaments      = 100
	maxTestamentOctets = 1 << 20 // of topics, options and payloads
	testamentOverhead  = 256     // estimated memory of a testament besides these, in bytes
)

// scopes are the two buckets, in the order in which they are published. There is no session resumption, so a detached
// session is also destroyed.
var scopes = [...]string{"detached", "destroyed"}

// scope returns the bucket that the call selects; the default is destroyed.
func (c *metaCall) scope() (int, error) {
	v := c.keyword("scope")
	if !isGiven(v) {
		return 1, nil
	}
	named, _ := textOf(v)
	for i, name := range scopes {
		if named == name {
			return i, nil
		}
	}
	return 0, refusal{wamp.InvalidArgument, "scope must be detached or destroyed"}
}

// isWill reports whether a call concerns the will of an MQTT client, which needs the permission to publish and no other.
func (s *session) isWill(uri []byte) bool {
	return s.conn.Transport().Client != "" && (string(uri) == "wamp.session.add_testament" || string(uri) == "wamp.session.flush_testaments")
}

func (c *metaCall) addTestament() ([]any, error) {
	topic, err := c.text(0)
	if err != nil {
		return nil, err
	}
	scope, err := c.scope()
	if err != nil {
		return nil, err
	}
	s := c.caller
	if wamp.Reserved(topic) || !wamp.ValidURI(topic, wamp.Exact, c.caller.strict) {
		return nil, wamp.InvalidURI
	}
	if err := s.checkTopic([]byte(topic)); err != nil {
		return nil, err
	}
	if len(s.testaments[0])+len(s.testaments[1]) >= maxTestaments {
		return nil, refusal{wamp.Unavailable, fmt.Sprintf("the session already has %d testaments", maxTestaments)}
	}
	will := testament{topic: topic}
	if will.payload, err = c.willPayload(); err != nil {
		return nil, err
	}
	if err = c.readWillOptions(&will); err != nil {
		return nil, err
	}
	if s.testamentOctets()+will.octets() > maxTestamentOctets {
		return nil, refusal{wamp.Unavailable, fmt.Sprintf("the session's testaments may have at most %d bytes", maxTestamentOctets)}
	}
	if _, err = s.permitted(c.turn, auth.Publish, []byte(topic), will.dict); err != nil {
		return nil, err
	}
	if !s.memory().Keep(budget.Testaments, will.size()) {
		return nil, refusal{wamp.Unavailable, "the router has no memory for more testaments"}
	}
	s.testaments[scope] = append(s.testaments[scope], will)
	return nil, nil
}

func (t *testament) octets() int {
	return testamentOverhead + len(t.topic) + len(t.dict.Raw) + len(t.payload.Raw) + t.lists.Bytes()
}

// size returns the estimated memory of the testament.
func (t *testament) size() int { return store.Overhead + t.octets() }

// freeTestaments removes the testaments of a scope.
func (s *session) freeTestaments(scope int) {
	for i := range s.testaments[scope] {
		s.memory().Drop(budget.Testaments, s.testaments[scope][i].size())
	}
	s.testaments[scope] = nil
}

func (s *session) testamentOctets() (n int) {
	for _, wills := range s.testaments {
		for i := range wills {
			n += wills[i].octets()
		}
	}
	return n
}

func (c *metaCall) willPayload() (p codec.Payload, err error) {
	p, ok := codec.JoinPayload(c.arg(1), c.arg(2))
	if !ok {
		return p, refusal{wamp.InvalidArgument, "a testament takes a topic, a list of arguments and a dict of keyword arguments"}
	}
	return p, nil
}

func (c *metaCall) readWillOptions(w *testament) (err error) {
	if v := c.keyword("publish_options"); isGiven(v) {
		options, ok := v.Dict()
		if !ok {
			return refusal{wamp.InvalidArgument, "publish_options must be a dict"}
		}
		w.dict = options.Clone()
	}
	o := &w.options
	if *o, err = readPublishOptions(w.dict); err == nil {
		w.lists, err = readFilter(w.dict, o.filtered)
	}
	if err == nil {
		err = c.caller.checkOwner(w.dict, *o)
	}
	if err == nil {
		m := codec.Message{Dict: w.dict}
		o.forwarded, err = c.caller.acceptForwarding(&m, o.forwarded)
		w.dict, o.origin = m.Dict, o.origin && c.caller.mayForward()
	}
	return err
}

func (c *metaCall) flushTestaments() ([]any, error) {
	scope, err := c.scope()
	if err == nil {
		c.caller.freeTestaments(scope)
	}
	return nil, err
}

// publishTestaments publishes the testaments that s may publish now. s is no longer a member. An authorizer is asked
// again. If it times out once, the remaining testaments that need its answer are dropped.
func (s *session) publishTestaments(t *turn) {
	s.decisions = decisions{}
	end := time.Now().Add(s.realm.router.options().AskTimeout)
	for _, wills := range s.testaments {
		for i := range wills {
			s.publishTestament(t, &wills[i], end)
		}
	}
	for scope := range s.testaments {
		s.freeTestaments(scope)
	}
}

func (s *session) publishTestament(t *turn, w *testament, end time.Time) {
	topic, role := []byte(w.topic), s.role()
	allowed, _ := role.Decide(auth.Publish, topic)
	if s.checkTopic(topic) != nil || !allowed && !time.Now().Before(end) {
		return
	}
	disclose, err := s.permitted(t, auth.Publish, topic, w.dict)
	if err != nil {
		return
	}
	request := codec.Message{Dict: w.dict}
	if w.options.forwarded, err = s.acceptForwarding(&request, w.options.forwarded); err != nil {
		return
	}
	p := publication{options: w.options, Event: store.Event{
		ID:        wamp.NewID(),
		Publisher: s.asPublisher(),
		Disclosed: disclose || w.options.discloseMe,
		Topic:     topic,
		Dict:      request.Dict,
		Payload:   w.payload,
		ExcludeMe: w.options.excludeMe,
		Passthru:  w.options.passthru || w.options.noted,
		Forwarded: w.options.forwarded,
		TTL:       w.options.ttl,
		Filter:    w.lists,
	}}
	p.Trust, p.Trusted = role.Trust(p.Topic)
	if w.options.retain {
		s.realm.retained.Keep(&p.Event)
	}
	t.publish(s.realm, &p)
}
