package edge

import (
	"fmt"
	"testing"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// anonymousGateway joins a peer that proves nothing, in a role that may forward.
func (s *story) anonymousGateway() *peer {
	s.Helper()
	p := s.deaf(memory.Options{})
	p.listen()
	p.say(hello)
	p.hear(`[2,"*","*"]`)
	return p
}

func forwardingAnonymous() RealmOptions {
	all := []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}
	return RealmOptions{Name: "realm1", Anonymous: "gateway", Roles: []*auth.Role{auth.NewRole("gateway", all).WithForward()}}
}

// An anonymous authid is another one after each reconnect, and across a restart; the numbering is not.
func TestOnceOnlyForAnonymousNodes(t *testing.T) {
	realm := forwardingAnonymous()
	realm.State = t.TempDir()
	for life := range 2 {
		tell(t, Options{}, realm, func(s *story) {
			watcher := s.join(hello)
			watcher.say(`[32,1,{},"com.t"]`)
			watcher.hear(`[33,1,"$s"]`)
			for again := range 2 {
				gateway := s.anonymousGateway()
				gateway.say(sends(1, "a", 1, 1))
				gateway.hear(`[17,1,"*"]`)
				if life+again == 0 {
					watcher.hear(`[36,"$s","*",{},["a 1 1"]]`)
				}
				watcher.silent()
				gateway.conn.Close()
			}
		})
	}
}

func (s *story) origins() map[originKey]*origin {
	return s.router.realm([]byte("realm1")).acknowledgements.marks.origins
}

// One client with any number of numberings has the realm forget its own.
func TestOneClientDisplacesNoOtherOrigins(t *testing.T) {
	for _, realm := range []RealmOptions{forwarding(), forwardingAnonymous()} {
		tell(t, Options{}, realm, func(s *story) {
			join := func(authid string) *peer {
				if realm.Anonymous == "gateway" {
					return s.anonymousGateway()
				}
				return s.gateway(authid)
			}
			gateway, away := join("gw-1"), join("gw-2")
			for i, p := range []*peer{gateway, away} {
				p.say(sends(1, fmt.Sprint("node", i), 7, 1))
				p.hear(`[17,1,"*"]`)
			}
			away.conn.Close()
			flood := join("gw-3")
			for i := range maxOwnOrigins + 2000 {
				flood.say(sends(i+1, fmt.Sprint("flood", i), 1, 1))
				flood.hear(`[17,"*","*"]`)
			}
			if n := len(s.origins()); n != maxOwnOrigins+2 {
				s.Errorf("%d origins", n)
			}
			watcher := s.join(hello)
			watcher.say(`[32,1,{},"com.t"]`)
			watcher.hear(`[33,1,"$s"]`)
			gateway.say(sends(2, "node0", 7, 1))
			gateway.hear(`[17,2,"*"]`)
			back := join("gw-2")
			back.say(sends(1, "node1", 7, 1))
			back.hear(`[17,1,"*"]`)
			watcher.silent()
		})
	}
}

// A realm that is full forgets what single sessions have left behind first, and the node that is connected last.
func TestOriginsAreBounded(t *testing.T) {
	m := &marks{}
	use := func(s *session, node string) {
		t.Helper()
		if _, err := m.origin(originKey{"a", node, 1}, s); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(node string) bool { return m.origins[originKey{"a", node, 1}] != nil }
	connected, before, now := new(session), new(session), new(session)
	use(connected, "connected")
	use(before, "came again")
	use(now, "came again")
	m.left(now)
	for i := range 2 * maxOrigins {
		client := new(session)
		use(client, fmt.Sprint(i))
		m.left(client)
	}
	if len(m.origins) != maxOrigins || !kept("connected") || !kept("came again") || kept("0") {
		t.Errorf("%d, %v, %v, %v", len(m.origins), kept("connected"), kept("came again"), kept("0"))
	}
	for i := range maxOrigins / 2 { // clients that stay
		client := new(session)
		use(client, fmt.Sprint("x", i))
		use(client, fmt.Sprint("y", i))
	}
	for i := range 10 {
		use(new(session), fmt.Sprint("new", i))
	}
	if len(m.origins) != maxOrigins || !kept("connected") {
		t.Errorf("%d, %v", len(m.origins), kept("connected"))
	}
}

// What the numberings lack is bounded for all of them together, and counted right.
func TestOriginsLackAtMostSoMuch(t *testing.T) {
	m := &marks{}
	for i := range 2 * maxAllSpans / maxSpans {
		s := new(session)
		o, err := m.origin(originKey{"a", fmt.Sprint(i), 1}, s)
		if err != nil {
			t.Fatal(err)
		}
		for n := range uint64(maxSpans + 10) {
			o.add(2 * (n + 1))
		}
		o.remove(4)
	}
	spans := 0
	for _, o := range m.origins {
		spans += len(o.routed.open)
	}
	if m.spans != spans || spans > maxAllSpans+2*maxAllSpans/maxSpans*fewSpans {
		t.Errorf("%d spans, counted as %d", spans, m.spans)
	}
}
