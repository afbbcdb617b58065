package lines

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"runnel/transport/serial/reading"
)

// Parser turns lines into events. Its methods may be called from any goroutine.
type Parser struct {
	// Static after construction.
	parse  parsing
	topic  reading.Template
	fields []Field
	time   string
	zone   *time.Location // of the device's times; nil if they have one
	units  map[string]any // keyed by the fields' final names
	latin1 bool
	format Format
	comma  bool
	tabs   bool // the separator is a tab, so leading and trailing tabs delimit empty values
	max    int

	telegram *Telegram // nil for lines
	listed   bool      // only the values of fields are published
	ask      []Request
	bits     int // see Trial

	publishing Publishing
}

// record holds the values that a format found in a line.
type record struct {
	fields map[string]any // values; raw ones may still become numbers
	args   []any          // JSON that is not an object
	topic  map[string]string
	at     time.Time // the device's time; zero if there is none that can be trusted
	flaws  []string  // fields left out, each with its reason

	units map[string]string // of the values that the device sends with their units
}

// noteFlaw records that a field is left out.
func (r *record) noteFlaw(name string, err error) {
	if name == "" {
		name = "value"
	}
	r.flaws = append(r.flaws, name+": "+err.Error())
}

// parsing finds the fields of a line that arrived at now.
type parsing func(line string, now time.Time) (record, error)

// raw is text that becomes a number if it looks like one, unless a Field sets its kind.
type raw string

// Reasons for not publishing a line. Any other error means that the line is bad.
var (
	errIgnored = errors.New("ignored by the configuration")
	errUTF8    = errors.New("not UTF-8")
)

// New returns a Parser, or an error that names the invalid setting in c.
func New(c Config) (*Parser, error) {
	topic, err := reading.ParseTemplate(c.Topic)
	if err != nil {
		return nil, err
	}
	parse, names, err := c.parse()
	if err != nil {
		return nil, err
	}
	if names != nil {
		if err := c.checkNames(names, topic); err != nil {
			return nil, err
		}
	}
	if c.MaxLine != 0 && (c.MaxLine < MinLine || c.MaxLine > MaxLine) {
		return nil, fmt.Errorf("max_line %d: want %d to %d bytes", c.MaxLine, MinLine, MaxLine)
	}
	p := &Parser{parse: parse, topic: topic, fields: slices.Clone(c.Fields), time: c.Time, latin1: c.Latin1, format: c.Format, comma: c.Comma, max: cmp.Or(c.MaxLine, DefaultLine)}
	p.tabs = c.Format == CSV && c.Separator == "\t"
	p.listed, p.ask, p.bits = c.Listed, slices.Clone(c.Ask), c.evidence()
	if c.Safe {
		p.topic = topic.Safe()
	}
	if p.zone, err = c.zone(); err != nil {
		return nil, err
	}
	if err := c.Publishing.validate(); err != nil {
		return nil, err
	}
	p.publishing = c.Publishing
	for _, r := range c.Ask {
		if err := r.validate(); err != nil {
			return nil, err
		}
	}
	if err := p.telegrams(c); err != nil {
		return nil, err
	}
	for i, f := range c.Fields {
		p.fields[i].comma = c.Comma
		if f.Name == "" {
			return nil, errors.New("field without a name")
		}
		if f.Name == c.Time {
			return nil, fmt.Errorf("field %q is the source of the time; it cannot be converted", f.Name)
		}
		if f.Unit != "" {
			p.unit(cmp.Or(f.As, f.Name), f.Unit)
		}
	}
	return p, nil
}

func (p *Parser) unit(field, unit string) {
	if p.units == nil {
		p.units = map[string]any{}
	}
	p.units[field] = unit
}

// Parse turns a line that arrived at now into an event.
func (p *Parser) Parse(line []byte, now time.Time) (e reading.Event, err error) {
	e, _, err = p.read(line, now)
	return e, err
}

// telegrams prepares p for telegrams instead of lines.
func (p *Parser) telegrams(c Config) error {
	if c.Telegram != nil && (c.Format == NMEA || c.Format == SML) {
		return fmt.Errorf("telegram: %s has telegrams of its own; remove it", FormatNames[c.Format])
	}
	if c.Format == SML {
		c.Telegram = &smlTelegram
	}
	if c.Telegram == nil {
		return nil
	}
	if c.MaxLine != 0 {
		return errors.New("max_line is for lines; set the telegram's max instead")
	}
	if err := c.Telegram.Validate(); err != nil {
		return err
	}
	t := *c.Telegram
	p.telegram = &t
	if !c.whole() {
		p.parse = eachLine(p.parse, t.LineCheck != "")
	}
	return nil
}

// whole reports whether the format reads a telegram as a whole, rather than line by line.
func (c Config) whole() bool { return c.Format == JSON || c.Format == OBIS || c.Format.binary() }

// binary reports whether the format reads bytes that are no text.
func (f Format) binary() bool { return f == Bytes || f == SML }

// read is Parse that also returns the fields it left out, each with its reason. A line of which every field is left out
// is an error.
func (p *Parser) read(line []byte, now time.Time) (e reading.Event, flaws []string, err error) {
	text, err := p.text(line)
	if err != nil {
		return e, nil, err
	}
	r, err := p.parse(text, now)
	if err != nil {
		return e, nil, err
	}
	p.apply(&r)
	if len(r.flaws) > 0 && len(r.args) == 0 && len(r.fields) == 0 {
		return e, nil, errors.New(r.flaws[0])
	}
	if e.Topic, err = p.topic.Topic(r.value); err != nil {
		return e, nil, err
	}
	if p.listed {
		p.dropUnlisted(&r)
	}
	p.stamp(&r, now)
	if units := p.unitsOf(&r); units != nil {
		r.fields["units"] = units
	}
	e.Args, e.Kwargs = r.args, r.fields
	return e, r.flaws, nil
}

// text returns the text of a line or telegram that the format reads.
func (p *Parser) text(line []byte) (string, error) {
	if p.telegram != nil && len(line) < p.telegram.min() {
		return "", errTooShort
	}
	if p.format.binary() {
		return string(line), nil
	}
	if p.telegram != nil && p.format != JSON {
		line = p.telegram.content(line)
	}
	text, err := p.decode(line)
	switch {
	case err != nil || p.format == Fixed, p.telegram != nil && p.telegram.LineCheck != "": // blanks may be part of a column or of a check
		return text, err
	case p.tabs:
		return strings.Trim(text, " "), nil
	}
	return strings.TrimSpace(text), nil
}

// complete reports whether a line that parses is known to be whole, because its format marks both ends: a JSON object
// or list, or an NMEA sentence with its checksum.
func (p *Parser) complete(line []byte) bool {
	line = bytes.TrimSpace(line)
	return p.format == NMEA && bytes.IndexByte(line, '*') >= 0 || p.format == JSON && len(line) > 0 && (line[0] == '{' || line[0] == '[')
}

func (p *Parser) decode(line []byte) (string, error) {
	if !p.latin1 {
		if !utf8.Valid(line) {
			return "", errUTF8
		}
		return string(line), nil
	}
	runes := make([]rune, len(line))
	for i, b := range line {
		runes[i] = rune(b)
	}
	return string(runes), nil
}

// value returns a value that the topic template may use.
func (r record) value(name string) (any, bool) {
	if text, ok := r.topic[name]; ok {
		return text, true
	}
	v, ok := r.fields[name]
	return v, ok
}

// apply converts the fields as configured, then turns raw values into numbers or text. Values that cannot be converted
// are left out.
func (p *Parser) apply(r *record) {
	for _, f := range p.fields {
		v, ok := r.fields[f.Name]
		if !ok {
			continue
		}
		v, err := f.convert(v)
		if err != nil {
			r.noteFlaw(f.Name, err)
			delete(r.fields, f.Name)
			continue
		}
		r.fields[f.Name] = v
	}
	p.rename(r.fields)
	for name, v := range r.fields {
		if text, ok := v.(raw); ok && name != p.time {
			r.fields[name] = p.guess(string(text))
		}
	}
}

// guess converts raw text, reading numbers with the device's decimal sign.
func (p *Parser) guess(text string) any {
	if n := guess(point(text, p.comma)); !p.comma {
		return n
	} else if _, isText := n.(string); !isText {
		return n
	}
	return text
}

// rename gives the fields their final names in one step, so that two fields can swap names.
func (p *Parser) rename(fields map[string]any) {
	var moved map[string]any
	for _, f := range p.fields {
		if v, ok := fields[f.Name]; ok && f.As != "" && f.As != f.Name {
			if moved == nil {
				moved = map[string]any{}
			}
			moved[f.As] = v
			delete(fields, f.Name)
		}
	}
	for name, v := range moved {
		fields[name] = v
	}
}

// stamp adds the field "time", unless the device sends a field of this name. A time that cannot be used is left out: an
// event without a time is better than an event with a wrong one.
func (p *Parser) stamp(r *record, now time.Time) {
	switch p.time {
	case TimeNone:
		return
	case TimeArrival:
		r.fields["time"] = reading.Timestamp(now)
		return
	case "", TimeReceiver:
		if !r.at.IsZero() {
			now = r.at
		}
		if _, has := r.fields["time"]; !has {
			r.fields["time"] = reading.Timestamp(now)
		}
		return
	}
	v, ok := r.fields[p.time]
	if !ok {
		r.noteFlaw(p.time, errors.New("missing, so the event has no time"))
		return
	}
	delete(r.fields, p.time)
	at, err := moment(v, p.zone)
	if err != nil {
		r.noteFlaw(p.time, err)
		return
	}
	r.fields["time"] = reading.Timestamp(at)
}
