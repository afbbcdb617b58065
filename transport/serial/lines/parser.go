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

// Parser makes events of lines. Its methods may be called from any goroutine.
type Parser struct {
	// Static after construction.
	parse  parsing
	topic  reading.Template
	fields []Field
	time   string
	units  map[string]any // by the fields' final names
	latin1 bool
	format Format
	comma  bool
	tabs   bool // separate values, of which the first and the last may be empty
	max    int
}

// record is what a format finds in a line.
type record struct {
	fields map[string]any // values; those that may still become numbers are raw
	args   []any          // of JSON that is no object
	topic  map[string]string
	at     time.Time // what the device says of the time; zero: nothing that can be trusted
	flaws  []string  // fields that were left out, and why
}

// flaw notes that a field was left out.
func (r *record) flaw(name string, err error) {
	if name == "" {
		name = "value"
	}
	r.flaws = append(r.flaws, name+": "+err.Error())
}

// parsing finds the fields of a line that arrived now.
type parsing func(line string, now time.Time) (record, error)

// raw is text that becomes a number if it looks like one, unless a Field says otherwise.
type raw string

// What happens to lines that are not published. Any other error means that the line is bad.
var (
	errIgnored = errors.New("not wanted")
	errUTF8    = errors.New("not UTF-8")
)

// New makes a Parser. The error says what is wrong with c.
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
		return nil, fmt.Errorf("lines of %d octets: want %d to %d", c.MaxLine, MinLine, MaxLine)
	}
	p := &Parser{parse: parse, topic: topic, fields: slices.Clone(c.Fields), time: c.Time, latin1: c.Latin1, format: c.Format, comma: c.Comma, max: cmp.Or(c.MaxLine, DefaultLine)}
	p.tabs = c.Format == CSV && c.Separator == "\t"
	for i, f := range c.Fields {
		p.fields[i].comma = c.Comma
		if f.Name == "" {
			return nil, errors.New("a field has no name")
		}
		if f.Name == c.Time {
			return nil, fmt.Errorf("field %q has the time, and nothing else can be made of it", f.Name)
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

// Parse makes an event of a line that arrived now.
func (p *Parser) Parse(line []byte, now time.Time) (e reading.Event, err error) {
	e, _, err = p.read(line, now)
	return e, err
}

// read is Parse, and says as well which fields were left out because they can't be used, and why. A line of which
// nothing is left is bad.
func (p *Parser) read(line []byte, now time.Time) (e reading.Event, flaws []string, err error) {
	text, err := p.decode(line)
	if err != nil {
		return e, nil, err
	}
	switch {
	case p.format == Fixed: // blanks have a meaning
	case p.tabs:
		text = strings.Trim(text, " ")
	default:
		text = strings.TrimSpace(text)
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
	p.stamp(&r, now)
	if p.units != nil {
		r.fields["units"] = p.units
	}
	e.Args, e.Kwargs = r.args, r.fields
	return e, r.flaws, nil
}

// proves reports whether a line that can be read is whole. The end of an object, a list or a sentence is none.
func (p *Parser) proves(line []byte) bool {
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

// value is what the topic may name.
func (r record) value(name string) (any, bool) {
	if text, ok := r.topic[name]; ok {
		return text, true
	}
	v, ok := r.fields[name]
	return v, ok
}

// apply does to the fields what the configuration says of them, and decides what raw ones are. What can't be converted
// is left out.
func (p *Parser) apply(r *record) {
	for _, f := range p.fields {
		v, ok := r.fields[f.Name]
		if !ok {
			continue
		}
		v, err := f.convert(v)
		if err != nil {
			r.flaw(f.Name, err)
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

// guess is guess with the device's decimal sign.
func (p *Parser) guess(text string) any {
	if n := guess(point(text, p.comma)); !p.comma {
		return n
	} else if _, isText := n.(string); !isText {
		return n
	}
	return text
}

// rename gives the fields their final names, all at once: two may swap theirs.
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

// stamp adds the field "time". One that the device sends under this name stays. A time that can't be used is left out:
// an event without a time is better than one with a wrong time.
func (p *Parser) stamp(r *record, now time.Time) {
	switch p.time {
	case TimeNone:
		return
	case TimeArrival:
		r.fields["time"] = reading.Stamp(now)
		return
	case "", TimeReceiver:
		if !r.at.IsZero() {
			now = r.at
		}
		if _, has := r.fields["time"]; !has {
			r.fields["time"] = reading.Stamp(now)
		}
		return
	}
	v, ok := r.fields[p.time]
	if !ok {
		r.flaw(p.time, errors.New("it is missing, and has the time"))
		return
	}
	delete(r.fields, p.time)
	at, err := moment(v)
	if err != nil {
		r.flaw(p.time, err)
		return
	}
	r.fields["time"] = reading.Stamp(at)
}
