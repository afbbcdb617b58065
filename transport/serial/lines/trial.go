package lines

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"runnel/transport/serial/reading"
)

// Trial is the result of reading received bytes with a configuration.
type Trial struct {
	Good, Bad int // lines or telegrams
	Ignored   int // by the configuration
	Octets    int // in good ones
	Sample    string
	Bits      int // how unlikely it is that other data fit
}

// Limits of a trial. A configuration fits if it has at least minBits of evidence, and at most one bad line for goodPerBad
// good ones. A right check of a telegram is evidence of checkBits, and a name that the configuration describes of nameBits.
const (
	minBits    = 10
	goodPerBad = 8
	checkBits  = 1000
	nameBits   = 8
)

// Fits reports whether the configuration, which has no check, fits the data.
func (t Trial) Fits() bool {
	return t.Good > 0 && t.Good >= goodPerBad*t.Bad && t.Bits >= minBits && t.Bits < checkBits
}

// Proven reports whether a check proves that the configuration fits received bytes. A check of eight bits may be right by chance.
// So the telegram must be a good part of the bytes, or not the only one.
func (t Trial) Proven(received int) bool {
	return t.Bits >= checkBits && (t.Good > 1 || t.Good == 1 && 4*t.Octets >= received)
}

// Try reads received bytes, which may begin and end within a line or telegram. A telegram with a right check proves the format,
// even if there are other bytes around it.
func (p *Parser) Try(octets []byte) (t Trial) {
	names := map[string]bool{}
	read := func(piece []byte, whole bool) {
		r, err := p.record(piece)
		switch {
		case errors.Is(err, errIgnored):
			t.Ignored++
		case err == nil:
			t.Good++
			t.Octets += len(piece)
			t.Sample = p.excerpt(piece)
			for _, f := range p.fields {
				if _, has := r.fields[f.Name]; has {
					names[f.Name] = true
				}
			}
		case whole:
			t.Bad++
		}
	}
	if p.telegram == nil {
		p.tryLines(octets, read)
	} else {
		p.tryTelegrams(octets, read)
	}
	t.Bits = p.bits
	if p.format == JSON || p.format == KeyValue || p.format == OBIS || p.format == SML { // the device sends the names
		t.Bits += nameBits * len(names)
	}
	if p.checked() {
		t.Bits, t.Bad = checkBits+t.Bits, 0
	} else if t.Ignored > 0 { // the configuration ignores the lines that the device sends
		t.Bits = 0
	}
	return t
}

// checked reports whether the messages have a check.
func (p *Parser) checked() bool {
	return p.telegram != nil && (p.telegram.Check.Name != "" || p.telegram.LineCheck != "")
}

// record reads the fields of a line or telegram as the device sends them.
func (p *Parser) record(piece []byte) (r record, err error) {
	text, err := p.text(piece)
	if err == nil {
		r, err = p.parse(text, time.Time{})
	}
	if err == nil && p.checked() && len(r.fields) == 0 {
		err = errCheck
	}
	return r, err
}

// tryLines reads the lines that are complete. The first one may not be, unless it is the only one.
func (p *Parser) tryLines(octets []byte, read func(line []byte, whole bool)) {
	for i, line := range Complete(octets) {
		if len(bytes.TrimSpace(line)) > 0 {
			read(line, i > 0)
		}
	}
}

func (p *Parser) tryTelegrams(octets []byte, read func(telegram []byte, whole bool)) {
	f := newFramer(p.telegram, time.Time{}, func(b []byte) { read(b, true) }, func(b []byte, err error) { read(nil, !errors.Is(err, errPartial)) })
	f.push(octets, time.Time{})
	if f.bySilence() {
		f.paused()
	}
}

// Complete returns the lines in received bytes without the last one, if its end is missing. NULs are dropped.
func Complete(octets []byte) (all [][]byte) {
	octets = bytes.ReplaceAll(octets, []byte{0}, nil)
	end := bytes.LastIndexAny(octets, "\r\n")
	if end < 0 {
		return nil
	}
	return bytes.FieldsFunc(octets[:end], func(r rune) bool { return r == '\r' || r == '\n' })
}

// Monitor returns a function that reads the data of a device, for people: event takes each event, bad the excerpt of
// each line or telegram that cannot be read.
func (p *Parser) Monitor(event func(reading.Event), bad func(excerpt string, err error)) (push func(octets []byte, now time.Time)) {
	var now time.Time
	read := func(piece []byte) {
		switch e, _, err := p.read(piece, now); {
		case err == nil:
			event(e)
		case !errors.Is(err, errIgnored):
			bad(p.excerpt(piece), err)
		}
	}
	if p.telegram == nil {
		split := newSplitter(p.max, time.Time{}, func() {}, func([]byte) {})
		return func(octets []byte, at time.Time) {
			now = at
			split.push(octets, at, read)
		}
	}
	f := newFramer(p.telegram, time.Time{}, read, func(b []byte, err error) { bad(p.excerpt(b), err) })
	return func(octets []byte, at time.Time) {
		now = at
		f.push(octets, at)
	}
}

// evidence returns how many bits of a line the format determines.
func (c Config) evidence() int {
	switch c.Format {
	case NMEA:
		if len(c.Sentences) > 0 && !slices.ContainsFunc(c.Sentences, func(s string) bool { return s != "VDM" && s != "VDO" }) {
			return 2 * nameBits // AIS; all others are receivers and instruments that share their sentences
		}
	case Pattern:
		least := -1
		for _, text := range slices.Concat(c.Patterns, []string{c.Pattern}) {
			if bits := patternBits(text); text != "" && (least < 0 || bits < least) {
				least = bits
			}
		}
		return max(0, least)
	}
	return 0
}
