package ear

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"runnel/edge/wamp"
	"runnel/transport/serial/hdlc"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

// Kind is what a line speaks.
type Kind uint8

const (
	Silence   Kind = iota // nothing at all
	Nonsense              // octets that make no sense: another baud rate, or something unknown
	Text                  // lines of text
	JSON                  // lines of JSON
	CSV                   // lines of values with commas between, of the same number each
	NMEA                  // sentences of NMEA 0183, with checksums that are right
	Modbus                // frames of Modbus RTU
	RawSocket             // a peer that wants to speak WAMP, without a link
	Link                  // frames of the link
)

var kindNames = []string{"silence", "octets that make no sense", "text", "lines of JSON", "lines of CSV", "NMEA 0183", "Modbus RTU", "RawSocket (framing none)", "the link (framing hdlc)"}

func (k Kind) String() string { return kindNames[k] }

// Guess is what octets look like.
type Guess struct {
	Kind   Kind
	Sure   bool // what was heard can hardly be anything else
	Octets int
	Pieces int    // frames, sentences or lines
	Sample string // one of them
	Values int    // of CSV: how many in a line
}

// enough is how many lines of text have to make sense.
const enough = 3

// Look says what octets look like.
func Look(octets []byte) Guess {
	if len(octets) == 0 {
		return Guess{}
	}
	for _, look := range []func([]byte) Guess{frames, handshake, text, telegrams} {
		if g := look(octets); g.Kind != Silence {
			g.Octets = len(octets)
			return g
		}
	}
	return Guess{Kind: Nonsense, Octets: len(octets)}
}

func frames(octets []byte) (g Guess) {
	d := hdlc.NewDecoder(lapb.MaxInfo)
	for _, b := range octets {
		if f, ok := d.Push(b); ok {
			g.Kind, g.Sure, g.Sample = Link, true, lapb.Describe(f)
			g.Pieces++
		}
	}
	return g
}

// handshake looks for RawSocket's: 7F, limits and serializer, 0, 0.
func handshake(octets []byte) (g Guess) {
	for rest := octets; len(rest) >= 4; rest = rest[1:] {
		if rest[0] == 0x7F && wamp.Serializer(rest[1]&0x0F).Known() && rest[2] == 0 && rest[3] == 0 {
			g.Kind, g.Sure, g.Sample = RawSocket, true, string(rest[:4])
			g.Pieces++
		}
	}
	return g
}

// telegrams looks for frames of Modbus, which have to be most of what there is.
func telegrams(octets []byte) (g Guess) {
	covered := 0
	for rest := octets; len(rest) > 0; {
		n := modbus.Scan(rest)
		if n == 0 {
			rest = rest[1:]
			continue
		}
		g.Sample = modbus.Describe(rest[:n])
		g.Pieces++
		covered += n
		rest = rest[n:]
	}
	if g.Pieces < 2 || 2*covered < len(octets) {
		return Guess{}
	}
	g.Kind, g.Sure = Modbus, g.Pieces >= enough
	return g
}

// text looks for lines. The first may be half of one, the last too.
func text(octets []byte) (g Guess) {
	octets = bytes.ReplaceAll(octets, []byte{0}, nil)
	all := bytes.FieldsFunc(octets, func(r rune) bool { return r == '\r' || r == '\n' })
	if !bytes.ContainsAny(octets, "\r\n") || !legible(octets) {
		return g
	}
	if len(all) > 0 && octets[len(octets)-1] != '\r' && octets[len(octets)-1] != '\n' {
		all = all[:len(all)-1]
	}
	if len(all) > 1 {
		all = all[1:]
	}
	if len(all) == 0 {
		return g
	}
	g.Kind, g.Pieces, g.Sample = Text, len(all), lines.Excerpt(all[len(all)-1])
	g.Sure = len(all) >= enough
	g.Values = 1 + strings.Count(string(all[0]), ",")
	sentences, values, same := 0, 0, g.Values > 1
	for _, line := range all {
		if lines.Sentence(string(line)) {
			sentences++
		} else if line[0] == '{' && lines.Valid(line) {
			values++
		}
		same = same && 1+bytes.Count(line, []byte{','}) == g.Values
	}
	switch {
	case sentences > 0:
		g.Kind, g.Sure = NMEA, true
	case 2*values >= len(all):
		g.Kind = JSON
	case same && len(all) >= 2:
		g.Kind = CSV
	}
	return g
}

// legible reports whether octets are text but for one in 32: a line breaks now and then.
func legible(octets []byte) bool {
	bad, total := 0, 0
	for len(octets) > 0 {
		r, n := utf8.DecodeRune(octets)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) && !unicode.IsSpace(r) && r != '\x1b' {
			bad++
		}
		total++
		octets = octets[n:]
	}
	return total >= 4 && 32*bad <= total
}
