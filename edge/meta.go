package edge

import (
	"fmt"
	"time"

	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// The meta API: procedures that the router answers itself, and events that it publishes itself (advanced/meta_api*.md).
// Both need the same permissions as other procedures and topics.

// metaCall is a CALL of a meta procedure.
type metaCall struct {
	caller *session
	realm  *realm
	turn   *turn
	args   []codec.Value // the first ones, not decoded: an argument that is not used costs nothing
	kwargs codec.Dict
}

// maxArguments is how many positional arguments a meta procedure reads.
const maxArguments = 4

// metaProcedures are the meta procedures of every realm. Each returns the positional arguments of RESULT.
var metaProcedures map[string]func(*metaCall) ([]any, error)

func init() { // not in the declaration: the procedures refer to the map again through call
	metaProcedures = map[string]func(*metaCall) ([]any, error){
		"wamp.session.count":                  (*metaCall).sessionCount,
		"wamp.session.list":                   (*metaCall).sessionList,
		"wamp.session.get":                    about((*metaCall).member, (*session).details),
		"wamp.session.kill":                   (*metaCall).sessionKill,
		"wamp.session.kill_by_authid":         (*metaCall).sessionKillByAuthid,
		"wamp.session.kill_by_authrole":       (*metaCall).sessionKillByAuthrole,
		"wamp.session.kill_all":               (*metaCall).sessionKillAll,
		"wamp.session.add_testament":          (*metaCall).addTestament,
		"wamp.session.flush_testaments":       (*metaCall).flushTestaments,
		"wamp.subscription.remove_subscriber": (*metaCall).subscriptionRemoveSubscriber,
		"wamp.registration.remove_callee":     (*metaCall).registrationRemoveCallee,
		"wamp.reflect.define":                 (*metaCall).reflectDefine,
		"wamp.reflect.describe":               func(c *metaCall) ([]any, error) { return c.reflectDescribe("procedure", "topic", "error") },
		"wamp.subscription.list":              (*metaCall).subscriptionList,
		"wamp.subscription.lookup":            (*metaCall).subscriptionLookup,
		"wamp.subscription.match":             (*metaCall).subscriptionMatch,
		"wamp.subscription.get":               about((*metaCall).subscription, (*subscription).details),
		"wamp.subscription.get_events":        (*metaCall).subscriptionGetEvents,
		"wamp.subscription.list_subscribers":  about((*metaCall).subscription, (*subscription).members),
		"wamp.subscription.count_subscribers": about((*metaCall).subscription, (*subscription).count),
		"wamp.registration.list":              (*metaCall).registrationList,
		"wamp.registration.lookup":            (*metaCall).registrationLookup,
		"wamp.registration.match":             (*metaCall).registrationMatch,
		"wamp.registration.get":               about((*metaCall).registration, (*registration).details),
		"wamp.registration.list_callees":      about((*metaCall).registration, (*registration).members),
		"wamp.registration.count_callees":     about((*metaCall).registration, (*registration).count),
		wamp.Reach:                            (*metaCall).registrationReach,
	}
	for name, procedure := range durableProcedures {
		metaProcedures[name] = procedure
	}
	for kind := range reflected {
		metaProcedures["wamp.reflection."+kind+".list"] = func(c *metaCall) ([]any, error) { return c.reflectList(kind) }
		metaProcedures["wamp.reflection."+kind+".describe"] = func(c *metaCall) ([]any, error) { return c.reflectDescribe(kind) }
	}
}

// callMeta answers a CALL under "wamp.".
func (s *session) callMeta(t *turn, m *codec.Message) error {
	procedure, ok := metaProcedures[string(m.Text)]
	if !ok {
		return refusal{wamp.NoSuchProcedure, fmt.Sprintf("there is no meta procedure %q", m.Text)}
	}
	c := &metaCall{caller: s, realm: s.realm, turn: t}
	if err := c.read(m.Payload); err != nil {
		return err
	}
	results, err := procedure(c)
	if err != nil {
		return err
	}
	payload, err := codec.NewPayload(s.serializer, results, nil)
	if err != nil {
		return refusal{wamp.InvalidArgument, err.Error()}
	}
	return t.send(s, &codec.Message{Type: wamp.Result, Request: m.Request, Payload: payload})
}

// read reads the arguments from the payload.
func (c *metaCall) read(p codec.Payload) error {
	args, kwargs, err := p.Split()
	if err != nil {
		return refusal{wamp.InvalidArgument, err.Error()}
	}
	c.kwargs, _ = kwargs.Dict()
	if list, ok := args.Items(); ok {
		for len(c.args) < maxArguments && list.Next() {
			c.args = append(c.args, list.Value())
		}
	}
	return nil
}

// arg returns the positional argument at i; the zero value if it is absent or null.
func (c *metaCall) arg(i int) (v codec.Value) {
	if i < len(c.args) && !c.args[i].IsNull() {
		v = c.args[i]
	}
	return v
}

// keyword returns a keyword argument; the zero value if it is absent or null.
func (c *metaCall) keyword(name string) (v codec.Value) {
	for f := c.kwargs.Fields(); f.Next(); {
		if string(f.Key()) == name {
			v = f.Value()
		}
	}
	if v.IsNull() {
		return codec.Value{}
	}
	return v
}

// isGiven reports whether an argument is present.
func isGiven(v codec.Value) bool { return len(v.Raw) > 0 }

// idOf reads an id.
func idOf(v codec.Value) (wamp.ID, bool) {
	id, ok := v.Uint()
	return wamp.ID(id), ok && wamp.ValidID(id)
}

// textOf reads a string.
func textOf(v codec.Value) (string, bool) {
	text, ok := v.Text()
	return string(text), ok
}

// id returns the positional argument at i, which must be an id.
func (c *metaCall) id(i int) (wamp.ID, error) {
	if id, ok := idOf(c.arg(i)); ok {
		return id, nil
	}
	return 0, refusal{wamp.InvalidArgument, fmt.Sprintf("argument %d must be an id", i+1)}
}

// text returns the positional argument at i, which must be a string.
func (c *metaCall) text(i int) (string, error) {
	if text, ok := textOf(c.arg(i)); ok {
		return text, nil
	}
	return "", refusal{wamp.InvalidArgument, fmt.Sprintf("argument %d must be a string", i+1)}
}

// match returns the match policy in the optional dict of options at i.
func (c *metaCall) match(i int) (m wamp.Match, err error) {
	if !isGiven(c.arg(i)) {
		return wamp.Exact, nil
	}
	options, ok := c.arg(i).Dict()
	policy := ""
	for f := options.Fields(); ok && f.Next(); {
		if string(f.Key()) == "match" {
			policy, _ = textOf(f.Value())
		}
	}
	if m, known := wamp.ParseMatch(policy); ok && known {
		return m, nil
	}
	return 0, refusal{wamp.InvalidArgument, fmt.Sprintf("argument %d must be a dict of options with a known match policy", i+1)}
}

// watched reports whether a meta event has subscribers, so that it needs to be made at all.
func (r *realm) watched(topic string) bool {
	return len(r.topics.Match([]byte(topic), nil)) > 0
}

// announce publishes a meta event. It costs little if the event has no subscribers. mu may be held.
func (r *realm) announce(t *turn, topic string, args ...any) {
	p := publication{Event: store.Event{ID: wamp.NewID(), Topic: []byte(topic)}}
	matched := t.match(r, p.Topic)
	if len(matched) == 0 {
		return
	}
	p.Payload, _ = codec.NewPayload(wamp.CBOR, args, nil)
	t.publishMatched(r, &delivery{publication: &p}, matched)
}

// timestamp formats a time as the meta API does.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
