package ear

import (
	"bytes"
	"fmt"
	"time"

	"runnel/transport/serial/hdlc"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

// Ways to decode, as a command line names them.
var Ways = []string{"auto", "hdlc", "text", "modbus", "hex"}

// How long auto makes up its mind, and what ends a frame of Modbus or a lump of octets.
const (
	undecidedOctets = 512
	undecidedTime   = 2 * time.Second
	Pause           = 30 * time.Millisecond
)

// maxText is the longest line of text that is shown as one.
const maxText = 1 << 10

// Decoder makes lines for people of what is heard. It belongs to one goroutine.
type Decoder struct {
	way   string // of Ways
	tell  func(line string)
	held  []byte // auto: what was heard so far; modbus, hex: what no pause has ended; text: the line so far
	since time.Time
	hdlc  *hdlc.Decoder
}

// NewDecoder returns a Decoder of one of the Ways.
func NewDecoder(way string, tell func(line string)) *Decoder {
	return &Decoder{way: way, tell: tell, hdlc: hdlc.NewDecoder(lapb.MaxInfo)}
}

// Hear takes octets that have arrived.
func (d *Decoder) Hear(octets []byte, now time.Time) {
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

// Silent is told that nothing has arrived for a Pause.
func (d *Decoder) Silent(now time.Time) {
	switch {
	case len(d.held) == 0 || d.way == "text" || d.way == "hdlc":
	case d.way == "auto":
		d.decide(now)
	default:
		d.lump()
	}
}

// decide chooses a way when what was heard suffices, or too much time has passed.
func (d *Decoder) decide(now time.Time) {
	g := Look(d.held)
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
	d.Hear(heard, now)
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
		if b != '\r' && b != '\n' && len(d.held) < maxText {
			d.held = append(d.held, b)
			continue
		}
		if len(d.held) > 0 {
			d.tell(lines.Printable(d.held))
			d.held = d.held[:0]
		}
	}
}

// lump tells of octets between two pauses: frames of Modbus, and what is none in hexadecimal.
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
