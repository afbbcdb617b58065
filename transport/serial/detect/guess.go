package detect

import (
	"slices"

	"runnel/edge/wamp"
	"runnel/transport/serial/hdlc"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/modbus"
)

// Kind is the protocol on a line.
type Kind uint8

const (
	Silence    Kind = iota // no data
	Unreadable             // unreadable bytes: a wrong baud rate or an unknown protocol
	Text                   // lines of text
	KeyValue               // lines of names and values
	CSV                    // lines with equal numbers of separated values
	JSON                   // lines of JSON
	NMEA                   // sentences of NMEA 0183 with valid checksums
	Modbus                 // frames of Modbus RTU
	Known                  // messages of a device that has a profile
	RawSocket              // a peer that opens RawSocket without the link
	Link                   // frames of the link
)

var kindNames = []string{"silence", "unreadable bytes", "text", "lines of names and values", "lines of CSV", "lines of JSON", "NMEA 0183", "Modbus RTU", "messages of a known device", "RawSocket (framing none)", "the link (framing hdlc)"}

func (k Kind) String() string { return kindNames[k] }

// Guess is the likely protocol of received bytes.
type Guess struct {
	Kind   Kind
	Sure   bool // another protocol is very unlikely
	Octets int
	Pieces int    // number of frames, sentences or lines
	Sample string // one of them

	Table    Table            // CSV
	Profile  string           // Known: the name of the profile
	Requests []modbus.Request // Modbus: the registers that a master reads
}

// String returns the kind for people, with the profile.
func (g Guess) String() string {
	if g.Kind == Known {
		return g.Kind.String() + ": profile " + g.Profile
	}
	return g.Kind.String()
}

// final reports whether more input cannot change the guess. Lines of text may be those of a longer message.
func (g Guess) final() bool {
	return g.Sure && (g.Kind == JSON || g.Kind == NMEA || g.Kind >= Known)
}

// enough is the number of pieces that make a guess certain.
const enough = 3

// Identify guesses the protocol of received bytes.
func Identify(octets []byte, known Devices) Guess {
	if len(octets) == 0 {
		return Guess{}
	}
	for _, look := range []func([]byte) Guess{frames, known.proven, handshake, known.fitting, text, telegrams} {
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

// maxRequests is how many different requests of a master are kept.
const maxRequests = 20

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
		if r, ok := modbus.ParseRequest(rest[:n]); ok && len(g.Requests) < maxRequests && !slices.Contains(g.Requests, r) {
			g.Requests = append(g.Requests, r)
		}
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
