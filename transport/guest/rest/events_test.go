package rest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// A stream has the events of its topics, those of the same client too, in one line each.
func TestStream(t *testing.T) {
	s := newStage(t, Options{})
	s.expect("retained", s.ask("POST", "/publish/com.example.a?retain", "[0]"), 200, "*")
	lines, stop := s.follow("/events/com.example.?match=prefix")
	only, _ := s.follow("/events/com.example.a?retained")
	if line := kit.Receive(t, "retained event", only); !strings.HasSuffix(line, `"retained":true,"args":[0]}`) {
		t.Error(line)
	}
	s.expect("publish", s.ask("POST", "/publish/com.example.a", "[1,\n\"two\\n\"\r]"), 200, "*")
	s.expect("publish", s.ask("POST", "/publish/com.example.b?disclose_me", `{"k":1}`), 200, "*")
	for _, want := range []string{`data: {"topic":"com.example.a","publication":`, `data: {"topic":"com.example.b","publication":`} {
		if line := kit.Receive(t, "event", lines); !strings.HasPrefix(line, want) {
			t.Errorf("%s; want %s", line, want)
		}
	}
	if line := kit.Receive(t, "event", only); !strings.HasSuffix(line, `,"args":[1, "two\n" ]}`) {
		t.Error(line)
	}
	if n := s.server.State().Streams; n != 2 {
		t.Errorf("%d streams", n)
	}
	stop()
	kit.Eventually(t, "the stream ends", func() bool { return s.server.State().Streams == 1 })
}

// A stream of a durable subscription continues after the event that the client had last, whether the router knows that the
// client had it or not.
func TestResume(t *testing.T) {
	s := newStage(t, Options{})
	lines, stop := s.follow("/events/com.example.a?durable=log")
	var ids []string
	publish := func(from, to int) {
		for i := from; i <= to; i++ {
			s.expect("publish", s.ask("POST", "/publish/com.example.a", fmt.Sprintf("[%d]", i)), 200, "*")
		}
	}
	expect := func(from, to int) {
		t.Helper()
		for i := from; i <= to; i++ {
			ids = append(ids, strings.TrimPrefix(kit.Receive(t, "id", lines), "id: "))
			if line := kit.Receive(t, "event", lines); !strings.HasSuffix(line, fmt.Sprintf(`"args":[%d]}`, i)) {
				t.Fatalf("event %d: %s", i, line)
			}
		}
	}
	publish(1, 5)
	expect(1, 5)
	stop() // it has processed two of them
	publish(6, 7)
	lines, _ = s.follow("/events/com.example.a?durable=log", "Last-Event-ID: "+ids[1])
	expect(3, 7)
	// Another stream of the same client takes its place, without losing an event.
	last := ids[len(ids)-1]
	lines, stop = s.follow("/events/com.example.a?durable=log", "Last-Event-ID: "+last)
	publish(8, 9)
	expect(8, 9)
	kit.Eventually(t, "one stream is left", func() bool { return s.server.State().Streams == 1 })
	stop()
	lines, stop = s.follow("/events/com.example.a?durable=log", "Last-Event-ID: 1-1000000") // of an earlier subscription of this name
	expect(8, 9)
	stop()
	for _, id := range []string{"x", "7", "-7", "7-", "7-x"} {
		s.expect("id "+id, s.ask("GET", "/events/com.example.a?durable=log", "", "Last-Event-ID: "+id), 400, "*Last-Event-ID*")
	}
	s.expect("name", s.ask("GET", "/events/com.example.a?durable=a%20b", ""), 400, "*")
	s.expect("no data", s.ask("GET", "/events/com.example.a?durable=log&realm=closed", "", "Authorization: Bearer ann:secret"), 503, "*data directory*")
}

// Without the client's confirmation, all recent events are sent again.
func TestResumeWithoutID(t *testing.T) {
	s := newStage(t, Options{})
	for i, path := range []string{"/events/com.example.a?durable=log", "/events/com.example.a?durable=log"} {
		lines, stop := s.follow(path)
		if i == 0 {
			s.expect("publish", s.ask("POST", "/publish/com.example.a", "[1]"), 200, "*")
		}
		kit.Receive(t, "id", lines)
		kit.Receive(t, "event", lines)
		stop()
	}
}

// A stream acknowledges the oldest events when many more have been written. Without an id the next stream begins after
// them.
func TestManyEventsAreAcknowledged(t *testing.T) {
	s := newStage(t, Options{})
	lines, stop := s.follow("/events/com.example.a?durable=log")
	peer := s.local()
	for i := range durableHold + 10 {
		kit.Must(t, peer.Publish(t.Context(), "com.example.a", client.PublishOptions{}, client.Args(i)))
	}
	for range durableHold + 10 {
		kit.Receive(t, "id", lines)
		kit.Receive(t, "event", lines)
	}
	stop()
	lines, _ = s.follow("/events/com.example.a?durable=log")
	kit.Receive(t, "id", lines)
	if line := kit.Receive(t, "event", lines); !strings.HasSuffix(line, `"args":[9]}`) && !strings.HasSuffix(line, `"args":[10]}`) { // the stream may end before it counts the last one
		t.Error(line)
	}
}

// Old events are acknowledged, and the oldest of too many, in order.
func TestAcknowledge(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		what             string
		old, young, left int
	}{
		{"none", 0, 0, 0}, {"young", 0, 3, 3}, {"some old", 2, 3, 3}, {"all old", 3, 0, 0}, {"as many as are held", 0, durableHold, durableHold},
		{"too many", 0, durableHold + 2, durableHold}, {"too many, and old ones", 5, durableHold - 1, durableHold - 1},
	} {
		var s stream
		for i := range c.old + c.young {
			at := now.Add(-durableAge)
			if i < c.old {
				at = at.Add(-1)
			}
			s.sent = append(s.sent, written{new(client.Event), at})
		}
		want := slices.Clone(s.sent[len(s.sent)-c.left:])
		if s.acknowledge(now); !slices.Equal(s.sent, want) {
			t.Errorf("%s: %d are left of %d", c.what, len(s.sent), c.old+c.young)
		}
	}
}

// An event of a failed stream is an error, and is not acknowledged. The same applies to an event that the client
// already has.
func TestEventOfAFailedStream(t *testing.T) {
	failure := errors.New("broken pipe")
	for position := range uint64(4) {
		s := stream{failed: failure, last: place{1, 2}, epoch: 1}
		details, err := codec.NewDict(wamp.CBOR, map[string]any{wamp.KeyPosition: position})
		kit.Must(t, err)
		if err := s.sendDurable(&client.Event{Body: client.Body{Details: details}}); err != failure || len(s.sent) != 0 {
			t.Errorf("position %d: %v", position, err)
		}
	}
}

// A stream ends with its session.
func TestStreamOfAKilledSession(t *testing.T) {
	s := newStage(t, Options{})
	s.follow("/events/com.example.a")
	s.router.CloseSessions(isHTTP, "wamp.close.killed", "")
	kit.Eventually(t, "the stream ends", func() bool { return s.server.State().Streams == 0 })
}
