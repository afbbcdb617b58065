package payload

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// The texts of header fields are taken up to their bounds.
func TestBoundsOfFields(t *testing.T) {
	hop := func(session uint64, text string) string {
		return Hops([]client.Hop{{Session: session, Authid: text, Authrole: text, Node: text, Tag: text}})
	}
	list := func(n int) string { return Hops(make([]client.Hop, n)) }
	for name, c := range map[string]struct {
		text string
		want int // hops; -1: invalid
	}{
		"no text":      {"", 0},
		"empty list":   {"[]", 0},
		"most hops":    {list(maxHops), maxHops},
		"too many":     {list(maxHops + 1), -1},
		"longest text": {hop(1, strings.Repeat("a", maxText)), 1},
		"too long":     {hop(1, strings.Repeat("a", maxText+1)), -1},
		"largest id":   {hop(wamp.MaxID, ""), 1},
		"too large":    {hop(wamp.MaxID+1, ""), -1},
		"a later one":  {`[[1,"a","b","c","d"],[1,"a","b","c"]]`, -1},
		"two lists":    {`[],[]`, -1},
	} {
		if way, ok := ParseHops(c.text); ok != (c.want >= 0) || len(way) != max(c.want, 0) {
			t.Errorf("%s: %d hops, %v", name, len(way), ok)
		}
	}
	for text, want := range map[string]time.Time{
		"0": time.UnixMilli(0), "1": time.UnixMilli(1), strconv.Itoa(lastTime): time.UnixMilli(lastTime), strconv.Itoa(lastTime + 1): {}, "-1": {}, "": {},
	} {
		if got := ParseTime(text); !got.Equal(want) {
			t.Errorf("time %q: %v, not %v", text, got, want)
		}
	}
	if got := Time(time.UnixMilli(-5)); got != "0" {
		t.Errorf("a time before 1970: %q", got)
	}
	for d, want := range map[time.Duration]string{-1: "", 0: "", 1: "1", 1999 * time.Microsecond: "1", 2 * time.Millisecond: "2"} {
		if got := Timeout(d); got != want {
			t.Errorf("timeout %v: %q, not %q", d, got, want)
		}
	}
	for text, want := range map[string]time.Duration{"2147483647": 2147483647 * time.Millisecond, "2147483648": 0, "-1": 0, "": 0} {
		if got := ParseTimeout(text); got != want {
			t.Errorf("timeout %q: %v, not %v", text, got, want)
		}
	}
	for text, want := range map[string]string{"a ~é": "a ~é", "a\x1fb\x7fc": "a b c", "\t": " "} {
		if got := Value(text); got != want {
			t.Errorf("value %q: %q, not %q", text, got, want)
		}
	}
}

// The text of nodes is taken up to its bounds.
func TestBoundsOfNodes(t *testing.T) {
	longest := strings.Repeat("n", maxText)
	for name, want := range map[string]bool{"": false, "n": true, longest: true, longest + "n": false, "a b": true, "a\nb": false, "a\x7f": false} {
		if ValidNode(name) != want {
			t.Errorf("node %.20q is valid: %v", name, !want)
		}
	}
	shards := []Shard{{Pattern: wamp.Pattern{URI: "com.a"}}, {Pattern: wamp.Pattern{URI: "com.b"}}}
	text, fit := EncodeNodes(shards)
	if got, ok := DecodeNodes(text); fit != 2 || !ok || len(got) != 2 || len(got[0].Nodes) != 0 {
		t.Errorf("%s: %v, %v", text, got, ok)
	}
	padded := append(text, []byte(strings.Repeat(" ", MaxNodes-len(text)))...)
	if _, ok := DecodeNodes(padded); !ok {
		t.Error("a text of the largest size is invalid")
	}
	if _, ok := DecodeNodes(append(padded, ' ')); ok {
		t.Error("a larger text is valid")
	}
	for _, text := range []string{`[["com.a"]]`, `[["com.a","exact",7]]`, `[["com.a","near"]]`, `[["com..a","exact"]]`, `[["com.a","exact"],["com.a"]]`, `[["com.a","exact",""]]`, `{}`} {
		if got, ok := DecodeNodes([]byte(text)); ok {
			t.Errorf("%s: %v", text, got)
		}
	}
	// A shard fits if its text, a comma and the end of the list do.
	one, _ := EncodeNodes([]Shard{{Pattern: wamp.Pattern{URI: "com.a"}, Nodes: []string{""}}})
	for size, want := range map[int]int{MaxNodes - len(one) - 1: 1, MaxNodes - len(one): 0} {
		if text, fit := EncodeNodes([]Shard{{Pattern: wamp.Pattern{URI: "com.a"}, Nodes: []string{strings.Repeat("n", size)}}}); fit != want || len(text) > MaxNodes {
			t.Errorf("a node of %d bytes: %d fit into %d", size, fit, len(text))
		}
	}
}

// A payload that its Content-Type does not describe is invalid.
func TestPayloadsWithoutForm(t *testing.T) {
	for _, c := range [][2]string{
		{"application/json", " "}, {"application/json", "1,2"}, {"application/json", "1] [2"}, {"application/cbor", "\x01\x02"}, {"application/msgpack", "\x01\x02"},
	} {
		if p, err := Decode(c[0], []byte(c[1])); err == nil {
			t.Errorf("Decode(%q, %q) = %s", c[0], c[1], p.Raw)
		}
	}
	if data, err := Encode(codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: []byte{0x81}}, wamp.JSON); err == nil {
		t.Errorf("a damaged payload becomes %s", data)
	}
}
