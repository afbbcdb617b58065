package stories

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
)

const floodTopic = "story.flood"

// publication returns one PUBLISH of the flood: its number and 128 octets.
func publication(t *testing.T, n int) []byte {
	t.Helper()
	payload, err := codec.NewPayload(wamp.CBOR, []any{n, make([]byte, 128)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := codec.Message{Type: wamp.Publish, Request: wamp.ID(n + 1), Text: []byte(floodTopic), Payload: payload}
	batch, err := codec.Append(make([]byte, 4), wamp.CBOR, &m)
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(batch, uint32(len(batch)-4))
	return batch
}

// flood publishes n events from its own session. It waits before an event while ahead returns true.
func flood(t *testing.T, r *router, n int, ahead func(sent int) bool) {
	t.Helper()
	conn := rawSession(t, r.tcp)
	var batch []byte
	for i := range n {
		batch = append(batch, publication(t, i)...)
		if len(batch) < 16<<10 && i < n-1 {
			continue
		}
		if _, err := conn.Write(batch, true); err != nil {
			t.Fatal(err)
		}
		batch = batch[:0]
		if ahead(i + 1) {
			kit.Eventually(t, "the subscribers", func() bool { return !ahead(i + 1) })
		}
	}
}

// rawSession joins over a connection of its own and returns it.
func rawSession(t *testing.T, url string) transport.Conn {
	t.Helper()
	conn, err := transport.Dial(t.Context(), url, transport.DialOptions{Serializer: wamp.CBOR})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	say(t, conn, `[1,"realm1",{"roles":{"publisher":{},"subscriber":{}}}]`)
	if m := next(t, conn); m.Type != wamp.Welcome {
		t.Fatalf("no WELCOME but %v", m.Type)
	}
	return conn
}

func say(t *testing.T, conn transport.Conn, text string) {
	t.Helper()
	var m codec.Message
	if err := codec.Parse(wamp.JSON, []byte(text), &m); err != nil {
		t.Fatal(err)
	}
	batch, err := codec.Append(make([]byte, 4), wamp.CBOR, &m)
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(batch, uint32(len(batch)-4))
	if _, err := conn.Write(batch, true); err != nil {
		t.Fatal(err)
	}
}

// next reads one message, which is valid until the next one is read.
func next(t *testing.T, conn transport.Conn) (m codec.Message) {
	t.Helper()
	data, _, err := conn.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	if err := codec.Parse(wamp.CBOR, data, &m); err != nil {
		t.Fatalf("the stream is broken: %v", err)
	}
	return m
}

// number returns the number of an EVENT in the flood.
func number(t *testing.T, m *codec.Message) int {
	t.Helper()
	args, _, err := m.Payload.Decode()
	if err != nil {
		t.Fatal(err)
	}
	n, ok := args[0].(int64)
	if !ok {
		t.Fatalf("argument %v", args[0])
	}
	return int(n)
}

// counting subscribes and counts the events, which must arrive in order and without a gap.
func counting(t *testing.T, r *router) *atomic.Int64 {
	t.Helper()
	count := new(atomic.Int64)
	_, err := connect(t, r.tcp).Subscribe(t.Context(), floodTopic, client.SubscribeOptions{}, func(e *client.Event) {
		if n, _ := e.Args()[0].(int64); n != count.Load() {
			t.Errorf("event %d came where %d was next", n, count.Load())
		}
		count.Add(1)
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func slowest(counts []*atomic.Int64) int64 {
	least := counts[0].Load()
	for _, c := range counts[1:] {
		least = min(least, c.Load())
	}
	return least
}

// A thousand messages are in flight to each of ten subscribers. None is lost, and all arrive in order.
func TestFlood(t *testing.T) {
	r := serve(t, "")
	var counts []*atomic.Int64
	for range 10 {
		counts = append(counts, counting(t, r))
	}
	const n, window = 20_000, 1000
	flood(t, r, n, func(sent int) bool { return int64(sent)-slowest(counts) >= window })
	kit.Eventually(t, "all events", func() bool { return slowest(counts) == n })
	if m := resident(t, r); m > 200<<20 {
		t.Errorf("the router has grown to %d octets", m)
	}
	if s := routerStatus(t, r); s.Drops != 0 || s.Stalls != 0 {
		t.Errorf("%d events were dropped, %d peers stalled", s.Drops, s.Stalls)
	}
}

// A subscriber that stops reading does not delay the others. Its lost events are counted and logged. When it reads again, it
// gets whole messages in order.
func TestSubscriberThatStopsReading(t *testing.T) {
	r := serve(t, "")
	quick := []*atomic.Int64{counting(t, r), counting(t, r)}
	stuck := rawSession(t, r.tcp)
	say(t, stuck, `[32,1,{},"`+floodTopic+`"]`)
	if m := next(t, stuck); m.Type != wamp.Subscribed {
		t.Fatalf("no SUBSCRIBED but %v", m.Type)
	}
	const n, window = 100_000, 1000 // some 17 MB: more than the sockets' buffers and the outbox hold
	flood(t, r, n, func(sent int) bool { return int64(sent)-slowest(quick) >= window })
	kit.Eventually(t, "all events at those who read", func() bool { return slowest(quick) == n })
	r.logs(`msg="peer reads too slowly; dropping its oldest events`)
	if m := resident(t, r); m > 200<<20 {
		t.Errorf("the router has grown to %d octets", m)
	}

	got, last := 0, -1
	for last < n-1 {
		m := next(t, stuck)
		if m.Type != wamp.Event {
			t.Fatalf("no EVENT but %v", m.Type)
		}
		if k := number(t, &m); k <= last {
			t.Fatalf("event %d came after %d", k, last)
		} else {
			last = k
		}
		got++
	}
	lost := r.logs(`msg="slow peer has caught up; events were dropped" .*total=(\d+)`)[1]
	if fmt.Sprint(n-got) != lost {
		t.Errorf("%d of %d events came, and %s are reported lost", got, n, lost)
	}
	if s := routerStatus(t, r); fmt.Sprint(s.Drops) != lost || s.Stalls == 0 {
		t.Errorf("status: %d dropped, %d stalls; the log: %s lost", s.Drops, s.Stalls, lost)
	}
}

// drops holds the counters for slow peers in a router's status.
type drops struct{ Drops, Stalls uint64 }

func routerStatus(t *testing.T, r *router) drops {
	t.Helper()
	var report struct{ Router drops }
	r.status(t, &report)
	return report.Router
}
