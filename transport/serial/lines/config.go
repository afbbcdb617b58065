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

// Format is the format of a device's lines.
type Format uint8

const (
	JSON     Format = iota // an object becomes keyword arguments, a list positional arguments, any other value one argument
	CSV                    // values between separators, named by Config.Columns
	NMEA                   // NMEA 0183 sentences
	Pattern                // a regular expression with named groups
	KeyValue               // pairs of a name and a value: "T:21.5,H=40"
	Fixed                  // values in columns of fixed width
	OBIS                   // data sets of meters by their OBIS codes (IEC 62056-21, DSMR P1): "1-0:1.8.0(000123.456*kWh)"
	Bytes                  // values at fixed positions of a binary telegram
	SML                    // telegrams of smart meters in the Smart Message Language
)

// FormatNames lists the names of the formats in a configuration, indexed by Format.
var FormatNames = []string{"json", "csv", "nmea", "regexp", "keyvalue", "fixed", "obis", "binary", "sml"}

// Limits of Config.MaxLine in bytes.
const (
	DefaultLine = 1 << 10
	MinLine     = 16
	MaxLine     = 64 << 10
)

// Config describes a device's lines and the events to make from them.
type Config struct {
	Format    Format
	Columns   []string // CSV and Fixed; columns named "" or "_" are left out
	Widths    []int    // Fixed: width of each column in characters
	Separator string   // CSV: one character, "" for a comma, " " for any white space; KeyValue: one or more characters
	Assign    string   // KeyValue: characters between a name and its value; "" for "=" and ":"
	Pattern   string   // Pattern
	Patterns  []string // Pattern: further expressions; the first that matches is used
	Sentences []string // NMEA: sentences to publish; empty for all
	Unchecked bool     // NMEA: accept sentences without a checksum; a checksum that is present must still be right
	Comma     bool     // numbers use a decimal comma

	Telegram *Telegram // messages that are not single lines; nil for lines
	Listed   bool      // events have only the values that Fields describes
	Ask      []Request // the request to the device
	Safe     bool      // characters of values that a topic cannot have are replaced; otherwise the reading is dropped
	Publishing

	Topic  string // may hold names in braces: field names, and for NMEA "sentence" and "talker"
	Time   string // source of an event's time: a field or one of the constants below; "" for TimeReceiver
	Zone   string // of a time without a zone, in the field that Time names; "" if the device sends none
	Fields []Field

	MaxLine int  // bytes; 0 for DefaultLine
	Latin1  bool // lines are ISO 8859-1; otherwise UTF-8
}

// Values of Config.Time.
const (
	TimeNone     = "none"     // events have no time
	TimeArrival  = "arrival"  // when the line arrived
	TimeReceiver = "receiver" // the time from a satellite receiver that has a fix, otherwise the time of arrival
)

// timeField reports whether Config.Time names a field.
func (c Config) timeField() bool {
	return c.Time != "" && c.Time != TimeNone && c.Time != TimeArrival && c.Time != TimeReceiver
}

// Field describes the conversion of one value.
type Field struct {
	Name  string // name given by the device, the columns or the groups
	As    string // name in the event; "" for Name
	Kind  Kind
	Scale reading.Scale
	Unit  string

	Deadband float64 // smaller differences are not a change

	// Bytes
	Binary Binary // instead of Kind
	At     int    // position in the telegram, from 0
	Length int    // BCD and Characters: in bytes
	Little bool   // lowest byte first
	Bit    int    // the value is this bit of the integer, 1 for the lowest; 0 for all of it

	comma bool // numbers use a decimal comma
}

// Kind is the type of a field's value.
type Kind uint8

const (
	Any     Kind = iota // a number if written in canonical form, otherwise text; for JSON the value's own type
	Number              // a number in any notation
	Text                // text, even if it looks like a number, such as 007
	Boolean             // true, on, yes, 1; false, off, no, 0
	Hex                 // an integer in hexadecimal digits, with or without 0x
	Bits                // an integer, hexadecimal with 0x, else decimal, as a list of booleans, lowest bit first
)

// KindNames lists the names of the kinds in a configuration, indexed by Kind.
var KindNames = []string{"", "number", "text", "boolean", "hex", "bits"}

// untimed adapts the parser of a format that does not need the time of arrival.
func untimed(parse func(line string) (record, error)) parsing {
	return func(line string, _ time.Time) (record, error) { return parse(line) }
}

// parse returns the format's parser. names lists the fields if they are known beforehand, otherwise it is nil.
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
	case OBIS:
		return untimed(parseOBIS), nil, nil
	case Bytes:
		return c.binary()
	case SML:
		return untimed(parseSML), nil, nil
	}
	return nil, nil, fmt.Errorf("format %d: out of range", c.Format)
}

func (c Config) csv() (parsing, []string, error) {
	if len(c.Columns) == 0 {
		return nil, nil, errors.New("columns are missing; name each value of a line")
	}
	if c.Comma && cmp.Or(c.Separator, ",") == "," {
		return nil, nil, errors.New("separator is the decimal comma; use another character, such as \";\"")
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

// names returns the names of the columns that are not left out.
func (c Config) names() (names []string, err error) {
	for _, name := range c.Columns {
		if name == "" || name == "_" {
			continue
		}
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("column %q occurs twice", name)
		}
		names = append(names, name)
	}
	return names, nil
}

func (c Config) fixed() (parsing, []string, error) {
	if len(c.Columns) == 0 || len(c.Columns) != len(c.Widths) {
		return nil, nil, fmt.Errorf("%d columns and %d widths: want one width for each column", len(c.Columns), len(c.Widths))
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
		return nil, nil, fmt.Errorf("separator %q and assign %q: want different characters and no decimal comma", separators, assigns)
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
		return nil, nil, errors.New("pattern is missing; write a regular expression with named groups, such as `t=(?P<temperature>[0-9.]+)`")
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
			return nil, nil, errors.New("pattern has no named group, such as (?P<temperature>[0-9.]+)")
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

// checkNames reports a name in c or topic that is not among the format's fields.
func (c Config) checkNames(names []string, topic reading.Template) error {
	final := slices.Clone(names)
	for _, f := range c.Fields {
		i := slices.Index(names, f.Name)
		if i < 0 {
			return fmt.Errorf("field %q: not found; the fields are %s", f.Name, strings.Join(names, ", "))
		}
		final[i] = cmp.Or(f.As, f.Name)
	}
	if c.timeField() && !slices.Contains(names, c.Time) {
		return fmt.Errorf("time %q: no such field; the fields are %s", c.Time, strings.Join(names, ", "))
	}
	for _, name := range topic.Names() {
		if !slices.Contains(final, name) {
			return fmt.Errorf("topic: there is no field {%s}; there are %s", name, strings.Join(final, ", "))
		}
	}
	return nil
}
