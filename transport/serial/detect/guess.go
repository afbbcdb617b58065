package detect

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

// Kind is the protocol on a line.
type Kind uint8

const (
	Silence    Kind = iota // nothing at all
	Unreadable             // unreadable bytes: a wrong baud rate or an unknown protocol
	Text                   // lines of text
	JSON                   // lines of JSON
	CSV                    // lines with equal numbers of comma-separated values
	NMEA                   // sentences of NMEA 0183 with valid checksums
	Modbus                 // frames of Modbus RTU
	RawSocket              // a peer that opens RawSocket without the link
	Link                   // frames of the link
)

var kindNames = []string{"silence", "unreadable bytes", "text", "lines of JSON", "lines of CSV", "NMEA 0183", "Modbus RTU", "RawSocket (framing none)", "the link (framing hdlc)"}

func (k Kind) String() string { return kindNames[k] }

// Guess is the likely protocol of received bytes.
type Guess struct {
	Kind   Kind
	Sure   bool // another protocol is very unlikely
	Octets int
	Pieces int    // number of frames, sentences or lines
	Sample string // one of them
	Values int    // CSV: values per line
}

// enough is how many pieces make a guess sure.
const enough = 3

// Identify guesses the protocol of received bytes.
func Identify(octets []byte) Guess {
	if len(octets) == 0 {
		return Guess{}
	}
	for _, look := range []func([]byte) Guess{frames, handshake, text, telegrams} {
		if g := look(octets); g.Kind != Silence {
			g.Octets = len(octets)
			return g
		}
	}
	return Guess{Kind: Unreadable, Octets: len(octets)}
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

// handshake looks for a RawSocket handshake: 7F, limits and serializer, 0, 0.
func handshake(octets []byte) (g Guess) {
	for rest := octets; len(rest) >= 4; rest = rest[1:] {
		if rest[0] == 0x7F && wamp.Serializer(rest[1]&0x0F).Known() && rest[2] == 0 && rest[3] == 0 {
			g.Kind, g.Sure, g.Sample = RawSocket, true, string(rest[:4])
			g.Pieces++
		}
	}
	return g
}

// telegrams looks for Modbus frames, which must cover most of the input.
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

// text looks for lines. The first and the last may be incomplete.
func text(octets []byte) (g Guess) {
	octets = bytes.ReplaceAll(octets, []byte{0}, nil)
	all := bytes.FieldsFunc(octets, func(r rune) bool { return r == '\r' || r == '\n' })
	if !bytes.ContainsAny(octets, "\r\n") || !legible(octets) {
		return g
	}
	if last := octets[len(octets)-1]; last != '\r' && last != '\n' {
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

// legible reports whether at most one in 32 characters is unprintable, as lines have occasional errors.
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
