package edge

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// sink is a connection that accepts all writes at once and never sends.
type sink struct {
	transport wamp.Transport
	octets    int
}

func (c *sink) ReadMessage() ([]byte, bool, error) { return nil, false, io.EOF }
func (c *sink) Write(batch []byte, wait bool) (int, error) {
	c.octets += len(batch)
	return len(batch), nil
}
func (c *sink) Close() error               { return nil }
func (c *sink) Transport() *wamp.Transport { return &c.transport }

// seated returns sessions of one realm whose connections are sinks.
func seated(t testing.TB, serializers ...wamp.Serializer) []*session {
	r := NewRouter(Options{Log: slog.New(slog.DiscardHandler)})
	if err := r.AddRealm(openRealm()); err != nil {
		t.Fatal(err)
	}
	var list []*session
	for _, serializer := range serializers {
		conn := &sink{transport: wamp.Transport{Serializer: serializer}}
		var m codec.Message
		codec.Parse(wamp.JSON, []byte(helloAll), &m)
		data, err := codec.Append(nil, serializer, &m)
		if err != nil {
			t.Fatal(err)
		}
		s := r.newSession(conn)
		if err := r.admit(s, data); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

func encode(t testing.TB, s wamp.Serializer, text string) []byte {
	var m codec.Message
	if err := codec.Parse(wamp.JSON, []byte(text), &m); err != nil {
		t.Fatal(err)
	}
	data, err := codec.Append(nil, s, &m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const published = `[16,239714735,{},"bench.topic.a",["0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"]]`

// way returns a function that takes one PUBLISH from the wire to the subscribers' wires.
func way(t testing.TB, serializers ...wamp.Serializer) func() {
	list := seated(t, serializers...)
	turn := turns.New().(*turn)
	for _, s := range list[1:] {
		if err := s.handle(turn, encode(t, s.serializer, `[32,1,{},"bench.topic.a"]`)); err != nil {
			t.Fatal(err)
		}
	}
	pub, data := list[0], encode(t, list[0].serializer, published)
	return func() {
		if err := pub.handle(turn, data); err != nil {
			t.Fatal(err)
		}
		turn.flush()
	}
}

// From the parsed message to the subscribers' connections, PUBLISH allocates nothing.
func TestPublishDoesNotAllocate(t *testing.T) {
	if kit.Race {
		t.Skip("the race detector allocates")
	}
	for _, s := range wamp.Serializers {
		if n := testing.AllocsPerRun(1000, way(t, s, s, s)); n != 0 {
			t.Errorf("%v: %v allocations", s, n)
		}
	}
	many := slices.Repeat([]wamp.Serializer{wamp.CBOR}, 1001)
	if n := testing.AllocsPerRun(100, way(t, many...)); n != 0 {
		t.Errorf("1000 subscribers: %v allocations", n)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, s := range wamp.Serializers {
		b.Run(s.String(), func(b *testing.B) { benchmark(b, way(b, s, s)) })
		b.Run(s.String()+"/10 subscribers", func(b *testing.B) {
			benchmark(b, way(b, s, s, s, s, s, s, s, s, s, s, s))
		})
	}
	b.Run("cbor to json", func(b *testing.B) { benchmark(b, way(b, wamp.CBOR, wamp.JSON)) })
	b.Run("json to cbor", func(b *testing.B) { benchmark(b, way(b, wamp.JSON, wamp.CBOR)) })
}

// BenchmarkSubscribe takes a SUBSCRIBE and its UNSUBSCRIBE from the wire to the answers, in a realm with many subscriptions.
func BenchmarkSubscribe(b *testing.B) {
	for _, match := range []string{"exact", "prefix", "wildcard"} {
		for _, others := range []int{0, 1_000, 200_000} {
			b.Run(fmt.Sprintf("%s/%d", match, others), func(b *testing.B) {
				sessions := seated(b, slices.Repeat([]wamp.Serializer{wamp.CBOR}, 1+others/9_000)...)
				turn := turns.New().(*turn)
				subscribe := func(s *session, i int) (topic string) {
					topic = fmt.Sprintf("bench.%d.topic.%d", i%100, i)
					if match == "wildcard" {
						topic = fmt.Sprintf("bench..topic.%d", i)
					}
					if err := s.handle(turn, encode(b, wamp.CBOR, fmt.Sprintf(`[32,%d,{"match":%q},%q]`, i+1, match, topic))); err != nil {
						b.Fatal(err)
					}
					turn.flush()
					return topic
				}
				for i := range others {
					subscribe(sessions[i%len(sessions)], i)
				}
				m, _ := wamp.ParseMatch(match)
				s, i := sessions[0], others
				benchmark(b, func() {
					topic := subscribe(s, i)
					sub, _ := s.realm.topics.Get(m, topic)
					if err := s.handle(turn, encode(b, wamp.CBOR, fmt.Sprintf("[34,%d,%d]", i+2, sub.id))); err != nil {
						b.Fatal(err)
					}
					turn.flush()
					i++
				})
			})
		}
	}
}

// callAndYield returns a function that takes a CALL to its callee and the YIELD back. The callee does not reroute calls.
func callAndYield(t testing.TB, s wamp.Serializer) func() {
	list := seated(t, s, s)
	turn := turns.New().(*turn)
	caller, callee := list[0], list[1]
	callee.features &^= calleeReroute
	if err := callee.handle(turn, encode(t, s, `[64,1,{},"bench.proc"]`)); err != nil {
		t.Fatal(err)
	}
	call := encode(t, s, `[48,1,{},"bench.proc",["x"]]`)
	yield := codec.Message{Type: wamp.Yield}
	var data []byte
	return func() {
		if err := caller.handle(turn, call); err != nil {
			t.Fatal(err)
		}
		yield.Request = callee.lastInvocation
		data, _ = codec.Append(data[:0], s, &yield)
		if err := callee.handle(turn, data); err != nil {
			t.Fatal(err)
		}
		turn.flush()
	}
}

// From CALL to RESULT, nothing is allocated.
func TestCallDoesNotAllocate(t *testing.T) {
	if kit.Race {
		t.Skip("the race detector allocates")
	}
	for _, s := range wamp.Serializers {
		if n := testing.AllocsPerRun(1000, callAndYield(t, s)); n != 0 {
			t.Errorf("%v: %v allocations", s, n)
		}
	}
}

// The records of ended calls do not keep a session that has ended.
func TestEndedCallsKeepNoSession(t *testing.T) {
	list := seated(t, wamp.CBOR, wamp.CBOR)
	list[0].features &^= calleeReroute
	turn := turns.New().(*turn)
	for i, text := range []string{`[64,1,{},"bench.proc"]`, `[48,1,{},"bench.proc"]`, `[70,1,{}]`} {
		if err := list[i%2].handle(turn, encode(t, wamp.CBOR, text)); err != nil {
			t.Fatal(err)
		}
	}
	m := list[0].realm
	if n := len(m.pending.unused); n != 1 {
		t.Errorf("%d records to be used again, not 1", n)
	}
	if m.remove(list[1]); len(m.pending.unused) != 0 {
		t.Error("a record of an ended session is kept")
	}
}

func BenchmarkCall(b *testing.B) {
	for _, s := range wamp.Serializers {
		b.Run(s.String(), func(b *testing.B) { benchmark(b, callAndYield(b, s)) })
	}
}

func benchmark(b *testing.B, run func()) {
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
}
