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
	JSON     Format = iota // an object is arguments by keyword, a list is arguments, anything else is one argument
	CSV                    // values with a separator between, named by Config.Columns
	NMEA                   // NMEA 0183 sentences
	Pattern                // what the named groups of a regular expression match
	KeyValue               // names with values: "T:21.5,H=40"
	Fixed                  // values in columns of a given width
)

// FormatNames are the formats' names in a configuration.
var FormatNames = []string{"json", "csv", "nmea", "regexp", "keyvalue", "fixed"}

// Limits of a line's length.
const (
	DefaultLine = 1 << 10
	MinLine     = 16
	MaxLine     = 64 << 10
)

// Config says what a device's lines look like, and what is to be made of them.
type Config struct {
	Format    Format
	Columns   []string // of CSV and Fixed; one that is "" or "_" is left out
	Widths    []int    // of Fixed: how many characters each column has
	Separator string   // of CSV: one character; "" is a comma, " " any white space; of KeyValue: one or more
	Assign    string   // of KeyValue: between a name and its value; "": "=" and ":"
	Pattern   string   // of Pattern
	Patterns  []string // of Pattern, instead: the first that matches is used
	Sentences []string // of NMEA: those to be published; none: all
	Unchecked bool     // of NMEA: sentences need no checksum; one that is there has to be right
	Comma     bool     // numbers have a decimal comma

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

	comma bool // numbers have a decimal comma
}

// Kind is what a value has to be.
type Kind uint8

const (
	Any     Kind = iota // a number if it is written as programs write them, else text; of JSON, what it is
	Number              // however it is written
	Text                // even if it looks like a number, such as 007
	Boolean             // true, on, yes, 1; false, off, no, 0
	Hex                 // a whole number in hexadecimal digits, with or without 0x
	Bits                // likewise, or in decimal digits without 0x: a list of true and false, the lowest bit first
)

// KindNames are the kinds' names in a configuration.
var KindNames = []string{"", "number", "text", "boolean", "hex", "bits"}

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
	case KeyValue:
		return c.keyValue()
	case Fixed:
		return c.fixed()
	}
	return nil, nil, fmt.Errorf("format %d: out of range", c.Format)
}

func (c Config) csv() (parsing, []string, error) {
	if len(c.Columns) == 0 {
		return nil, nil, errors.New("columns are missing: the names of the values in a line")
	}
	if c.Comma && cmp.Or(c.Separator, ",") == "," {
		return nil, nil, errors.New("numbers have a decimal comma, so separator needs to be another character, like \";\"")
	}
	if len(c.Separator) > 1 || strings.ContainsAny(c.Separator, "\"\r\n") {
		return nil, nil, fmt.Errorf("separator %q: want one character", c.Separator)
	}
	names, err := c.names()
	if err != nil {
		return nil, nil, err
	}
	return untimed(csv{c.Columns, cmp.Or(c.Separator, ",")[0]}.parse), names, nil
}

// names are those of the columns.
func (c Config) names() (names []string, err error) {
	for _, name := range c.Columns {
		if name == "" || name == "_" {
			continue
		}
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("column %q is there twice", name)
		}
		names = append(names, name)
	}
	return names, nil
}

func (c Config) fixed() (parsing, []string, error) {
	if len(c.Columns) == 0 || len(c.Columns) != len(c.Widths) {
		return nil, nil, fmt.Errorf("%d columns and %d widths; want a width for each column", len(c.Columns), len(c.Widths))
	}
	for _, width := range c.Widths {
		if width < 1 || width > MaxLine {
			return nil, nil, fmt.Errorf("width %d: want 1 to %d", width, MaxLine)
		}
	}
	names, err := c.names()
	return untimed(fixed{c.Columns, c.Widths}.parse), names, err
}

func (c Config) keyValue() (parsing, []string, error) {
	separators, assigns := c.Separator, cmp.Or(c.Assign, anyAssign)
	if separators == "" {
		separators = anySeparator
		if c.Comma {
			separators = strings.ReplaceAll(separators, ",", "")
		}
	}
	if strings.ContainsAny(separators, assigns) || strings.ContainsAny(separators+assigns, "\"\r\n") || c.Comma && strings.Contains(separators, ",") {
		return nil, nil, fmt.Errorf("separator %q and assign %q: want different characters, and no decimal comma", separators, assigns)
	}
	return untimed(keyValue{separators, assigns, c.Separator == "" || strings.Contains(separators, " ")}.parse), nil, nil
}

func (c Config) nmea() (parsing, error) {
	wanted := map[string]bool{}
	for _, s := range c.Sentences {
		if len(s) != 3 || strings.ToUpper(s) != s {
			return nil, fmt.Errorf("sentence %q: want three capital letters, like \"RMC\"", s)
		}
		wanted[s] = true
	}
	return (&nmea{wanted: wanted, unchecked: c.Unchecked}).parse, nil
}

func (c Config) pattern() (parsing, []string, error) {
	texts := c.Patterns
	if c.Pattern != "" {
		texts = append([]string{c.Pattern}, texts...)
	}
	if len(texts) == 0 {
		return nil, nil, errors.New("the pattern is missing: a regular expression with named groups, like `t=(?P<temperature>[0-9.]+)`")
	}
	var all patterns
	var names []string
	for _, text := range texts {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, nil, fmt.Errorf("pattern: %w", err)
		}
		groups := slices.DeleteFunc(slices.Clone(re.SubexpNames()), func(name string) bool { return name == "" })
		if len(groups) == 0 {
			return nil, nil, errors.New("the pattern has no named groups, like (?P<temperature>[0-9.]+)")
		}
		for _, name := range groups {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		all = append(all, pattern{re})
	}
	return untimed(all.parse), names, nil
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
