package lines

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"runnel/transport/serial/reading"
)

// Format is what a line looks like.
type Format uint8

const (
	JSON    Format = iota // an object is arguments by keyword, a list is arguments, anything else is one argument
	CSV                   // values with a separator between, named by Config.Columns
	NMEA                  // NMEA 0183 sentences
	Pattern               // what the named groups of a regular expression match
)

// FormatNames are the formats' names in a configuration.
var FormatNames = []string{"json", "csv", "nmea", "regexp"}

// Limits of a line's length.
const (
	DefaultLine = 1 << 10
	MinLine     = 16
	MaxLine     = 64 << 10
)

// Config says what a device's lines look like, and what is to be made of them.
type Config struct {
	Format    Format
	Columns   []string // of CSV; one that is "" or "_" is left out
	Separator string   // of CSV: one character; "" is a comma, " " any white space
	Pattern   string   // of Pattern
	Sentences []string // of NMEA: those to be published; none: all

	Topic  string // may have names in braces: those of fields, and "sentence" and "talker" of NMEA
	Time   string // where the time of an event is from: a field, or one of the words below; "": TimeReceiver
	Fields []Field

	MaxLine int  // octets; 0: DefaultLine
	Latin1  bool // each octet is a character of ISO 8859-1; else lines are UTF-8
}

// Words for Config.Time.
const (
	TimeNone     = "none"     // events have no time
	TimeArrival  = "arrival"  // when the line arrived
	TimeReceiver = "receiver" // what a satellite receiver says while it has a fix, else when the line arrived
)

// timeField reports whether the time is in a field.
func (c Config) timeField() bool {
	return c.Time != "" && c.Time != TimeNone && c.Time != TimeArrival && c.Time != TimeReceiver
}

// Field says more of one value.
type Field struct {
	Name  string // as the device, the columns or the groups name it
	As    string // as the event is to name it; "": the same
	Kind  Kind
	Scale reading.Scale
	Unit  string
}

// Kind is what a value has to be.
type Kind uint8

const (
	Any     Kind = iota // a number if it is written as programs write them, else text; of JSON, what it is
	Number              // however it is written
	Text                // even if it looks like a number, such as 007
	Boolean             // true, on, yes, 1; false, off, no, 0
)

// KindNames are the kinds' names in a configuration.
var KindNames = []string{"", "number", "text", "boolean"}

// untimed makes a parser of a format that has no use for the time of arrival.
func untimed(parse func(line string) (record, error)) parsing {
	return func(line string, _ time.Time) (record, error) { return parse(line) }
}

// parse makes the function that finds a line's fields.
func (c Config) parse() (parsing, []string, error) {
	switch c.Format {
	case JSON:
		return untimed(parseJSON), nil, nil
	case CSV:
		return c.csv()
	case NMEA:
		parse, err := c.nmea()
		return parse, nil, err
	case Pattern:
		return c.pattern()
	}
	return nil, nil, fmt.Errorf("format %d: out of range", c.Format)
}

func (c Config) csv() (parsing, []string, error) {
	if len(c.Columns) == 0 {
		return nil, nil, errors.New("columns are missing: the names of the values in a line")
	}
	if len(c.Separator) > 1 || strings.ContainsAny(c.Separator, "\"\r\n") {
		return nil, nil, fmt.Errorf("separator %q: want one character", c.Separator)
	}
	var names []string
	for _, name := range c.Columns {
		if name == "" || name == "_" {
			continue
		}
		if slices.Contains(names, name) {
			return nil, nil, fmt.Errorf("column %q is there twice", name)
		}
		names = append(names, name)
	}
	return untimed(csv{c.Columns, cmp.Or(c.Separator, ",")[0]}.parse), names, nil
}

func (c Config) nmea() (parsing, error) {
	wanted := map[string]bool{}
	for _, s := range c.Sentences {
		if len(s) != 3 || strings.ToUpper(s) != s {
			return nil, fmt.Errorf("sentence %q: want three capital letters, like \"RMC\"", s)
		}
		wanted[s] = true
	}
	return (&nmea{wanted: wanted}).parse, nil
}

func (c Config) pattern() (parsing, []string, error) {
	if c.Pattern == "" {
		return nil, nil, errors.New("the pattern is missing: a regular expression with named groups, like `t=(?P<temperature>[0-9.]+)`")
	}
	re, err := regexp.Compile(c.Pattern)
	if err != nil {
		return nil, nil, fmt.Errorf("pattern: %w", err)
	}
	names := slices.DeleteFunc(slices.Clone(re.SubexpNames()), func(name string) bool { return name == "" })
	if len(names) == 0 {
		return nil, nil, errors.New("the pattern has no named groups, like (?P<temperature>[0-9.]+)")
	}
	return untimed(pattern{re}.parse), names, nil
}

// checkNames notes names that refer to no field, where the fields are known beforehand.
func (c Config) checkNames(names []string, topic reading.Template) error {
	final := slices.Clone(names)
	for _, f := range c.Fields {
		i := slices.Index(names, f.Name)
		if i < 0 {
			return fmt.Errorf("field %q: there is none; there are %s", f.Name, strings.Join(names, ", "))
		}
		final[i] = cmp.Or(f.As, f.Name)
	}
	if c.timeField() && !slices.Contains(names, c.Time) {
		return fmt.Errorf("time %q: there is no such field; there are %s", c.Time, strings.Join(names, ", "))
	}
	for _, name := range topic.Names() {
		if !slices.Contains(final, name) {
			return fmt.Errorf("topic: there is no field {%s}; there are %s", name, strings.Join(final, ", "))
		}
	}
	return nil
}
