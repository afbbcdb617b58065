package edge

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/patience"
	"runnel/edge/wamp"
	"runnel/test/say"
)

// Many slow subscribers together delay a publisher by one wait, and later ones hardly delay it.
func TestManySlowSubscribers(t *testing.T) {
	tell(t, Options{OutboxBytes: 16 << 10}, RealmOptions{}, func(s *story) {
		quick, pub := s.join(hello), s.join(hello)
		quick.say(`[32,1,{},"com.a"]`)
		quick.hear(`[33,1,"$sub"]`)
		const n = 1000 // of 130 bytes, so that each slow outbox overflows
		start := time.Now()
		for round := range 5 {
			for range 60 {
				mute(s, "com.a")
			}
			began := time.Now()
			flood(pub, "com.a", n)
			for i := range n {
				quick.hear(fmt.Sprintf(`[36,"$sub","*",{},[%d,"*"]]`, i))
			}
			waited := time.Since(began)
			if round == 0 && waited != maxPatience {
				t.Errorf("60 slow subscribers hold a publisher up for %v, want %v", waited, maxPatience)
			}
			if round > 0 && waited > maxPatience/patience.Recovery {
				t.Errorf("60 more slow subscribers hold a publisher up for %v", waited)
			}
		}
		if waited := time.Since(start); waited > 3*maxPatience/2 {
			t.Errorf("300 slow subscribers hold a publisher up for %v", waited)
		}
		if stalls := s.router.Status().Stalls; stalls != 300 {
			t.Errorf("%d peers are stalled, want 300", stalls)
		}
	})
}

// A peer that reads during the wait costs no patience: it may slow down a publisher for ever.
func TestBackPressureCostsNoPatience(t *testing.T) {
	tell(t, Options{OutboxBytes: 16 << 10}, RealmOptions{}, func(s *story) {
		slow, pub := mute(s, "com.a"), s.join(hello)
		go flood(pub, "com.a", 3000)
		slow.receivesText(`[2,`)
		slow.receivesText(`[33,`)
		for i := range 3000 {
			if i%50 == 0 {
				time.Sleep(maxPatience / 10)
			}
			slow.receivesText(fmt.Sprintf("[%d,", i))
		}
		if stalls := s.router.Status().Stalls; stalls != 0 {
			t.Errorf("it stalled %d times", stalls)
		}
	})
}

// receivesText reads one message of a deaf peer. It must contain text.
func (p *peer) receivesText(text string) {
	p.Helper()
	data, _, err := p.conn.ReadMessage()
	if err != nil {
		p.Fatal(err)
	}
	if got, err := say.Decode(p.speaks, data); err != nil || !strings.Contains(got, text) {
		p.Fatalf("heard %.100s (%v), want %s", got, err, text)
	}
}

// TestWhoCostsPatience: an unsuccessful wait for another peer costs the patience of the peer's kind. Waits for the
// sender's own outbox, and for a session of this process, cost none.
func TestWhoCostsPatience(t *testing.T) {
	for name, c := range map[string]struct {
		self, internal, proven    bool
		spent                     bool // all patience, before
		waits                     time.Duration
		provenLeft, newcomersLeft time.Duration
	}{
		"its own outbox":                {self: true, waits: maxPatience, provenLeft: maxPatience, newcomersLeft: maxPatience},
		"its own outbox, proven":        {self: true, proven: true, waits: maxPatience, provenLeft: maxPatience, newcomersLeft: maxPatience},
		"a session of this process":     {internal: true, waits: ownPatience, provenLeft: maxPatience, newcomersLeft: maxPatience},
		"a newcomer":                    {waits: maxPatience, provenLeft: maxPatience},
		"a proven peer":                 {proven: true, waits: maxPatience, newcomersLeft: maxPatience},
		"a newcomer, no patience":       {spent: true},
		"a proven peer, no patience":    {proven: true, spent: true, waits: minGrace, newcomersLeft: minGrace / patience.Recovery},
		"its own outbox, no patience":   {self: true, spent: true, waits: maxPatience, provenLeft: maxPatience / patience.Recovery, newcomersLeft: maxPatience / patience.Recovery},
		"this process, and no patience": {internal: true, spent: true, waits: ownPatience, provenLeft: ownPatience / patience.Recovery, newcomersLeft: ownPatience / patience.Recovery},
	} {
		synctest.Test(t, func(t *testing.T) {
			both := seated(t, wamp.CBOR, wamp.CBOR)
			self, peer := both[0], both[1]
			if c.self {
				peer = self
			}
			all := &self.realm.patiences
			if c.spent {
				all.proven.Spend(maxPatience)
				all.newcomers.Spend(maxPatience)
			}
			peer.conn.Transport().Internal = c.internal
			peer.out.high = 10
			if peer.out.taken = 0; c.proven {
				peer.out.taken = peer.out.high
			}
			if _, full := peer.out.appendEvent(&seat{session: peer}, eventOf(t, 20)); !full {
				t.Fatalf("%s: the outbox has room", name)
			}
			turn := &turn{crowded: []*session{peer}}
			start := time.Now()
			turn.applyBackpressure(self)
			if waited := time.Since(start); waited != c.waits || len(turn.crowded) != 0 {
				t.Errorf("%s: the wait takes %v, want %v", name, waited, c.waits)
			}
			if proven, newcomers := all.proven.Left(), all.newcomers.Left(); proven != c.provenLeft || newcomers != c.newcomersLeft {
				t.Errorf("%s: left are %v and %v, want %v and %v", name, proven, newcomers, c.provenLeft, c.newcomersLeft)
			}
		})
	}
}
