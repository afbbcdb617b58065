package edge

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
			if round > 0 && waited > maxPatience/recovery {
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
		slow.hears(`[2,`)
		slow.hears(`[33,`)
		for i := range 3000 {
			if i%50 == 0 {
				time.Sleep(maxPatience / 10)
			}
			slow.hears(fmt.Sprintf("[%d,", i))
		}
		if stalls := s.router.Status().Stalls; stalls != 0 {
			t.Errorf("it stalled %d times", stalls)
		}
	})
}

// hears reads one message of a deaf peer. It must contain text.
func (p *peer) hears(text string) {
	p.Helper()
	data, _, err := p.conn.ReadMessage()
	if err != nil {
		p.Fatal(err)
	}
	if got, err := say.Decode(p.speaks, data); err != nil || !strings.Contains(got, text) {
		p.Fatalf("heard %.100s (%v), want %s", got, err, text)
	}
}

func TestPatienceComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p patience
		if got := p.left(); got != maxPatience {
			t.Fatalf("at first there is %v", got)
		}
		p.spend(maxPatience)
		p.spend(maxPatience) // by a concurrent publisher
		if got := p.left(); got != 0 {
			t.Fatalf("%v is left of it", got)
		}
		time.Sleep(recovery * maxPatience / 4)
		if got := p.left(); got != maxPatience/4 {
			t.Fatalf("%v has come back", got)
		}
		time.Sleep(time.Hour)
		if got := p.left(); got != maxPatience {
			t.Fatalf("after an hour there is %v", got)
		}
	})
}
