package detect

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"runnel/transport/serial/hdlc"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// Formats lists the decoders by their names on the command line.
var Formats = []string{"auto", "hdlc", "text", "modbus", "hex"}

// Limits of auto's decision; the longest chunk that is shown at once, and the pause that ends it or a Modbus frame.
const (
	undecidedOctets = 2 << 10
	undecidedTime   = 2 * time.Second
	maxChunk        = 512
	Pause           = 30 * time.Millisecond
)

// maxText is the longest piece of a line of text, in bytes; longer lines are shown in pieces.
const maxText = 1 << 10

// Decoder turns received bytes into lines for people. It belongs to one goroutine.
type Decoder struct {
	way   string // one of Formats, or a profile
	known Devices
	tell  func(line string)
	held  []byte // auto: the input so far; modbus, hex: input since the last pause; text: the line so far
	since time.Time
	hdlc  *hdlc.Decoder
	read  func([]byte, time.Time) // of a profile; nil for one of Formats
}

// NewDecoder returns a Decoder for one of Formats, or for the profile of a known device.
func NewDecoder(way string, known Devices, tell func(line string)) *Decoder {
	d := &Decoder{way: way, known: known, tell: tell, hdlc: hdlc.NewDecoder(lapb.MaxInfo)}
	d.profile()
	return d
}

// profile prepares for the messages of a known device.
func (d *Decoder) profile() {
	if p := d.known.Parser(d.way); p != nil {
		d.read = p.Monitor(func(e reading.Event) { d.tell(values(e)) }, func(excerpt string, err error) { d.tell(fmt.Sprintf("%v: %s", err, excerpt)) })
	}
}

// values returns an event's values as text for people.
func values(e reading.Event) string {
	var all []string
	for _, v := range e.Args {
		all = append(all, value(v))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Kwargs)) {
		if name != "time" && name != "units" {
			all = append(all, name+"="+value(e.Kwargs[name]))
		}
	}
	return lines.Printable([]byte(strings.Join(all, " ")))
}

// value returns a value as text. Counters of meters are large: a number has no exponent.
func value(v any) string {
	if f, is := v.(float64); is && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// Feed takes received bytes.
func (d *Decoder) Feed(octets []byte, now time.Time) {
	switch {
	case d.read != nil:
		d.read(octets, now)
	case d.way == "hdlc":
		d.frames(octets)
	case d.way == "text":
		d.text(octets)
	default:
		if len(d.held) == 0 {
			d.since = now
		}
		d.held = append(d.held, octets...)
		if d.way == "auto" {
			d.decide(now)
		} else if len(d.held) >= maxChunk {
			d.decodeChunk()
		}
	}
}

// Idle is called when nothing has arrived for a Pause.
func (d *Decoder) Idle(now time.Time) {
	switch {
	case len(d.held) == 0 || d.read != nil || d.way == "text" || d.way == "hdlc":
	case d.way == "auto":
		d.decide(now)
	default:
		d.decodeChunk()
	}
}

// decide selects a decoder once the input is clear or the time is up.
func (d *Decoder) decide(now time.Time) {
	g := Identify(d.held, d.known)
	if settled := g.final() || g.Sure && g.Kind == Modbus; !settled && len(d.held) < undecidedOctets && now.Sub(d.since) < undecidedTime {
		return
	}
	switch g.Kind {
	case Link:
		d.way = "hdlc"
	case Text, KeyValue, JSON, CSV, NMEA:
		d.way = "text"
	case Modbus:
		d.way = "modbus"
	case Known:
		d.way = g.Profile
	default:
		d.way = "hex"
	}
	d.tell(fmt.Sprintf("this looks like %v; decoding it as %s", g, d.way))
	heard := d.held
	d.held = nil
	d.profile()
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

// decodeChunk decodes the bytes between two pauses: Modbus frames, and the rest in hexadecimal.
func (d *Decoder) decodeChunk() {
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
