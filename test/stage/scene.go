package stage

import (
	"crypto/tls"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/say"
)

// Scene is one case: peers in one realm, which connect the same way unless a method names another.
type Scene struct {
	*testing.T
	House *House
	Way   Way
	Realm string
	Names say.Names

	own   string // replaces "~"
	peers []*Peer
}

var scenes atomic.Int64

// Scene begins a case.
func (h *House) Scene(t *testing.T, w Way, realm string) *Scene {
	s := &Scene{T: t, House: h, Way: w, Realm: realm, Names: say.Names{}, own: fmt.Sprintf("s%d", scenes.Add(1))}
	t.Cleanup(s.close)
	return s
}

// Every runs a case over every way, in the way's own realm. All ways run in parallel. Every returns when all are done, so the
// next case has the realms for itself.
func (h *House) Every(t *testing.T, name string, plot func(s *Scene)) {
	t.Helper()
	h.every(t, name, Way.Realm, plot)
}

// EveryStrict is Every in the strict realm, which all ways share.
func (h *House) EveryStrict(t *testing.T, name string, plot func(s *Scene)) {
	t.Helper()
	h.every(t, name, func(Way) string { return Strict }, plot)
}

// EveryIn is Every in a given realm, without the serial ways, because no line leads there.
func (h *House) EveryIn(t *testing.T, name, realm string, plot func(s *Scene)) {
	t.Helper()
	h.every(t, name, func(Way) string { return realm }, plot)
}

func (h *House) every(t *testing.T, name string, realm func(Way) string, plot func(s *Scene)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		for _, w := range Ways() {
			if w.isSerial() && h.lines[realm(w)] == nil {
				continue
			}
			t.Run(w.String(), func(t *testing.T) {
				t.Parallel()
				plot(h.Scene(t, w, realm(w)))
			})
		}
	})
}

// Between runs a case with each pair of serializers.
func (h *House) Between(t *testing.T, name string, plot func(s *Scene, one, other Way)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		for _, one := range wamp.Serializers {
			for _, other := range wamp.Serializers {
				t.Run(one.String()+"_to_"+other.String(), func(t *testing.T) {
					t.Parallel()
					from, to := Way{Network: "tcp", Serializer: one}, Way{Network: "ws", Serializer: other}
					plot(h.Scene(t, from, from.Realm()), from, to)
				})
			}
		}
	})
}

// Own returns the URI component that replaces "~".
func (s *Scene) Own() string { return s.own }

// Another returns a second, independent scene.
func (s *Scene) Another() *Scene { return s.House.Scene(s.T, s.Way, s.Realm) }

// fill replaces "~" and "@" by their meanings.
func (s *Scene) fill(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "~", s.own), "@", s.Realm)
}

// Connect makes a connection and sends nothing on it.
func (s *Scene) Connect() *Peer {
	s.Helper()
	return s.ConnectBy(s.Way, nil)
}

// ConnectBy is Connect by another way. config is for TLS; nil: the default.
func (s *Scene) ConnectBy(w Way, config *tls.Config) *Peer {
	s.Helper()
	l, secure, err := s.House.dial(w, s.Realm, config)
	if err != nil {
		s.Fatalf("connect by %v: %v", w, err)
	}
	p := &Peer{Scene: s, Way: w, TLS: secure, link: l, heard: make(chan string, 10_000), syncs: make(chan struct{}, 1)}
	s.peers = append(s.peers, p)
	go p.listen()
	return p
}

// Join connects and sends HELLO.
func (s *Scene) Join(hello string) *Peer {
	s.Helper()
	return s.JoinBy(s.Way, hello)
}

// JoinBy is Join by another way.
func (s *Scene) JoinBy(w Way, hello string) *Peer {
	s.Helper()
	p := s.ConnectBy(w, nil)
	p.Say(hello)
	p.Welcomed()
	return p
}

// Login joins as a principal whose ticket is its authid.
func (s *Scene) Login(authid, hello string) *Peer {
	s.Helper()
	p := s.Connect()
	p.Say(strings.Replace(hello, `{"roles"`, fmt.Sprintf(`{"authid":%q,"authmethods":["ticket"],"roles"`, authid), 1))
	p.Hear(`[4,"ticket",{}]`)
	p.Say(fmt.Sprintf(`[5,%q,{}]`, authid))
	p.Welcomed()
	return p
}

// Welcomed waits for WELCOME.
func (p *Peer) Welcomed() {
	p.Helper()
	got, open := p.Next()
	if !open {
		p.Fatalf("%v: the connection is closed; expected WELCOME", p.Way)
	}
	if _, err := fmt.Sscanf(got, "[2,%d,", &p.ID); err != nil {
		p.Fatalf("heard %s, expected WELCOME", got)
	}
	p.open = true
}

// close closes the sessions of all peers, and waits until they have ended.
func (s *Scene) close() {
	var ids []uint64
	for _, p := range s.peers {
		if p.open && !s.Failed() {
			p.sendGoodbye()
		}
		p.link.close()
		for range p.heard { // until it is closed
		}
		if p.ID != 0 { // the end of the connection does not show when the session has ended
			ids = append(ids, p.ID)
		}
	}
	if len(ids) > 0 && !s.Failed() {
		s.awaitLeft(ids...)
	}
}

// sendGoodbye closes the session by GOODBYE, and ignores the messages that still arrive.
func (p *Peer) sendGoodbye() {
	data, err := p.Names.Encode(p.Way.Serializer, `[6,{},"wamp.close.close_realm"]`)
	if err != nil || p.link.send(data) != nil {
		return
	}
	late := time.After(kit.Patience)
	for {
		select {
		case text, open := <-p.heard:
			if !open || strings.HasPrefix(text, "[6,") || strings.HasPrefix(text, "[3,") {
				return
			}
		case <-late:
			p.Errorf("%v: GOODBYE is not answered", p.Way)
			return
		}
	}
}
