package edge

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/buffers"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// flood publishes n numbered events of about 130 bytes, in batches of 100.
func flood(pub *peer, topic string, n int) {
	var batch []string
	for i := range n {
		batch = append(batch, fmt.Sprintf(`[16,%d,{},%q,[%d,%q]]`, i+1, topic, i, strings.Repeat("x", 100)))
		if len(batch) == 100 || i == n-1 {
			pub.sayAll(batch...)
			batch = batch[:0]
		}
	}
}

// mute joins and subscribes, and then stops reading.
func mute(s *story, topic string) *peer {
	p := s.deaf(memory.Options{Buffer: 4096})
	p.say(hello)
	p.say(`[32,1,{},"` + topic + `"]`)
	synctest.Wait()
	return p
}

// catchUp reads everything that waits for a deaf peer. It returns the number of EVENTs and the first argument of the
// last one.
func (p *peer) catchUp() (events int, last string) {
	if p.heard == nil {
		p.listen()
	}
	for synctest.Wait(); len(p.heard) > 0; synctest.Wait() {
		if m, _ := decode(p.T, <-p.heard).([]any); fmt.Sprint(m[0]) == "36" {
			events, last = events+1, fmt.Sprint(m[4].([]any)[0])
		}
	}
	return events, last
}

// out returns the outbox of the only deaf peer.
func (p *peer) out() *outbox {
	for _, s := range p.router.realms["realm1"].sessions() {
		if s.conn.Transport() == p.conn.Transport() {
			return &s.out
		}
	}
	p.Fatal("the peer has no session")
	return nil
}

// A subscriber that stops reading delays the others by one bounded wait. Its oldest events are dropped and counted. It
// receives complete messages in order.
func TestSlowSubscriber(t *testing.T) {
	tell(t, Options{OutboxBytes: 16 << 10}, RealmOptions{}, func(s *story) {
		slow := mute(s, "com.a")
		quick, pub := s.join(hello), s.join(hello)
		quick.say(`[32,1,{},"com.a"]`)
		quick.hear(`[33,1,"$sub"]`)
		const n = 5000
		start := time.Now()
		flood(pub, "com.a", n)
		for i := range n {
			quick.hear(fmt.Sprintf(`[36,"$sub","*",{},[%d,"*"]]`, i))
		}
		if waited := time.Since(start); waited != maxPatience {
			t.Errorf("the others waited %v", waited)
		}
		status := s.router.Status()
		if status.Stalls != 1 || status.Events != 2*n {
			t.Errorf("%+v", status)
		}
		out := slow.out()
		out.mu.Lock()
		have := out.waiting()
		out.mu.Unlock()
		if have > 17<<10 {
			t.Errorf("%d octets wait for the slow peer", have)
		}
		got, last := slow.catchUp()
		synctest.Wait()
		if lost := int(out.dropped.Load()); lost == 0 || got+lost != n || last != fmt.Sprint(n-1) {
			t.Errorf("the slow peer got %d events up to %s and lost %d of %d", got, last, lost, n)
		}
		if drops := s.router.Status().Drops; drops != out.dropped.Load() {
			t.Errorf("%d drops are reported, %d were", drops, out.dropped.Load())
		}
		pub.say(`[16,9999,{},"com.a",["again"]]`) // after it has caught up, it is treated like any other peer
		if got, last := slow.catchUp(); got != 1 || last != "again" {
			t.Errorf("after catching up the peer got %d events, %s", got, last)
		}
	})
}

// A peer that stalls again and again delays the others less each time, until it has read for a long time.
func TestPatienceShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		stallWithin := func(limit time.Duration) time.Duration {
			o.buf, o.high, o.stalled = &buffers.Buffer{Bytes: make([]byte, 2)}, 1, false
			start := time.Now()
			o.waitForRoom(limit)
			if !o.stalled {
				t.Fatal("the wait did not run out")
			}
			return time.Since(start)
		}
		stall := func() time.Duration { return stallWithin(maxPatience) }
		for range 3 {
			stallWithin(minPatience) // a wait shorter than the patience takes none of it
		}
		for _, want := range []time.Duration{maxPatience, maxPatience / 2, maxPatience / 4} {
			if waited := stall(); waited != want {
				t.Errorf("waited %v, want %v", waited, want)
			}
		}
		for range 10 {
			stall()
		}
		if waited := stall(); waited != minPatience {
			t.Errorf("a peer that never behaves is waited for %v", waited)
		}
		time.Sleep(10 * forgiveness)
		if waited := stall(); waited != maxPatience {
			t.Errorf("a peer that behaved for long is waited for %v", waited)
		}
	})
}

// A peer that does not read its replies is disconnected, and only that one.
func TestRepliesAreNotDropped(t *testing.T) {
	tell(t, Options{OutboxBytes: 4 << 10}, RealmOptions{}, func(s *story) {
		rude := s.deaf(memory.Options{Buffer: 1024})
		rude.say(hello)
		other := s.join(hello)
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			for i := range 2000 { // the ERRORs are never read
				text := fmt.Sprintf(`[48,%d,{},"com.missing"]`, i+1)
				var m codec.Message
				codec.Parse(wamp.JSON, []byte(text), &m)
				data, _ := codec.Append([]byte{0, 0, 0, 0}, wamp.CBOR, &m)
				data[3] = byte(len(data) - 4)
				if _, err := rude.conn.Write(data, true); err != nil {
					return
				}
			}
		}()
		if err := <-rude.ended; err == nil {
			t.Error("Serve returns nil")
		}
		<-asked
		other.say(`[32,1,{},"com.a"]`)
		other.hear(`[33,1,"*"]`)
	})
}

// A callee that does not read its invocations is not disconnected. Its callers get errors.
func TestCongestedCallee(t *testing.T) {
	tell(t, Options{OutboxBytes: 4 << 10}, RealmOptions{}, func(s *story) {
		callee := s.deaf(memory.Options{Buffer: 1024})
		callee.say(hello)
		callee.say(`[64,1,{},"com.x"]`)
		synctest.Wait()
		caller := s.join(hello)
		var calls []string
		for i := range 300 {
			calls = append(calls, fmt.Sprintf(`[48,%d,{},"com.x",["%s"]]`, i+1, strings.Repeat("x", 100)))
		}
		caller.sayAll(calls...)
		caller.hear(`[8,48,"*",{},"wamp.error.unavailable",["the callee does not keep up with its invocations"]]`)
		if len(callee.ended) > 0 {
			t.Error("the callee was cut")
		}
	})
}

func TestMessageTooLongForTheReceiver(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		small := s.limited(memory.Options{}, 2000)
		small.listen()
		small.say(hello)
		small.hear(`[2,"*","*"]`)
		big := s.join(hello)
		small.say(`[64,1,{},"com.x"]`)
		small.say(`[32,2,{},"com.a"]`)
		small.hear(`[65,1,"*"]`, `[33,2,"*"]`)
		long := strings.Repeat("x", 3000)
		big.say(`[48,1,{},"com.x",["` + long + `"]]`)
		big.hear(`[8,48,1,{},"wamp.error.payload_size_exceeded",["*"]]`)
		big.say(`[16,2,{"acknowledge":true},"com.a",["` + long + `"]]`)
		big.hear(`[17,2,"*"]`)
		small.silent()

		big.say(`[64,3,{},"com.y"]`)
		big.hear(`[65,3,"*"]`)
		small.say(`[48,1,{},"com.y"]`)
		big.hear(`[68,1,"*",{}]`)
		big.say(`[70,1,{},["` + long + `"]]`)
		small.hear(`[8,48,1,{},"wamp.error.payload_size_exceeded",["*"]]`)
	})
}

// A device that accepts only short messages gets a WELCOME within its limit, or an error.
func TestWelcomeForShortMessages(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		short := s.limited(memory.Options{}, 512)
		short.listen()
		short.say(hello)
		short.hear(`[2,"*",{"roles":{"broker":{},"dealer":{}},"agent":"*","realm":"realm1","authid":"*","authrole":"*","authmethod":"*","authprovider":"*"}]`)
		short.say(`[32,1,{},"com.a"]`)
		short.hear(`[33,1,"*"]`)
		shorter := s.limited(memory.Options{}, 100)
		shorter.listen()
		shorter.say(hello)
		shorter.hear(`[3,"*","wamp.error.payload_size_exceeded"]`)
	})
}

// Messages that may not be dropped are inspected once, and not again for each event that finds no room.
func TestDropEventsGoesOn(t *testing.T) {
	s := &session{}
	ours, theirs := memory.Pipe(memory.Options{Serializer: wamp.JSON})
	defer ours.Close()
	defer theirs.Close()
	const high = 1000
	s.out.init(theirs, s, high)
	o := &s.out
	o.stalled, o.writing, o.flushing = true, true, true
	place := &seat{session: s}
	asking := func(n int) []byte { return fmt.Appendf(nil, `[36,1,%d,{"_confirm":true}]`, n) }
	plain := func(n int) []byte { return fmt.Appendf(nil, `[36,1,%d,{}]`, n) }
	asked := 0
	for ; ; asked++ {
		if v, _ := o.appendConfirmable(place, asking(asked+1)); v == peerGone {
			break
		}
	}
	for n := range 100 {
		o.appendEvent(place, plain(n+1))
	}
	if got := o.dropped.Load(); got != 100 && got != 99 {
		t.Errorf("%d events are dropped", got)
	}
	left := 0
	for buf := o.buf.Bytes; len(buf) > 0; left++ {
		buf = buf[frameHeader+int(binary.BigEndian.Uint32(buf)):]
	}
	if left < asked || left > asked+1 {
		t.Errorf("%d messages are left of %d that may not be dropped", left, asked)
	}
	if o.kept < high/4 {
		t.Errorf("it would begin at %d again", o.kept)
	}
	o.mu.Lock()
	buffers.Give(o.take())
	o.mu.Unlock()
	if o.kept != 0 {
		t.Errorf("in an empty buffer it would begin at %d", o.kept)
	}
}
