package edge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

const (
	theWay      = `[{"session":5,"authid":"pump","authrole":"sensor"},{"session":6,"authid":"gw","authrole":"gateway","_node":"gw-1"}]`
	along       = `"forward_for":` + theWay + `,"_time":1700000000123`
	whereabouts = `"forward_for":[{"_node":"gw-1"}]` // what is left of it from a stranger
)

func TestForwarding(t *testing.T) {
	for _, speaks := range wamp.Serializers {
		t.Run(speaks.String(), func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				part, peer, stranger := s.internal(hello), s.joinAs(memory.Options{Serializer: speaks}, hello), s.join(hello)
				peer.say(`[32,1,{},"com.t"]`)
				peer.hear(`[33,1,"$s"]`)
				peer.say(`[64,2,{},"com.p"]`)
				peer.hear(`[65,2,"$r"]`)

				part.say(`[16,1,{` + along + `},"com.t",["x"]]`)
				peer.hear(`[36,"$s","*",{` + along + `},["x"]]`)
				part.say(`[48,2,{"forward_for":` + theWay + `},"com.p",["x"]]`)
				peer.hear(`[68,1,"$r",{"forward_for":` + theWay + `},["x"]]`)

				// From other sessions it is ignored, except for the nodes.
				stranger.say(`[16,1,{` + along + `,"_origin":5},"com.t",["x"]]`)
				peer.hear(`[36,"$s","*",{` + whereabouts + `},["x"]]`)
				for i, option := range []string{`"_time":"noon"`, `"forward_for":[{"_node":5}]`, `"forward_for":[]`} {
					stranger.say(fmt.Sprintf(`[16,%d,{%s},"com.t",["x"]]`, i+2, option))
					peer.hear(`[36,"$s","*",{},["x"]]`)
				}
				stranger.say(`[48,9,{"forward_for":` + theWay + `},"com.p",["x"]]`)
				peer.hear(`[68,2,"$r",{` + whereabouts + `},["x"]]`)
			})
		})
	}
}

func TestForwardingIsChecked(t *testing.T) {
	hops := strings.TrimSuffix(strings.Repeat(`{"session":5},`, maxHops+1), ",")
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		part := s.internal(hello)
		for i, option := range []string{
			`"forward_for":[` + hops + `]`, fmt.Sprintf(`"forward_for":[{"authid":"%04096d"}]`, 1), `"_time":"noon"`, `"_time":-1`, `"_time":1e18`,
		} {
			part.say(fmt.Sprintf(`[16,%d,{"acknowledge":true,%s},"com.t"]`, i+1, option))
			part.hear(fmt.Sprintf(`[8,16,%d,{},"wamp.error.invalid_argument","*"]`, i+1))
		}
		part.say(`[16,9,{"_time":-1},"com.t"]`) // not answered
		part.say(`[48,10,{"forward_for":[` + hops + `]},"com.p"]`)
		part.hear(`[8,48,10,{},"wamp.error.invalid_argument","*"]`)
		part.say(`[16,11,{"acknowledge":true,"forward_for":null,"_time":null},"com.t"]`)
		part.hear(`[17,11,"*"]`)
	})
}

// The longest way and the latest time are accepted.
func TestForwardingBounds(t *testing.T) {
	hops := func(n int) any { return slices.Repeat([]any{map[string]any{"session": 5}}, n) }
	long := func(octets int) any { return []any{map[string]any{"authid": strings.Repeat("x", octets-12)}} }
	for _, c := range []struct {
		what, key string
		value     any
		ok        bool
	}{
		{"hops", "forward_for", hops(maxHops), true}, {"hops", "forward_for", hops(maxHops + 1), false},
		{"bytes", "forward_for", long(maxWayBytes), true}, {"bytes", "forward_for", long(maxWayBytes + 1), false},
		{"ms", "_time", maxTime, true}, {"ms", "_time", maxTime + 1, false}, {"ms", "_time", 0, true},
	} {
		d, err := codec.NewDict(wamp.CBOR, map[string]any{c.key: c.value})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkForwarded(d); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// forwarding is a realm whose roles are trusted to forward, and not.
func forwarding() RealmOptions {
	all := []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}
	return RealmOptions{Name: "realm1", Anonymous: "guest", Roles: []*auth.Role{
		auth.NewRole("guest", all), auth.NewRole("gateway", all).WithForward(),
	}}
}

// gateway joins a peer from outside in the role that may forward.
func (s *story) gateway(authid string) *peer {
	s.Helper()
	p := s.deaf(memory.Options{Authid: authid, Role: "gateway", Realm: "realm1"})
	p.listen()
	p.say(hello)
	p.hear(`[2,"*","*"]`)
	return p
}

func TestForwardingByRole(t *testing.T) {
	tell(t, Options{}, forwarding(), func(s *story) {
		gateway, guest := s.gateway("gw-1"), s.join(hello)
		guest.say(`[32,1,{"match":"prefix"},"com."]`)
		guest.hear(`[33,1,"$s"]`)
		gateway.say(`[16,1,{` + along + `},"com.t"]`)
		guest.hear(`[36,"$s","*",{"topic":"com.t",` + along + `}]`)

		// A reload may take the right away.
		realm := forwarding()
		realm.Roles[1] = auth.NewRole("gateway", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})
		if err := s.router.UpdateRealm(realm); err != nil {
			s.Fatal(err)
		}
		gateway.say(`[16,2,{` + along + `},"com.t"]`)
		guest.hear(`[36,"$s","*",{"topic":"com.t",` + whereabouts + `}]`)
	})
}

// Kept events keep their forwarding details, in memory and on disk. Those of an untrusted session are not restored either.
func TestForwardedEventsAreKept(t *testing.T) {
	realm := forwarding()
	realm.State = t.TempDir()
	realm.History = []HistoryRule{{URI: "com.", Match: wamp.Prefix}}
	look := func(s *story) {
		late := s.join(hello)
		late.say(`[32,1,{"get_retained":true},"com.a"]`)
		late.hear(`[33,1,"$a"]`, `[36,"$a","*",{"retained":true,`+along+`},["x"]]`)
		late.say(`[32,2,{"get_retained":true},"com.b"]`)
		late.hear(`[33,2,"$b"]`, `[36,"$b","*",{"retained":true,`+whereabouts+`},["x"]]`)
		late.say(`[48,3,{},"wamp.subscription.lookup",["com.",{"match":"prefix"}]]`)
		late.hear(`[50,3,{},["$h"]]`)
		late.say(`[48,4,{},"wamp.subscription.get_events",["$h"]]`)
		late.hear(`[50,4,{},[
			{"timestamp":"*","subscription":"$h","publication":"*","details":{"topic":"com.a",` + along + `},"args":["x"],"kwargs":{}},
			{"timestamp":"*","subscription":"$h","publication":"*","details":{"topic":"com.b",` + whereabouts + `},"args":["x"],"kwargs":{}}]]`)
	}
	tell(t, Options{}, realm, func(s *story) {
		gateway, stranger := s.gateway("gw-1"), s.join(hello)
		gateway.say(`[16,1,{"acknowledge":true,"retain":true,` + along + `},"com.a",["x"]]`)
		gateway.hear(`[17,1,"*"]`)
		stranger.say(`[16,1,{"acknowledge":true,"retain":true,` + along + `},"com.b",["x"]]`)
		stranger.hear(`[17,1,"*"]`)
		look(s)
	})
	tell(t, Options{}, realm, look)
}

func TestTestamentsMayBeForwarded(t *testing.T) {
	tell(t, Options{}, forwarding(), func(s *story) {
		watcher := s.join(hello)
		watcher.say(`[32,1,{},"com.t"]`)
		watcher.hear(`[33,1,"$s"]`)
		for _, c := range []struct {
			peer *peer
			want string
		}{{s.gateway("gw-1"), along}, {s.join(hello), whereabouts}} {
			c.peer.say(`[48,1,{},"wamp.session.add_testament",["com.t",["bye"],{}],{"publish_options":{` + along + `}}]`)
			c.peer.hear(`[50,1,{}]`)
			c.peer.conn.Close()
			watcher.hear(`[36,"$s","*",{` + c.want + `},["bye"]]`)
		}
	})
}

// Forwarding details of an untrusted session do not change who may receive the event, also after a restart.
func TestStrangersWayKeepsTheLists(t *testing.T) {
	realm := forwarding()
	realm.State = t.TempDir()
	look := func(s *story) {
		s.Helper()
		for _, c := range []struct {
			peer *peer
			has  bool
		}{{s.join(hello), false}, {s.gateway("gw-1"), true}} {
			c.peer.say(`[32,1,{"get_retained":true},"com.t"]`)
			c.peer.hear(`[33,1,"$t"]`)
			if c.has {
				c.peer.hear(`[36,"$t","*",{"retained":true,"forward_for":[{"_node":"gw-1"}]},["x"]]`)
			} else {
				c.peer.silent()
			}
		}
		delete(s.kept, "t")
	}
	tell(t, Options{}, realm, func(s *story) {
		stranger := s.join(hello)
		stranger.say(`[16,1,{"forward_for":` + theWay + `,"eligible_authrole":["gateway"],"retain":true,"acknowledge":true},"com.t",["x"]]`)
		stranger.hear(`[17,1,"*"]`)
		look(s)
	})
	tell(t, Options{}, realm, look)
}
