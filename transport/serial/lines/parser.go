package lines

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"runnel/transport/serial/reading"
)

// Parser makes events of lines. Its methods may be called from any goroutine.
type Parser struct {
	// Static after construction.
	parse  func(line string) (record, error)
	topic  reading.Template
	fields []Field
	time   string
	units  map[string]any // by the fields' final names
	latin1 bool
	tabs   bool // separate values, of which the first and the last may be empty
	max    int
}

// record is what a format finds in a line.
type record struct {
	fields map[string]any // values; those that may still become numbers are raw
	args   []any          // of JSON that is no object
	topic  map[string]string
}

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
	p := &Parser{parse: parse, topic: topic, fields: c.Fields, time: c.Time, latin1: c.Latin1, max: cmp.Or(c.MaxLine, DefaultLine)}
	p.tabs = c.Format == CSV && c.Separator == "\t"
	for _, f := range c.Fields {
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
	text, err := p.decode(line)
	if err != nil {
		return e, err
	}
	if p.tabs {
		text = strings.Trim(text, " ")
	} else {
		text = strings.TrimSpace(text)
	}
	r, err := p.parse(text)
	if err != nil {
		return e, err
	}
	if err := p.apply(r.fields); err != nil {
		return e, err
	}
	if e.Topic, err = p.topic.Topic(r.value); err != nil {
		return e, err
	}
	if err := p.stamp(r.fields, now); err != nil {
		return e, err
	}
	if p.units != nil {
		r.fields["units"] = p.units
	}
	e.Args, e.Kwargs = r.args, r.fields
	return e, nil
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

// apply does to the fields what the configuration says of them, and decides what raw ones are.
func (p *Parser) apply(fields map[string]any) error {
	for _, f := range p.fields {
		v, ok := fields[f.Name]
		if !ok {
			continue
		}
		v, err := f.convert(v)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		fields[f.Name] = v
	}
	p.rename(fields)
	for name, v := range fields {
		if text, ok := v.(raw); ok && name != p.time {
			fields[name] = guess(string(text))
		}
	}
	return nil
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

// stamp adds the field "time". One that the device sends under this name stays.
func (p *Parser) stamp(fields map[string]any, now time.Time) error {
	if p.time == "none" {
		return nil
	}
	if p.time == "" {
		if _, has := fields["time"]; !has {
			fields["time"] = reading.Stamp(now)
		}
		return nil
	}
	v, ok := fields[p.time]
	if !ok {
		return fmt.Errorf("no field %s, which has the time", p.time)
	}
	at, err := moment(v)
	if err != nil {
		return fmt.Errorf("%s: %w", p.time, err)
	}
	delete(fields, p.time)
	fields["time"] = reading.Stamp(at)
	return nil
}
