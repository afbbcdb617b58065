package edge

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/budget"
	"runnel/edge/buffers"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// A turn's buffers are charged from the first byte when they are larger than the large size.
func TestTurnCharges(t *testing.T) {
	const large = buffers.LargeSize
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

// A turn that ends has flushed its outboxes, freed its memory and reported its counts, and keeps no message.
func TestTurnEnds(t *testing.T) {
	s := seated(t, wamp.CBOR)[0]
	r, memory, to := s.realm.router, budget.New(64<<20, slog.New(slog.DiscardHandler)), s.conn.(*sink)
	sent, event := to.octets, eventOf(t, 20)
	turn := &turn{memory: memory, count: counts{messages: 1, publications: 2, events: 3, calls: 4}, matched: []*subscription{nil}}
	turn.charge(0, 2*buffers.LargeSize)
	turn.msg.Text, turn.publication.Topic = event, event
	turn.append(&seat{session: s}, event, true)
	before := r.Status()
	turn.release(r)
	if got := memory.Status().Used; got != 0 || turn.memory != nil || turn.work != 0 {
		t.Errorf("%d bytes stay charged, %d noted", got, turn.work)
	}
	if to.octets-sent != frameHeader+len(event) || len(turn.touched) != 0 || len(turn.large) != 0 {
		t.Errorf("%d bytes are sent", to.octets-sent)
	}
	if turn.msg.Text != nil || turn.publication.Topic != nil || len(turn.matched) != 0 {
		t.Errorf("it keeps %q, %q, %v", turn.msg.Text, turn.publication.Topic, turn.matched)
	}
	after := r.Status()
	if after.Messages-before.Messages != 1 || after.Publications-before.Publications != 2 || after.Events-before.Events != 3 || after.Calls-before.Calls != 4 || turn.count != (counts{}) {
		t.Errorf("from %+v to %+v, left %+v", before, after, turn.count)
	}
}

// When memory is short, a turn keeps the buffers that are not charged.
func TestTurnKeepsBasicBuffers(t *testing.T) {
	for octets, kept := range map[int]bool{buffers.LargeSize: true, buffers.LargeSize + 1: false} {
		turn := new(turn)
		turn.frames[wamp.CBOR].bytes = make([]byte, octets)
		turn.single.bytes, turn.scratch = make([]byte, octets), make([]byte, octets)
		turn.dropWork()
		if (turn.frames[wamp.CBOR].bytes != nil) != kept || (turn.single.bytes != nil) != kept || (turn.scratch != nil) != kept {
			t.Errorf("buffers of %d bytes", octets)
		}
	}
}

// TestEventsWhenMemoryIsShort: an EVENT that finds no memory waits for it with the publisher, if that may wait, or else is
// dropped and counted. While memory is short, an outbox is flushed at once.
func TestEventsWhenMemoryIsShort(t *testing.T) {
	const limit, octets, later = 10 << 20, 20 << 10, maxPatience / 4
	for name, c := range map[string]struct {
		used                 int
		mayWait, freed       bool // after a quarter of the patience
		delivered, atOnce    bool
		waits, newcomersLeft time.Duration
	}{
		"enough":                     {0, true, false, true, false, 0, maxPatience},
		"short":                      {limit / 5 * 4, true, false, true, true, 0, maxPatience},
		"short, and none may wait":   {limit / 5 * 4, false, false, true, false, 0, maxPatience},
		"none, until some is freed":  {limit, true, true, true, false, later, maxPatience},
		"none":                       {limit, true, false, false, false, maxPatience, 0},
		"none, and none may wait":    {limit, false, false, false, false, 0, maxPatience},
		"none, freed without a wait": {limit, false, true, false, false, 0, maxPatience},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := seated(t, wamp.CBOR)[0]
			memory := budget.New(limit, slog.New(slog.DiscardHandler))
			opts := *s.realm.router.options()
			opts.Memory = memory
			s.realm.router.opts.Store(&opts)
			account, err := memory.Open(budget.Peer{Joined: true})
			if err != nil {
				t.Fatal(err)
			}
			s.out.account = account
			memory.Drop(budget.Work, -c.used)
			if c.freed {
				time.AfterFunc(later, func() { memory.Drop(budget.Work, c.used) })
			}
			turn, to := &turn{memory: memory}, s.conn.(*sink)
			before, event, start := to.octets, eventOf(t, octets), time.Now()
			turn.append(&seat{session: s}, event, c.mayWait)
			if waited := time.Since(start); waited != c.waits {
				t.Errorf("%s: the wait takes %v", name, waited)
			}
			if atOnce := to.octets > before; atOnce != c.atOnce {
				t.Errorf("%s: flushed at once: %v", name, atOnce)
			}
			if left := s.realm.patiences.newcomers.Left(); left != c.newcomersLeft {
				t.Errorf("%s: the patience left is %v", name, left)
			}
			turn.flush()
			dropped, refused := s.out.dropped.Load(), memory.Status().Refused["outboxes"]
			if c.delivered && (to.octets-before != octets+frameHeader || dropped != 0) || !c.delivered && (to.octets != before || dropped != 1 || refused != 1) {
				t.Errorf("%s: %d bytes are sent, %d dropped, %d refused", name, to.octets-before, dropped, refused)
			}
			time.Sleep(maxPatience)
		})
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

// A publisher that waits for memory has its earlier messages written first: this may free some.
func TestWaitForMemoryFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10 << 20
		s := seated(t, wamp.CBOR, wamp.CBOR)
		opts := *s[0].realm.router.options()
		opts.Memory = budget.New(limit, slog.New(slog.DiscardHandler))
		s[0].realm.router.opts.Store(&opts)
		account, err := opts.Memory.Open(budget.Peer{Joined: true})
		if err != nil {
			t.Fatal(err)
		}
		s[1].out.account = account
		turn, first := &turn{memory: opts.Memory}, s[0].conn.(*sink)
		before, event := first.octets, eventOf(t, 20<<10)
		turn.append(&seat{session: s[0]}, event, true)
		opts.Memory.Spend(limit)
		waited := make(chan struct{})
		go func() {
			defer close(waited)
			turn.append(&seat{session: s[1]}, event, true)
		}()
		if synctest.Wait(); first.octets-before != frameHeader+len(event) {
			t.Errorf("while it waits, %d bytes are written", first.octets-before)
		}
		opts.Memory.Drop(budget.Work, limit)
		<-waited
		turn.flush()
	})
}

// Memory limits the subscriptions and registrations of a session. Their end makes room for new ones.
func TestTablesWhenMemoryIsShort(t *testing.T) {
	memory := budget.New(8<<20, slog.New(slog.DiscardHandler))
	tell(t, Options{Memory: memory}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		synctest.Wait()
		short := int(memory.Status().Limit - memory.Status().Used)
		for _, c := range []struct{ kind, answer, end, ended int }{{32, 33, 34, 35}, {64, 65, 66, 67}} {
			memory.Spend(short)
			p.say(fmt.Sprintf(`[%d,1,{},"com.a"]`, c.kind))
			p.hear(fmt.Sprintf(`[8,%d,1,{},"wamp.error.unavailable",["*"]]`, c.kind))
			memory.Drop(budget.Work, short)
			p.say(fmt.Sprintf(`[%d,2,{},"com.a"]`, c.kind))
			p.hear(fmt.Sprintf(`[%d,2,"$id%d"]`, c.answer, c.kind))
			p.say(fmt.Sprintf(`[%d,3,"$id%d"]`, c.end, c.kind))
			p.hear(fmt.Sprintf(`[%d,3]`, c.ended))
		}
		if n := memory.Status().Use["tables"]; n != 0 {
			t.Errorf("%d bytes are charged for nothing", n)
		}
	})
}

// accounted is a connection whose transport may have an account for its peer.
type accounted struct {
	sink
	account *budget.Account
}

func (c *accounted) Account() *budget.Account { return c.account }

// A session charges the account of its transport. Without one it opens its own, and closes it in the end.
func TestAccount(t *testing.T) {
	memory := budget.New(64<<20, slog.New(slog.DiscardHandler))
	r := NewRouter(Options{Memory: memory})
	account, err := memory.Open(budget.Peer{Name: "peer"})
	kit.Must(t, err)
	before := memory.Status().Used
	for _, given := range []*budget.Account{account, nil} {
		s := &session{conn: &accounted{account: given}}
		kit.Must(t, s.openAccount(r))
		if own := s.out.account != account; own != (given == nil) || (memory.Status().Used > before) != own {
			t.Errorf("account given %v: %d bytes more", given != nil, memory.Status().Used-before)
		}
		s.closeAccount()
		if memory.Status().Used != before || account.Err() != nil {
			t.Errorf("account given %v: %d bytes stay charged, %v", given != nil, memory.Status().Used-before, account.Err())
		}
	}
}
