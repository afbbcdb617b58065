package edge

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// asNode is the HELLO of a session that belongs to a node.
func asNode(id, boot, installation string) string {
	return fmt.Sprintf(`[1,"realm1",{"roles":{"publisher":{}},"_node":{"id":%q,"name":%[1]q,"boot":%q,"installation":%q}}]`, id, boot, installation)
}

// asking connects a peer with a role and sends HELLO. The caller checks the answer.
func (s *story) asking(role, hello string) *peer {
	s.Helper()
	p := s.deaf(memory.Options{Authid: "gw", Role: role, Realm: "realm1", Name: "here"})
	p.listen()
	p.say(hello)
	return p
}

func TestDuplicateNodes(t *testing.T) {
	self := wamp.Node{ID: "centre", Name: "centre", Boot: "c", Installation: "cc"}
	tell(t, Options{Identity: self}, forwarding(), func(s *story) {
		const welcome, refused = `[2,"*","*"]`, `[3,"*","runnel.error.duplicate_node"]`
		first := s.asking("gateway", asNode("gw", "1", "i"))
		first.hear(welcome)
		for _, c := range []struct{ what, role, hello, answer string }{
			{"another node", "gateway", asNode("gw", "2", "k"), refused},
			{"with a copy of its data, by another id", "gateway", asNode("x", "2", "i"), welcome},
			{"the same process", "gateway", asNode("gw", "1", "i"), welcome},
			{"one that is trusted less", "guest", asNode("gw", "3", "k"), refused},
			{"a name that is free", "guest", asNode("free", "3", "k"), welcome},
			{"which is nobody's for one that is trusted more", "gateway", asNode("free", "4", "m"), welcome},
			{"this router's id", "guest", asNode("centre", "3", "k"), refused},
			{"no node", "gateway", `[1,"realm1",{"roles":{"publisher":{}},"_node":{"id":"gw","boot":7}}]`, welcome},
			{"no node either", "gateway", `[1,"realm1",{"roles":{"publisher":{}},"_node":"gw"}]`, welcome},
		} {
			s.Log(c.what)
			s.asking(c.role, c.hello).hear(c.answer)
		}
		if list := s.router.Clashes("realm1"); len(list) != 3 || list[0].Node != "centre" || list[1].Node != "free" || list[2].Node != "gw" || list[2].Tries != 2 {
			s.Errorf("%+v", list)
		}

		// Nodes above: a connected session gets GOODBYE, and a new one is refused. In a ring, the node is the same one.
		above := s.router.Above("realm1", "up")
		above([]wamp.Node{{ID: "site", Boot: "s", Installation: "ss"}, {ID: "y", Boot: "old", Installation: "yy"}, {ID: "gw", Boot: "g", Installation: "gg"}})
		first.hear(`[6,"*","runnel.error.duplicate_node"]`)
		s.asking("gateway", asNode("gw", "2", "k")).hear(refused)
		s.asking("gateway", asNode("site", "2", "ss")).hear(refused)
		s.asking("gateway", asNode("y", "new", "yy")).hear(welcome)
		above(nil)
		s.asking("gateway", asNode("site", "2", "k")).hear(welcome)
	})
}

// Two nodes with one id that may not forward conflict only within one role.
func TestDuplicateNodesOfOtherRoles(t *testing.T) {
	realm := forwarding()
	realm.Roles = append(realm.Roles, auth.NewRole("visitor", nil))
	tell(t, Options{}, realm, func(s *story) {
		s.asking("guest", asNode("gw", "1", "i")).hear(`[2,"*","*"]`)
		s.asking("visitor", asNode("gw", "2", "k")).hear(`[2,"*","*"]`)
		s.asking("guest", asNode("gw", "3", "m")).hear(`[3,"*","runnel.error.duplicate_node"]`)
	})
}

// left is a connection whose peer does not respond.
type left struct {
	*memory.Conn
	closed atomic.Int32
}

func (c *left) Probe(time.Duration) bool { return false }
func (c *left) Close() error             { c.closed.Add(1); return c.Conn.Close() }

// A session that was left over gives way to its node's next one.
func TestNodeDisplacesWhatIsLeft(t *testing.T) {
	tell(t, Options{}, forwarding(), func(s *story) {
		ours, theirs := memory.Pipe(memory.Options{Authid: "gw", Role: "gateway", Realm: "realm1"})
		conn := &left{Conn: theirs}
		ended := make(chan error, 1)
		s.served.Go(func() { ended <- s.router.Serve(conn) })
		p := &peer{story: s, conn: ours, speaks: wamp.CBOR}
		p.listen()
		p.enter(asNode("gw", "1", "i"))
		s.asking("gateway", asNode("gw", "2", "i")).hear(`[2,"*","*"]`)
		<-ended
		if conn.closed.Load() == 0 || len(s.router.Clashes("realm1")) > 0 {
			s.Errorf("closed %d times; clashes: %v", conn.closed.Load(), s.router.Clashes("realm1"))
		}
	})
}

// The number of clashes that are remembered is bounded.
func TestClashesAreBounded(t *testing.T) {
	var c clashes
	for i := range maxClashes + 1 {
		if isNew := c.add(Clash{Node: fmt.Sprint(i), Seen: time.Now()}); isNew != (i < maxClashes) {
			t.Errorf("clash %d is new: %v", i, isNew)
		}
	}
	if c.add(Clash{Node: "0", Seen: time.Now()}) || len(c.present()) != maxClashes {
		t.Errorf("%d clashes", len(c.present()))
	}
}

// WELCOME names at most as many nodes as an event may pass.
func TestNodesAreBounded(t *testing.T) {
	tell(t, Options{Identity: wamp.Node{ID: "centre", Boot: "c"}}, forwarding(), func(s *story) {
		s.router.Above("realm1", "up")(slices.Repeat([]wamp.Node{{ID: "above", Boot: "a"}}, maxNodes))
		if n := len(s.router.realm([]byte("realm1")).nodes()); n != maxNodes {
			s.Errorf("%d nodes", n)
		}
	})
}

func TestOnlyNodesGetNodes(t *testing.T) {
	tell(t, Options{Identity: wamp.Node{ID: "centre", Boot: "c"}}, forwarding(), func(s *story) {
		s.router.Above("realm1", "up")([]wamp.Node{{ID: "above", Boot: "a"}})
		m := s.router.realm([]byte("realm1"))
		if list := m.nodes(); len(list) != 2 {
			s.Errorf("%v", list)
		}
		sess := &session{realm: m, serializer: wamp.JSON}
		role := auth.NewRole("guest", nil)
		sess.rights.Store(role)
		w, err := sess.welcomeWith(rolesFor[wamp.JSON], nil)
		if details, _ := w.Dict.Map(); err != nil || details["_nodes"] != nil {
			s.Errorf("%v %v", details, err)
		}
	})
}
