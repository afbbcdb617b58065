package detect

import (
	"bytes"
	"fmt"
	"time"

	"runnel/transport/serial/hdlc"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

// Formats lists the decoders by their names on the command line.
var Formats = []string{"auto", "hdlc", "text", "modbus", "hex"}

// Limits of auto's decision, and the pause that ends a Modbus frame or a chunk.
const (
	undecidedOctets = 512
	undecidedTime   = 2 * time.Second
	Pause           = 30 * time.Millisecond
)

// maxText is the longest piece of a line of text, in bytes; longer lines are shown in pieces.
const maxText = 1 << 10

// Decoder turns received bytes into lines for people. It belongs to one goroutine.
type Decoder struct {
	way   string // one of Ways
	tell  func(line string)
	held  []byte // auto: the input so far; modbus, hex: input since the last pause; text: the line so far
	since time.Time
	hdlc  *hdlc.Decoder
}

// NewDecoder returns a Decoder for one of Ways.
func NewDecoder(way string, tell func(line string)) *Decoder {
	return &Decoder{way: way, tell: tell, hdlc: hdlc.NewDecoder(lapb.MaxInfo)}
}

// Feed takes received bytes.
func (d *Decoder) Feed(octets []byte, now time.Time) {
	switch d.way {
	case "hdlc":
		d.frames(octets)
	case "text":
		d.text(octets)
	default:
		if len(d.held) == 0 {
			d.since = now
		}
		d.held = append(d.held, octets...)
		if d.way == "auto" {
			d.decide(now)
		} else if len(d.held) >= undecidedOctets {
			d.lump()
		}
	}
}

// Idle is called when nothing has arrived for a Pause.
func (d *Decoder) Idle(now time.Time) {
	switch {
	case len(d.held) == 0 || d.way == "text" || d.way == "hdlc":
	case d.way == "auto":
		d.decide(now)
	default:
		d.lump()
	}
}

// decide selects a decoder once the input is clear or the time is up.
func (d *Decoder) decide(now time.Time) {
	g := Identify(d.held)
	if !g.Sure && len(d.held) < undecidedOctets && now.Sub(d.since) < undecidedTime {
		return
	}
	switch g.Kind {
	case Link:
		d.way = "hdlc"
	case Text, JSON, CSV, NMEA:
		d.way = "text"
	case Modbus:
		d.way = "modbus"
	default:
		d.way = "hex"
	}
	d.tell(fmt.Sprintf("this looks like %v; decoding it as %s", g.Kind, d.way))
	heard := d.held
	d.held = nil
	d.Feed(heard, now)
}

func (d *Decoder) frames(octets []byte) {
	for _, b := range octets {
		bad := d.hdlc.Counters().Bad()
		if f, ok := d.hdlc.Push(b); ok {
			d.tell(lapb.Describe(f))
		} else if d.hdlc.Counters().Bad() > bad {
			d.tell("a broken frame")
		}
	}
}

func (d *Decoder) text(octets []byte) {
	for _, b := range octets {
		ends := b == '\r' || b == '\n'
		if (ends || len(d.held) == maxText) && len(d.held) > 0 {
			d.tell(lines.Printable(d.held))
			d.held = d.held[:0]
		}
		if !ends {
			d.held = append(d.held, b)
		}
	}
}

// lump decodes the bytes between two pauses: Modbus frames, and the rest in hexadecimal.
func (d *Decoder) lump() {
	var odd []byte
	flush := func() {
		for len(odd) > 0 {
			n := min(16, len(odd))
			d.tell(fmt.Sprintf("%-47s  %s", fmt.Sprintf("% x", odd[:n]), ascii(odd[:n])))
			odd = odd[n:]
		}
	}
	for rest := d.held; len(rest) > 0; {
		if n := modbus.Scan(rest); n > 0 && d.way == "modbus" {
			flush()
			d.tell(modbus.Describe(rest[:n]))
			rest = rest[n:]
			continue
		}
		odd = append(odd, rest[0])
		rest = rest[1:]
	}
	flush()
	d.held = d.held[:0]
}

func ascii(octets []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, octets))
}
