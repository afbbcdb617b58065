package edge

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/buffers"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// bounded returns an outbox whose peer accepts messages of up to limit bytes; 0: any.
func bounded(high, limit int) *outbox {
	o := new(outbox)
	o.init(&sink{transport: wamp.Transport{Serializer: wamp.CBOR, Limit: limit}}, nil, high)
	return o
}

// eventOf returns an EVENT of the given size in bytes.
func eventOf(t *testing.T, octets int) []byte {
	t.Helper()
	m := codec.Message{Type: wamp.Event, ID: 1, Publication: 2}
	for n := octets; n > 0; n-- {
		m.Payload, _ = codec.NewPayload(wamp.CBOR, []any{make([]byte, n)}, nil)
		if data, err := codec.Append(nil, wamp.CBOR, &m); err == nil && len(data) == octets {
			return data
		}
	}
	t.Fatalf("there is no EVENT of %d bytes", octets)
	return nil
}

// replyOf returns a message that must not be dropped, after its length.
func replyOf(t *testing.T, text string) (*codec.Message, int) {
	t.Helper()
	m := &codec.Message{Type: wamp.Goodbye, Text: []byte(text)}
	data, err := codec.Append(nil, wamp.CBOR, m)
	if err != nil {
		t.Fatal(err)
	}
	return m, len(data)
}

// The longest message is as long as the peer's limit.
func TestOutboxLimit(t *testing.T) {
	m, length := replyOf(t, "wamp.close.normal")
	for _, c := range []struct {
		limit int
		long  bool
	}{{0, false}, {length + 1, false}, {length, false}, {length - 1, true}} {
		if v, _, err := bounded(1<<20, c.limit).append(m); (v == tooLong) != c.long || err != nil {
			t.Errorf("a message of %d bytes, limit %d: %v, %v", length, c.limit, v, err)
		}
		o, event := bounded(1<<20, c.limit), eventOf(t, length)
		if v, _ := o.appendEvent(new(seat), event); (v == tooLong) != c.long || (o.dropped.Load() == 1) != c.long {
			t.Errorf("an EVENT of %d bytes, limit %d: %v, %d dropped", length, c.limit, v, o.dropped.Load())
		}
		if v, _ := o.appendConfirmable(new(seat), event); (v == tooLong) != c.long {
			t.Errorf("an EVENT to be confirmed of %d bytes, limit %d: %v", length, c.limit, v)
		}
	}
}

// A read loop waits for a peer whose outbox is above its high mark, not for one that has just reached it.
func TestOutboxHighMark(t *testing.T) {
	m, length := replyOf(t, "wamp.close.normal")
	for over, want := range []bool{false, true} {
		high := length + frameHeader - over
		if _, full, _ := bounded(high, 0).append(m); full != want {
			t.Errorf("%d bytes over the mark with a reply: full %v", over, full)
		}
		if _, full := bounded(high, 0).appendEvent(new(seat), eventOf(t, length)); full != want {
			t.Errorf("%d bytes over the mark with an EVENT: full %v", over, full)
		}
		if _, full := bounded(high, 0).appendConfirmable(new(seat), eventOf(t, length)); full != want {
			t.Errorf("%d bytes over the mark with an EVENT to be confirmed: full %v", over, full)
		}
	}
}

// A large outbox is flushed before the turn ends.
func TestOutboxFlushMark(t *testing.T) {
	for over, want := range []verdict{needsFlush, flushNow} {
		if v, _ := bounded(1<<20, 0).appendEvent(new(seat), eventOf(t, flushAt-frameHeader+over)); v != want {
			t.Errorf("%d bytes over the mark: %v", over, v)
		}
	}
}

// A peer that leaves more replies unread than the hard mark allows is disconnected. One long reply may exceed it.
func TestOutboxHardMark(t *testing.T) {
	m, length := replyOf(t, "wamp.close.normal")
	for over, want := range []bool{false, true} {
		o := bounded(1000, 0)
		o.appendEvent(new(seat), eventOf(t, o.hard-length-2*frameHeader+over))
		if v, _, _ := o.append(m); (v == peerGone) != want || o.overrun != want {
			t.Errorf("%d bytes over the mark: %v", over, v)
		}
	}
	if v, _, _ := bounded(1, 0).append(m); v == peerGone {
		t.Error("the only message is too much")
	}
}

// A stalled peer gets the messages that fit below its high mark. Older EVENTs make room for a new one, but not for one
// that needs a confirmation.
func TestOutboxOfAStalledPeer(t *testing.T) {
	const high = 1000
	for _, c := range []struct {
		waits, length int
		dropped       uint64
		left          int
		confirmable   verdict
	}{
		{0, high, 0, high + frameHeader, needsFlush},
		{0, high + 1, 1, 0, peerGone},
		{96, high - 100, 0, high + frameHeader, needsFlush},
		{96, high - 99, 1, high - 99 + frameHeader, peerGone},
		{96, high, 1, high + frameHeader, peerGone},
		{96, high + 1, 2, 0, peerGone},
	} {
		for _, confirmable := range []bool{false, true} {
			o := bounded(high, 0)
			if c.waits > 0 {
				o.appendEvent(new(seat), eventOf(t, c.waits))
				o.flushing = false
			}
			o.stalled = true
			if confirmable {
				if v, full := o.appendConfirmable(new(seat), eventOf(t, c.length)); v != c.confirmable || full {
					t.Errorf("%d bytes while %d wait, to be confirmed: %v, full %v", c.length, c.waits, v, full)
				}
				continue
			}
			_, full := o.appendEvent(new(seat), eventOf(t, c.length))
			if got := o.waiting(); got != c.left || o.dropped.Load() != c.dropped || full {
				t.Errorf("%d bytes while %d wait: %d wait, %d dropped, full %v", c.length, c.waits, got, o.dropped.Load(), full)
			}
		}
	}
}

// The largest message for which an outbox takes a buffer from a stock just fits it.
func TestOutboxBuffers(t *testing.T) {
	for n, want := range map[int]int{
		1: buffers.SmallSize, buffers.SmallSize: buffers.SmallSize, buffers.SmallSize + 1: buffers.MediumSize, buffers.MediumSize: buffers.MediumSize,
		buffers.MediumSize + 1: buffers.LargeSize, buffers.LargeSize: buffers.LargeSize, buffers.LargeSize + 1: 2 * buffers.LargeSize,
	} {
		b, ok := bounded(buffers.LargeSize, 0).larger(n, false)
		if n > buffers.LargeSize {
			want = min(n+n/4, want)
		}
		if !ok || cap(b.Bytes) != want {
			t.Errorf("for %d bytes: a buffer of %d, not %d", n, cap(b.Bytes), want)
		}
		buffers.Give(b)
	}
}

// A session ends when its peer has taken all replies, or after CloseTimeout.
func TestLastRepliesAreWaitedFor(t *testing.T) {
	for _, reads := range []bool{true, false} {
		tell(t, Options{CloseTimeout: 3 * time.Second}, RealmOptions{}, func(s *story) {
			p := s.deaf(memory.Options{Buffer: 64})
			p.say(hello)
			synctest.Wait() // WELCOME does not fit the peer's buffer
			start := time.Now()
			p.sayAll(`[6,{},"wamp.close.normal"]`)
			time.Sleep(time.Second)
			if reads {
				p.listen()
			}
			<-p.ended
			if took := time.Since(start); (took < 3*time.Second) != reads {
				t.Errorf("the session ended after %v, though the peer reads: %v", took, reads)
			}
			if reads {
				p.hear(`[2,"*","*"]`, `[6,{},"wamp.close.goodbye_and_out"]`)
			}
		})
	}
}

// A peer is congested if it is stalled and has more than its high mark to read, or if more work would exceed its bound.
func TestOutboxCongested(t *testing.T) {
	event := eventOf(t, 4000)
	waits := len(event) + frameHeader
	room := 4*waits - waits - headRoom // below the bound of a peer whose high mark is what waits
	for _, c := range []struct {
		stalled         bool
		over, more      int
		congested, wait bool
	}{
		{true, 1, 0, true, false}, {true, 0, 0, false, false}, {false, 1, 0, false, true}, {false, 0, 0, false, false},
		{true, 0, room, false, false}, {true, 0, room + 1, true, false}, {false, 0, room, false, false}, {false, 0, room + 1, true, false},
	} {
		o := bounded(waits-c.over, 0)
		if o.congested(100 * waits) {
			t.Error("a message that is alone exceeds no bound")
		}
		o.appendEvent(new(seat), event)
		o.stalled = c.stalled
		if got := o.congested(c.more); got != c.congested {
			t.Errorf("stalled %v, %d bytes over the mark, %d more: congested %v", c.stalled, c.over, c.more, got)
		}
		if stalls := o.waitForRoom(0); stalls != c.wait { // a peer that is stalled already is not waited for
			t.Errorf("stalled %v, %d bytes over the mark: stalls %v", c.stalled, c.over, stalls)
		}
	}
}

// If several read loops wait for a peer without success, one of them stalls it.
func TestPeerStallsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := replyOf(t, "wamp.close.normal")
		o := bounded(1, 0)
		o.append(m)
		var stalls atomic.Int32
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() {
				if o.waitForRoom(maxPatience) {
					stalls.Add(1)
				}
			})
		}
		if waiting.Wait(); stalls.Load() != 1 {
			t.Errorf("the peer is stalled %d times", stalls.Load())
		}
	})
}
