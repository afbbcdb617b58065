package nats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/wamp"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/nats/payload"
	"runnel/uplink/spool"
)

// An older value of a key is never written after a newer one, whether it waits in the spool or not.
func TestPuts(t *testing.T) {
	send := func(p *puts, key, origin string, again bool) bool {
		sent, _ := p.send(&value{topic: key, key: key, origin: origin}, again, func() error { return nil })
		return sent
	}
	finish := func(p *puts, key, origin string, stored, keep bool) (newest, kept bool) {
		var by func()
		if keep {
			by = func() { kept = true }
		}
		return p.finish(&value{key: key, origin: origin}, stored, by), kept
	}
	t.Run("in order", func(t *testing.T) {
		p := &puts{}
		if !send(p, "a", "1", false) || !send(p, "a", "2", false) {
			t.Error("a value is not sent")
		}
		if newest, kept := finish(p, "a", "1", false, true); newest || kept {
			t.Error("an older value is kept")
		}
		if newest, kept := finish(p, "a", "2", false, true); !newest || !kept {
			t.Error("the newest value is not kept")
		}
		if send(p, "a", "1", true) {
			t.Error("an older value is sent again")
		}
		if !send(p, "a", "2", true) {
			t.Error("the newest value is not sent again")
		}
		if newest, _ := finish(p, "a", "2", true, false); !newest {
			t.Error("the newest value is not the newest")
		}
		if len(p.keys) != 0 {
			t.Errorf("%d keys are left", len(p.keys))
		}
	})
	t.Run("another key", func(t *testing.T) {
		p := &puts{}
		send(p, "a", "2", false)
		if !send(p, "b", "1", true) {
			t.Error("the value of another key is not sent")
		}
	})
	t.Run("in the spool", func(t *testing.T) {
		p := &puts{}
		v := func(origin string) *value { return &value{key: "a", origin: origin} }
		if !p.noteInSpool(v("1"), false) || !p.noteInSpool(v("2"), false) || p.noteInSpool(v("1"), true) {
			t.Error("the newest value is not the one that waits")
		}
		if !send(p, "a", "3", false) {
			t.Error("a newer value is not sent")
		}
		finish(p, "a", "3", true, false)
		if len(p.keys) != 1 || send(p, "a", "2", true) {
			t.Error("the value in the spool is written after a newer one")
		}
		if len(p.keys) != 0 {
			t.Errorf("%d keys are left", len(p.keys))
		}
	})
	t.Run("too many keys", func(t *testing.T) {
		p := &puts{}
		for i := range maxKeys + 1 {
			send(p, fmt.Sprint(i), "1", false)
		}
		if len(p.keys) != maxKeys {
			t.Errorf("%d keys", len(p.keys))
		}
		if newest, kept := finish(p, fmt.Sprint(maxKeys), "1", false, true); !newest || !kept {
			t.Error("the value of a key that is not tracked is lost")
		}
	})
	t.Run("error", func(t *testing.T) {
		p, failed := &puts{}, errors.New("failed")
		if sent, err := p.send(&value{key: "a"}, false, func() error { return failed }); !sent || err != failed {
			t.Errorf("%v, %v", sent, err)
		}
	})
}

// Values wait in memory one a topic, within bounds.
func TestValuesInMemory(t *testing.T) {
	p := &puts{}
	event := func(topic string, size int) *spool.Event {
		e := &spool.Event{Topic: topic, Options: []byte("o")}
		e.Payload.Raw = make([]byte, size-1)
		return e
	}
	for i, c := range []struct {
		topic string
		size  int
		want  bool
	}{
		{"a", maxParkedBytes, true}, {"a", 1, true}, {"b", maxParkedBytes, false}, {"b", maxParkedBytes - 1, true}, {"c", 1, false}, {"b", 9, true}, {"c", 1, true},
	} {
		if got := p.keepInMemory(event(c.topic, c.size)); got != c.want {
			t.Errorf("%d: %s of %d bytes: %v", i, c.topic, c.size, got)
		}
	}
	if list := p.takeFromMemory(); len(list) != 3 || len(p.takeFromMemory()) != 0 || p.bytes != 0 {
		t.Errorf("%d values, %d bytes", len(list), p.bytes)
	}
	for i := range maxParked {
		p.keepInMemory(event(fmt.Sprint(i), 1))
	}
	if p.keepInMemory(event("one more", 1)) || !p.keepInMemory(event("0", 2)) {
		t.Error("the number of values is not bounded, or its bound holds for known topics")
	}
}

// A value that is sent no longer waits in memory.
func TestSentValueLeavesMemory(t *testing.T) {
	p := &puts{}
	for _, topic := range []string{"a", "b"} {
		p.keepInMemory(&spool.Event{Topic: bucketMark + topic, Options: []byte("o")})
	}
	p.send(&value{topic: "a", key: "a"}, false, func() error { return nil })
	if list := p.takeFromMemory(); len(list) != 1 || list[bucketMark+"b"].Topic == "" {
		t.Errorf("%d values wait", len(list))
	}
}

// The realm lacks the first and each later revision of a key. A bucket that was created again begins anew.
func TestLatest(t *testing.T) {
	l, born := &latest{}, time.UnixMilli(1)
	for i, c := range []struct {
		e    jetstream.Entry
		want bool
	}{
		{jetstream.Entry{Key: "a", Revision: 5, Born: born}, true},
		{jetstream.Entry{Key: "a", Revision: 5, Born: born}, false},
		{jetstream.Entry{Key: "a", Revision: 4, Born: born}, false},
		{jetstream.Entry{Key: "b", Revision: 1, Born: born}, true},
		{jetstream.Entry{Key: "a", Revision: 6, Born: born}, true},
		{jetstream.Entry{Key: "a", Revision: 1, Born: born.Add(1)}, true},
		{jetstream.Entry{Key: "a", Revision: 1, Born: born.Add(1)}, false},
	} {
		if got := l.newer(&c.e); got != c.want {
			t.Errorf("%d: %+v: %v", i, c.e, got)
		}
	}
	for i := range maxKeys - 1 {
		l.newer(&jetstream.Entry{Key: fmt.Sprint(i), Revision: 1, Born: born.Add(1)})
	}
	if l.newer(&jetstream.Entry{Key: "more", Revision: 1, Born: born.Add(1)}) || !l.newer(&jetstream.Entry{Key: "a", Revision: 2, Born: born.Add(1)}) {
		t.Error("the number of keys is not bounded, or its bound holds for known keys")
	}
}

// Only a retained event has a value, if there is a bucket. It waits under its own topic and keeps its origin.
func TestValues(t *testing.T) {
	header := conn.Header(nil).Add(payload.RetainField, "true").Add(payload.OriginField, "1.2.n")
	e := &spool.Event{Topic: "com.t", Class: spool.Memory, Time: time.Now()}
	for name, c := range map[string]struct {
		bucket string
		gap    *spool.Gap
		h      conn.Header
		want   bool
	}{
		"retained":  {"b", nil, header, true},
		"no bucket": {"", nil, header, false},
		"gap":       {"b", &spool.Gap{}, header, false},
		"other":     {"b", nil, nil, false},
	} {
		l := testLink(t, Options{Bucket: c.bucket})
		event := *e
		event.Gap = c.gap
		v := l.value(&event, "com.t", &conn.Out{Header: c.h})
		if (v != nil) != c.want {
			t.Errorf("%s: %+v", name, v)
		}
		if v == nil {
			continue
		}
		again := v.again()
		if again.Class != spool.Disk || again.Topic != bucketMark+"com.t" || string(conn.Header(again.Options).Get(payload.OriginField)) != "1.2.n" {
			t.Errorf("%s: it waits as %+v", name, again)
		}
		event.Class, event.Options = spool.Durable, header
		if again = v.again(); again.Class != spool.Durable || string(again.Options) != string(header) {
			t.Errorf("%s: it waits as %+v", name, again)
		}
	}
}

// The nodes of the other links come and go with their announcements.
func TestLearnShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := func(uri string, nodes ...string) []byte {
			text, _ := payload.EncodeNodes([]payload.Shard{{Pattern: wamp.Pattern{URI: uri}, Nodes: nodes}})
			return text
		}
		none, _ := payload.EncodeNodes(nil)
		a := wamp.Pattern{URI: "com.a"}
		h := &shards{}
		check := func(what string, got, want bool, shared bool) {
			t.Helper()
			if got != want || h.shares(a, "here") != shared {
				t.Errorf("%s: %v; shared %v", what, got, !shared)
			}
		}
		check("nothing", h.learn("L", "r", none), false, false)
		check("damaged", h.learn("L", "r", []byte("{")), false, false)
		check("first", h.learn("L", "r", text("com.a", "n1")), true, true)
		check("the same", h.learn("L", "r", text("com.a", "n1")), false, true)
		check("another router", h.learn("L", "r2", text("com.a", "n1")), true, true)
		check("damaged again", h.learn("L", "r2", []byte("{")), false, true)
		check("no more", h.learn("L", "r2", none), true, false)
		check("gone already", h.drop("L"), false, false)
		h.learn("L", "r", text("com.a", "n1"))
		check("drop", h.drop("L"), true, false)
		h.learn("L", "r", text("com.a", "n1"))
		time.Sleep(time.Minute)
		h.learn("M", "r", text("com.b", "n2"))
		check("not yet", h.expire(time.Minute+1), false, true)
		check("expired", h.expire(time.Minute), true, false)
		check("none left", h.expire(time.Minute), false, false)
		check("all", h.expire(0), true, false)
		// The announcements that are kept are bounded, in number and in bytes.
		for i := range maxPeers {
			h.learn(fmt.Sprint(i), "r", text("com.b", "n"))
		}
		check("too many", h.learn("L", "r", text("com.a", "n1")), false, false)
		h.drop("0")
		check("room again", h.learn("L", "r", text("com.a", "n1")), true, true)
		h.expire(0)
		long := text("com.b", slices.Repeat([]string{strings.Repeat("n", 200)}, 300)...)
		for i := range maxAnnounced / len(long) {
			if !h.learn(fmt.Sprint(i), "r", long) {
				t.Errorf("%d announcements do not fit", 1+i)
			}
		}
		check("too long", h.learn("L", "r", long), false, false)
	})
}

// A call goes to the node with the greatest weight; of equal nodes, to that of the first router and link.
func TestChooseShards(t *testing.T) {
	text, _ := payload.EncodeNodes([]payload.Shard{{Pattern: wamp.Pattern{URI: "com.a"}, Nodes: []string{"n1", "n2"}}, {Pattern: wamp.Pattern{URI: "com.", Match: wamp.Prefix}, Nodes: []string{"n3"}}})
	h := &shards{}
	if news, left := h.set(nil); news || left != 0 {
		t.Error("no nodes are news")
	}
	if _, ok := h.choose("com.a", "key", "here"); ok {
		t.Error("a node without any")
	}
	h.learn("M", "r", text)
	h.learn("L", "r", text)
	own := map[wamp.Pattern][]string{{URI: "com.a"}: {"n4", "n1", "n4"}}
	if news, left := h.set(own); !news || left != 0 {
		t.Errorf("news %v, %d left", news, left)
	}
	if news, _ := h.set(map[wamp.Pattern][]string{{URI: "com.a"}: {"n4", "n1"}}); news {
		t.Error("the same nodes are news")
	}
	for i := range 200 {
		key := fmt.Sprint(i)
		node := "n1"
		for _, n := range []string{"n2", "n4"} {
			if wamp.Weigh(n, key) > wamp.Weigh(node, key) {
				node = n
			}
		}
		for here, want := range map[string]map[string]place{
			"here": {"n1": {"n1", "here", ""}, "n2": {"n2", "r", "L"}, "n4": {"n4", "here", ""}},
			"s":    {"n1": {"n1", "r", "L"}, "n2": {"n2", "r", "L"}, "n4": {"n4", "s", ""}},
		} {
			h.known = nil
			if got, ok := h.choose("com.a", key, here); !ok || got != want[node] {
				t.Errorf("key %s at %s goes to %+v, not %+v", key, here, got, want[node])
			}
		}
	}
	if got, ok := h.choose("com.b", "key", "here"); !ok || got != (place{"n3", "r", "L"}) {
		t.Errorf("the prefix leads to %+v", got)
	}
	if _, ok := h.choose("org.a", "key", "here"); ok {
		t.Error("a node for another procedure")
	}
	// Beyond this router are the nodes that the others would choose there.
	for here, want := range map[string]string{"here": "map[{com. prefix}:[n3 n3] {com.a exact}:[n2 n2]]", "s": "map[{com. prefix}:[n3 n3] {com.a exact}:[n1 n1 n2 n2]]"} {
		if got := fmt.Sprint(h.beyond(here)); got != want {
			t.Errorf("beyond %s: %s, not %s", here, got, want)
		}
	}
	if news, _ := h.set(nil); !news {
		t.Error("the end of the own nodes is no news")
	}
	if got := h.beyond("here"); len(got) != 0 {
		t.Errorf("%v without a pattern of its own", got)
	}
	many := map[wamp.Pattern][]string{}
	for i := range 1000 {
		many[wamp.Pattern{URI: fmt.Sprintf("com.p%03d", i)}] = []string{strings.Repeat("n", 200)}
	}
	news, left := h.set(many)
	if _, ok := h.choose("com.p000", "key", "here"); !news || left == 0 || !ok {
		t.Errorf("%d do not fit", left)
	}
	if got, _ := h.choose("com.p999", "key", "here"); got.link == "" {
		t.Errorf("a node that is not announced is chosen: %+v", got)
	}
}

// The name of a link is one token of a subject, of capital letters and digits.
func TestIsLink(t *testing.T) {
	longest := strings.Repeat("A", 64)
	for name, want := range map[string]bool{"": false, "AZ09": true, longest: true, longest + "A": false, "a": false, "A.B": false, "@": false, "[": false, "/": false, ":": false} {
		if isLink(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
