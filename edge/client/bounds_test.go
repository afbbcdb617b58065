package client

import (
	"context"
	"testing"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Waiting events are accepted up to the last byte of the bound, and always if no other event waits.
func TestRoomForTheLastByte(t *testing.T) {
	c := New(Options{EventBuffer: 100})
	s := newSession(c, &sink{})
	for _, of := range []struct {
		holds, more int
		full        bool
	}{{0, 1000, false}, {40, 60, false}, {40, 61, true}, {100, 1, true}, {100, 0, false}} {
		if k := (&call{session: s, size: of.holds}); k.full(of.more) != of.full {
			t.Errorf("progressive results: %d more than %d bytes are too much: %v", of.more, of.holds, !of.full)
		}
		if inv := (&Invocation{session: s, chunks: &chunks{size: of.holds}}); inv.full(of.more) != of.full {
			t.Errorf("chunks: %d more than %d bytes are too much: %v", of.more, of.holds, !of.full)
		}
		q := newEventQueue(c.opts)
		if q.size = of.holds; q.full(of.more) != of.full {
			t.Errorf("events: %d more than %d bytes are too much: %v", of.more, of.holds, !of.full)
		}
	}
	inv := &Invocation{}
	for more, want := range []bool{true, false} {
		p := newHandlerPool(Options{EventBuffer: 5 * inv.size()})
		p.size = 4*inv.size() + more
		if p.submit(inv) != want {
			t.Errorf("an invocation waits though it is %d bytes too long: %v", more, !want)
		}
	}
}

// A chunk takes events until it is full, and chunks of ordinary size are used again.
func TestChunks(t *testing.T) {
	q := newEventQueue(Options{})
	first := q.chunkFor(chunkSize)
	first.bytes = make([]byte, 100, 2*chunkSize)
	if q.chunkFor(chunkSize-100) != first || q.chunkFor(chunkSize-99) == first {
		t.Error("a chunk has more room than it should, or less")
	}
	q.recycle(first)
	q.recycle(&chunk{bytes: make([]byte, 0, 2*chunkSize+1)})
	if len(q.free) != 1 {
		t.Errorf("%d chunks are kept", len(q.free))
	}
	for range 2 * keptChunks {
		q.recycle(new(chunk))
	}
	if len(q.free) != keptChunks {
		t.Errorf("%d chunks are kept", len(q.free))
	}
}

// A queue that drops events does so until half of it is free.
func TestDroppingEnds(t *testing.T) {
	for left, dropping := range map[int]bool{50: false, 51: true} {
		q := newEventQueue(Options{EventBuffer: 100})
		q.size, q.dropping = left+10, true
		if q.handled(10); q.dropping != dropping {
			t.Errorf("%d of 100 bytes wait, and events are dropped: %v", left, q.dropping)
		}
	}
}

func TestEventTime(t *testing.T) {
	for ms, known := range map[uint64]bool{0: true, lastTime: true, lastTime + 1: false} {
		d, err := codec.NewDict(wamp.CBOR, map[string]any{wamp.KeyTime: ms})
		if err != nil {
			t.Fatal(err)
		}
		e := Event{Body: Body{Details: d}}
		if got := e.Time(); known && got.UnixMilli() != int64(ms) || !known && !got.IsZero() {
			t.Errorf("%d ms: %v", ms, got)
		}
	}
	for _, c := range []struct {
		at   time.Time
		sent bool
	}{{time.Time{}, false}, {time.UnixMilli(-1), false}, {time.UnixMilli(0), true}, {time.UnixMilli(7), true}} {
		d, err := (&PublishOptions{Time: c.at, Retain: true}).dict(wamp.CBOR)
		if ms, ok := field(d, wamp.KeyTime).Uint(); err != nil || ok != c.sent || ok && int64(ms) != c.at.UnixMilli() {
			t.Errorf("%v is sent as %d, %v", c.at, ms, ok)
		}
	}
}

func TestExtensions(t *testing.T) {
	for code, want := range map[codec.UnknownType]bool{255: false, 256: true, 1023: true, 1024: false} {
		if isExtension(code) != want {
			t.Errorf("message type %d is an extension: %v", code, !want)
		}
	}
}

// The longest message is as long as the router's limit, and senders wait for room when the bound is reached.
func TestOutgoingBounds(t *testing.T) {
	m := &outbound{Message: codec.Message{Type: wamp.Publish}, text: "com.example.topic"}
	free := newOutgoing(&sink{}, 1<<20, nil)
	if err := free.append(m); err != nil {
		t.Fatal(err)
	}
	length := len(free.batch) - frameHeader
	for over, want := range []bool{true, false} {
		o := newOutgoing(&sink{}, 1<<20, nil)
		o.limit = length - over
		if err := o.append(m); (err == nil) != want {
			t.Errorf("a message that is %d bytes too long: %v", over, err)
		}
		if err := o.sendAlone(m); (err == nil) != want {
			t.Errorf("a message alone that is %d bytes too long: %v", over, err)
		}
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for waits, want := range map[int]bool{99: false, 100: true} {
		o := newOutgoing(&sink{}, 100, nil)
		o.batch = make([]byte, waits)
		o.mu.Lock()
		if err := o.waitForRoom(done); (err != nil) != want {
			t.Errorf("%d of 100 bytes are to be written: %v", waits, err)
		}
		o.mu.Unlock()
	}
}

// A large buffer is released when everything is written.
func TestOutgoingBuffers(t *testing.T) {
	for _, c := range []struct {
		octets, more int
		kept         bool
	}{{keptBuffer, 0, true}, {keptBuffer + 1, 0, false}, {keptBuffer + 1, 1, true}} {
		o := newOutgoing(&sink{}, 1<<20, nil)
		o.flight, o.batch = make([]byte, c.octets), make([]byte, c.more)
		if o.advance(c.octets, nil); (o.spare != nil) != c.kept {
			t.Errorf("a buffer of %d bytes while %d more wait is kept: %v", c.octets, c.more, o.spare != nil)
		}
	}
}

func TestResetBackoff(t *testing.T) {
	c := New(Options{})
	c.backoff = Reconnect{Min: time.Second, Max: time.Hour}.Backoff()
	for range 20 {
		c.backoff.Next()
	}
	c.backoff.start = c.backoff.start.Add(-time.Hour) // of a long outage
	if c.ResetBackoff(); c.backoff.Next() > time.Second {
		t.Error("the first pause is longer than the shortest one")
	}
}

// The limits of the cost of SCRAM for a client.
func TestSCRAMCost(t *testing.T) {
	for _, c := range []struct {
		kdf                string
		iterations, memory int
		ok                 bool
	}{
		{"argon2id13", maxArgon2Iterations, maxArgon2Memory, true}, {"argon2id13", 1, maxArgon2Memory + 1, false},
		{"argon2id13", 1, 8, true}, {"pbkdf2", maxIterations, 0, true}, {"pbkdf2", maxIterations + 1, 0, false},
	} {
		_, err := readCost(dict(t, map[string]any{"kdf": c.kdf, "salt": "c2FsdA==", "iterations": c.iterations, "memory": c.memory}))
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
