package edge

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"runnel/edge/budget"
	"runnel/edge/wamp"
)

// A turn's buffers are charged from the first byte when they are larger than the large size.
func TestTurnCharges(t *testing.T) {
	const large = largeBuffer
	for _, c := range []struct{ from, to, want int }{
		{0, large, 0}, {0, large + 1, large + 1}, {large, large + 1, large + 1}, {large + 1, large + 5, 4},
		{large + 5, large + 5, 0}, {large + 5, large + 1, 0}, {large + 5, 7, 0},
	} {
		memory := budget.New(64<<20, slog.New(slog.DiscardHandler))
		before := memory.Status().Used
		turn := &turn{memory: memory}
		turn.charge(c.from, c.to)
		if got := int(memory.Status().Used - before); turn.work != c.want || got != c.want {
			t.Errorf("from %d to %d: %d bytes are charged, %d noted", c.from, c.to, got, turn.work)
		}
		if turn.dropWork(); turn.work != 0 || memory.Status().Used != before {
			t.Errorf("from %d to %d: %d bytes stay charged", c.from, c.to, memory.Status().Used-before)
		}
	}
}

// When memory is short, a turn keeps the buffers that are not charged.
func TestTurnKeepsBasicBuffers(t *testing.T) {
	for octets, kept := range map[int]bool{largeBuffer: true, largeBuffer + 1: false} {
		turn := new(turn)
		turn.frames[wamp.CBOR].bytes = make([]byte, octets)
		turn.single.bytes, turn.scratch = make([]byte, octets), make([]byte, octets)
		turn.dropWork()
		if (turn.frames[wamp.CBOR].bytes != nil) != kept || (turn.single.bytes != nil) != kept || (turn.scratch != nil) != kept {
			t.Errorf("buffers of %d bytes", octets)
		}
	}
}

func TestMayKeep(t *testing.T) {
	s := seated(t, wamp.CBOR)[0]
	s.kept = 100
	for octets, want := range map[int]bool{maxKept - 100: true, maxKept - 99: false} {
		if s.mayKeep(octets) != want {
			t.Errorf("%d bytes more: %v", octets, !want)
		}
	}
}

// A session keeps a spare chunk of calls until it ends.
func TestFreeCalls(t *testing.T) {
	for _, c := range []struct {
		charged int
		all     bool
		want    int
	}{
		{0, false, 0}, {callsChunk, false, callsChunk}, {2 * callsChunk, false, 2 * callsChunk}, {3 * callsChunk, false, 2 * callsChunk},
		{5 * callsChunk, false, 2 * callsChunk}, {2 * callsChunk, true, 0}, {0, true, 0},
	} {
		s := seated(t, wamp.CBOR)[0]
		s.callsCharged = c.charged
		if s.freeCalls(c.all); s.callsCharged != c.want {
			t.Errorf("%d of %d stay charged, for all: %v", s.callsCharged, c.charged, c.all)
		}
	}
}

// The memory of a realm's events is free once the realm, or the history, is removed.
func TestRemovedEventsFreeMemory(t *testing.T) {
	memory := budget.New(64<<20, slog.New(slog.DiscardHandler))
	realm := withHistory(comRule)
	tell(t, Options{Memory: memory}, realm, func(s *story) {
		p := s.join(helloAll)
		publish := func(topic string) {
			p.say(fmt.Sprintf(`[16,1,{"acknowledge":true,"retain":true},%q,["x"]]`, topic))
			p.hear(`[17,1,"*"]`)
		}
		use := func(histories, retained bool) {
			t.Helper()
			if u := memory.Status().Use; (u["histories"] > 0) != histories || (u["retained"] > 0) != retained {
				t.Errorf("in use: %v", u)
			}
		}
		publish("com.a")
		use(true, true)
		none := realm
		none.History = nil
		s.update(none)
		use(false, true)
		s.update(realm)
		publish("com.b")
		use(true, true)
		if err := s.router.RemoveRealm("realm1"); err != nil {
			t.Error(err)
		}
		use(false, false)
	})
}

// A session that has joined is no stranger, which would be cut first when memory is short.
func TestMembersAreNoStrangers(t *testing.T) {
	memory := budget.New(6*sessionCost, slog.New(slog.DiscardHandler))
	tell(t, Options{Memory: memory}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		used := memory.Status().Used
		memory.Spend(int(6*sessionCost - used + 100)) // a little too much
		p.say(`[32,1,{},"com.a"]`)
		if synctest.Wait(); memory.Status().Cut != 0 {
			t.Error("the member is cut")
		}
		memory.Drop(budget.Work, int(6*sessionCost-used+100))
	})
}
