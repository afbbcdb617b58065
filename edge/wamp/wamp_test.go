package wamp

import (
	"maps"
	"strconv"
	"strings"
	"testing"
)

func TestValidURI(t *testing.T) {
	long := strings.Repeat("a", MaxURI)
	for _, c := range []struct {
		uri    string
		match  Match
		strict bool
		want   bool
	}{
		{"com.example.topic", Exact, false, true},
		{"com.example.topic", Exact, true, true},
		{"single", Exact, true, true},
		{long, Exact, true, true},
		{long + "a", Exact, false, false},
		{"com.Example-2.tópic", Exact, false, true},
		{"com.Example", Exact, true, false},
		{"com.example-2", Exact, true, false},
		{"", Exact, false, false},
		{".", Exact, false, false},
		{"com..topic", Exact, false, false},
		{".com", Exact, false, false},
		{"com.", Exact, false, false},
		{"com.a b", Exact, false, false},
		{"com.a\tb", Exact, false, false},
		{"com.a\x00b", Exact, false, false},
		{"com.a\x7fb", Exact, false, false},
		{"com.a!b", Exact, false, true},
		{"com.#", Exact, false, false},
		{"com.example.", Prefix, true, true},
		{"com.exa", Prefix, true, true},
		{"", Prefix, false, true},
		{"com..a", Prefix, false, false},
		{"com..topic", Wildcard, true, true},
		{"..", Wildcard, true, true},
		{"", Wildcard, false, true},
		{"com.. a", Wildcard, false, false},
	} {
		if got := ValidURI(c.uri, c.match, c.strict); got != c.want {
			t.Errorf("ValidURI(%.40q, %v, strict %v) = %v", c.uri, c.match, c.strict, got)
		}
		if got := ValidURI([]byte(c.uri), c.match, c.strict); got != c.want {
			t.Errorf("ValidURI([]byte(%.40q), %v, strict %v) = %v", c.uri, c.match, c.strict, got)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		match        Match
		pattern, uri string
		want         bool
	}{
		{Exact, "com.a", "com.a", true},
		{Exact, "com.a", "com.a.b", false},
		{Prefix, "com.myapp.topic.emergency", "com.myapp.topic.emergency-low", true}, // characters, not components
		{Prefix, "com.a.", "com.a", false},
		{Prefix, "", "com.a", true},
		{Wildcard, "com.myapp..userevent", "com.myapp.foo.userevent", true},
		{Wildcard, "com.myapp..userevent", "com.myapp.foo.bar.userevent", false},
		{Wildcard, "com.myapp..", "com.myapp.a.b", true},
		{Wildcard, "com.myapp..", "com.myapp.a", false},
		{Wildcard, "..", "a.b.c", true},
		{Wildcard, "", "a", true},
		{Wildcard, "", "a.b", false},
	} {
		if got := c.match.Matches(c.pattern, c.uri); got != c.want {
			t.Errorf("%v %q matches %q: %v", c.match, c.pattern, c.uri, got)
		}
	}
}

func TestReserved(t *testing.T) {
	for uri, want := range map[string]bool{"wamp": true, "wamp.session.on_join": true, "wampum.a": false, "com.wamp": false, "wam": false} {
		if Reserved(uri) != want {
			t.Errorf("Reserved(%q) = %v", uri, !want)
		}
	}
}

func TestOfNode(t *testing.T) {
	for uri, want := range map[string]bool{"runnel.": true, "runnel.status": true, "runnel": false, "runnels.a": false, "com.runnel.a": false} {
		if OfNode(uri) != want {
			t.Errorf("OfNode(%q) = %v", uri, !want)
		}
	}
}

func TestIDs(t *testing.T) {
	for id, want := range map[uint64]bool{0: false, 1: true, MaxID: true, MaxID + 1: false, 1<<64 - 1: false} {
		if ValidID(id) != want {
			t.Errorf("ValidID(%d) = %v", id, !want)
		}
	}
	if NextID(0) != 1 || NextID(7) != 8 || NextID(MaxID) != 1 {
		t.Error("NextID does not count 1, 2, 3 ... 2^53, 1")
	}
	for range 1000 {
		if id := NewID(); !ValidID(id) {
			t.Fatalf("NewID() = %d", id)
		}
	}
}

func TestNames(t *testing.T) {
	for _, s := range Serializers {
		if got, ok := ParseSerializer(s.String()); !ok || got != s || !s.Known() {
			t.Errorf("serializer %v does not read back", s)
		}
	}
	for _, name := range matchNames {
		if m, ok := ParseMatch(name); !ok || m.String() != name {
			t.Errorf("match policy %q does not read back", name)
		}
	}
	for _, name := range invokeNames {
		if i, ok := ParseInvoke(name); !ok || i.String() != name {
			t.Errorf("invocation policy %q does not read back", name)
		}
	}
	for _, name := range cancelNames {
		if m, ok := ParseCancelMode(name); !ok || m.String() != name {
			t.Errorf("cancel mode %q does not read back", name)
		}
	}
	if s, ok := ParseSerializer("ubjson"); ok || s.Known() || s.String() != "no serializer" || (CBOR + 1).Known() {
		t.Errorf(`"ubjson" is taken for %v`, s)
	}
	m, matchOK := ParseMatch("")
	i, invokeOK := ParseInvoke("")
	c, cancelOK := ParseCancelMode("")
	if !matchOK || m != Exact || !invokeOK || i != Single || !cancelOK || c != KillNoWait {
		t.Errorf("the policies without a name are %v, %v and %v", m, i, c)
	}
	if _, ok := ParseMatch("regex"); ok {
		t.Error(`"regex" is taken for a match policy`)
	}
	for typ, want := range map[Type]string{Publish: "PUBLISH", EventReceived: "EVENT_RECEIVED", 99: "message 99"} {
		if got := typ.String(); got != want {
			t.Errorf("message %d is called %q, not %q", typ, got, want)
		}
	}
	if !IsCanceled("wamp.error.cancelled") || !IsCanceled(Canceled.Error()) || IsCanceled("wamp.error.timeout") {
		t.Error("IsCanceled")
	}
}

// Only the options of PUBLISH that describe a message of MQTT are passed on unchanged.
func TestIsNote(t *testing.T) {
	for key, want := range map[string]bool{KeyQoS: true, KeyProperties: true, KeyTTL: false, KeyRetain: false, "": false} {
		if IsNote([]byte(key)) != want {
			t.Errorf("IsNote(%q) = %v", key, !want)
		}
	}
}

// Routers of different releases must choose the same node for a key: the weights do not change. Each node is chosen for its
// share of the keys.
func TestWeigh(t *testing.T) {
	for key, want := range map[[2]string]uint64{
		{"edge-1", "meter.17"}: 0xc6103f0625f711dd,
		{"edge-1", "meter.18"}: 0x13ca444b9da2fa0e,
		{"edge-2", "meter.17"}: 0x8c8a3914f3157017,
		{"edge-", "1meter.17"}: 0x957d7244e54f5c90,
		{"", ""}:               0x9091d60726574ae6,
	} {
		if got := Weigh(key[0], key[1]); got != want {
			t.Errorf("%q: %#x, not %#x", key, got, want)
		}
	}
	chosen := map[int]int{}
	for key := range 1000 {
		best := 0
		for node := range 4 {
			if Weigh(strconv.Itoa(node), strconv.Itoa(key)) > Weigh(strconv.Itoa(best), strconv.Itoa(key)) {
				best = node
			}
		}
		chosen[best]++
	}
	for node := range 4 {
		if n := chosen[node]; n < 200 || n > 300 {
			t.Errorf("node %d has %d of 1000 keys", node, n)
		}
	}
}

// A call has the options of sharding if it has a resource key.
func TestSharding(t *testing.T) {
	if got := Sharding(""); got != nil {
		t.Errorf("without a key: %v", got)
	}
	if got := Sharding("a"); len(got) != 2 || got["runmode"] != "partition" || got["rkey"] != "a" {
		t.Errorf("with a key: %v", got)
	}
}

// The details of a session name the client only if the peer speaks MQTT.
func TestTransportDetails(t *testing.T) {
	transport := Transport{Serializer: JSON, Protocol: "mqtt", Network: "tcp", Listener: "tcp://:1883", Remote: "10.0.0.7:4711"}
	want := map[string]any{"protocol": "mqtt", "network": "tcp", "serializer": "json", "listener": "tcp://:1883", "peer": "10.0.0.7:4711"}
	if got := transport.Details(); !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	transport.Client, want["client_id"] = "meter-17", "meter-17"
	if got := transport.Details(); !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

func TestComponent(t *testing.T) {
	for name, want := range map[string]string{"central": "central", "Gate-1.x": "gate_1_x", "über #1": "_ber__1", "azAZ09": "azaz09", "@[`{/:": "______"} {
		if got := Component(name); got != want || !ValidURI(got, Exact, true) {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}
