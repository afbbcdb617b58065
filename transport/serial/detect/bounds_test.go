package detect

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"runnel/transport/serial/modbus"
)

// A share of the lines decides about their kind. The first line may be partial.
func TestShares(t *testing.T) {
	lines := func(first string, counts map[string]int) string {
		text := first + "\n"
		for line, n := range counts {
			text += strings.Repeat(line+"\n", n)
		}
		return text
	}
	const word = "Hello, this is the gateway of the plant!"
	for _, c := range []struct {
		name   string
		octets string
		kind   Kind
		sure   bool
	}{
		{"lists", lines("x", map[string]int{"[1]": 2}), JSON, false}, {"broken JSON", lines("x", map[string]int{`{"a":1`: 3}), Text, true},
		{"nine pairs of ten", lines("x", map[string]int{"T=21.5": 9, word: 1}), KeyValue, true}, {"eight", lines("x", map[string]int{"T=21.5": 8, word: 2}), Text, true},
		{"two lines", lines("x", map[string]int{word: enough - 1}), Text, false}, {"three", lines("x", map[string]int{word: enough}), Text, true},
		{"one line", word + "\n", Text, false}, {"none", word, Unreadable, false},
		{"one handshake", "\x7f\xf3\x00\x00", RawSocket, true}, {"another serializer", "\x7f\xf0\x00\x00", Unreadable, false}, {"a part of it", "\x7f\xf3\x00", Unreadable, false},
	} {
		if g := Identify([]byte(c.octets), nil); g.Kind != c.kind || g.Sure != c.sure || g.Octets != len(c.octets) {
			t.Errorf("%s: %v, sure %v; want %v, %v", c.name, g, g.Sure, c.kind, c.sure)
		}
	}
}

// Each request of a Modbus master is kept once, up to a limit.
func TestRequestsAreBounded(t *testing.T) {
	many := ""
	for n := range maxRequests + 5 {
		b := []byte{1, 3, 0, byte(n), 0, 1}
		many += strings.Repeat(string(binary.LittleEndian.AppendUint16(b, modbus.CRC(b))), 2)
	}
	g := Identify([]byte(many), nil)
	if g.Kind != Modbus || len(g.Requests) != maxRequests || g.Requests[maxRequests-1].Address != maxRequests-1 {
		t.Errorf("%v with %d requests: %+v", g, len(g.Requests), g.Requests)
	}
}

// A sure guess of a better kind, or of more pieces, wins. Only some kinds are final.
func TestGuesses(t *testing.T) {
	for i, c := range []struct {
		a, b Guess
		want bool // a is better
	}{
		{Guess{Kind: Text, Sure: true}, Guess{Kind: JSON}, true}, {Guess{Kind: JSON}, Guess{Kind: Text, Sure: true}, false}, {Guess{Kind: JSON}, Guess{Kind: Text}, true},
		{Guess{Kind: Text}, Guess{Kind: JSON}, false}, {Guess{Kind: Text, Pieces: 2}, Guess{Kind: Text, Pieces: 1}, true}, {Guess{Kind: Text, Pieces: 1}, Guess{Kind: Text, Pieces: 1}, false},
	} {
		if c.a.better(c.b) != c.want {
			t.Errorf("%d: %+v is better than %+v: %v", i, c.a, c.b, !c.want)
		}
	}
	final := ""
	for kind := Silence; kind <= Link; kind++ {
		if (Guess{Kind: kind}).final() {
			t.Errorf("%v is final, though not sure", kind)
		}
		if (Guess{Kind: kind, Sure: true}).final() {
			final += fmt.Sprint(kind, ", ")
		}
	}
	if want := fmt.Sprint(JSON, ", ", NMEA, ", ", Known, ", ", RawSocket, ", ", Link, ", "); !strings.HasPrefix(final, "lines of JSON, NMEA 0183, ") || strings.Count(final, ",") != strings.Count(want, ",") {
		t.Errorf("final: %s", final)
	}
}
