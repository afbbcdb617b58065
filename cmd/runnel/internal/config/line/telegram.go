package line

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config/check"
	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/values"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/reading"
)

// Octets are bytes: text, or "hex:" and hexadecimal digits.
type Octets string

// Parse implements values.Text.
func (o *Octets) Parse(s string) error {
	digits, isHex := strings.CutPrefix(s, "hex:")
	if !isHex {
		*o = Octets(s)
		return nil
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
	if err != nil {
		return fmt.Errorf("%q is not hexadecimal; write two digits for each byte, like \"hex:42 4d\"", s)
	}
	*o = Octets(b)
	return nil
}

// Telegram describes messages that are not single lines.
type Telegram struct {
	Place      position.Place
	Begin      Octets          `toml:"begin"`
	End        Octets          `toml:"end"`
	Trailer    int             `toml:"trailer"` // bytes after the end
	Length     int             `toml:"length"`
	LengthType string          `toml:"length_type"` // of a length within the telegram
	LengthAt   int             `toml:"length_at"`
	LengthAdd  int             `toml:"length_add"`
	Order      string          `toml:"order"` // of the length and the check: big (default), little
	Silence    values.Duration `toml:"silence"`
	Max        values.Size     `toml:"max"`
	Check      string          `toml:"check"`
	CheckAs    string          `toml:"check_as"`       // binary (default), hex
	CheckSkip  int             `toml:"check_skip"`     // bytes at the beginning that are not covered
	SkipEnd    int             `toml:"check_skip_end"` // bytes before the value that are not covered
	LineCheck  string          `toml:"line_check"`     // of each line within: tic
}

func (s *Serial) checkTelegram(k check.Keys) {
	t := s.Telegram
	if t == nil {
		return
	}
	problems := len(*k.Problems)
	k.Choice(t.Place, "length_type", t.LengthType, "uint8", "uint16", "uint24", "uint32")
	k.Choice(t.Place, "order", t.Order, "big", "little")
	k.Choice(t.Place, "check", t.Check, lines.CheckNames()...)
	k.Choice(t.Place, "line_check", t.LineCheck, lines.LineCheckNames...)
	if slices.Contains([]string{"json", "obis", "binary"}, s.Format) && t.Place.Has("line_check") {
		k.Add(t.Place, "line_check", "format = %q reads the telegram as a whole; remove it", s.Format)
	}
	k.Choice(t.Place, "check_as", t.CheckAs, "binary", "hex")
	for key, needs := range map[string]string{"length_at": "length_type", "length_add": "length_type", "check_as": "check", "check_skip": "check", "check_skip_end": "check"} {
		if t.Place.Has(key) && !t.Place.Has(needs) {
			k.Add(t.Place, key, "only with %s; remove it", needs)
		}
	}
	if err := t.config().Validate(); err != nil && len(*k.Problems) == problems {
		k.Add(t.Place, "", "%s", strings.TrimPrefix(err.Error(), "telegram: "))
	}
}

// config returns the options of the telegram, or nil.
func (t *Telegram) config() *lines.Telegram {
	if t == nil {
		return nil
	}
	little := t.Order == "little"
	return &lines.Telegram{
		Begin: []byte(t.Begin), End: []byte(t.End), Trailer: t.Trailer, Length: t.Length,
		LengthType: lines.Binary(max(0, slices.Index(lines.BinaryNames, t.LengthType))), LengthAt: t.LengthAt, LengthAdd: t.LengthAdd,
		Little: little, Silence: time.Duration(t.Silence), Max: int(t.Max),
		Check:     lines.Check{Name: t.Check, Hex: t.CheckAs == "hex", Little: little, Skip: t.CheckSkip, SkipEnd: t.SkipEnd},
		LineCheck: t.LineCheck,
	}
}

// checkField checks a field of a device's lines or telegrams.
func (s *Serial) checkField(k check.Keys, f *Field) {
	k.Required(f.Place, "name", f.Name)
	if f.Deadband < 0 || f.Deadband > 0 && s.Publish != "change" {
		k.Add(f.Place, "deadband", "a positive number, and only with publish = \"change\" of the line")
	}
	if s.Format == "binary" {
		k.Required(f.Place, "type", f.Type)
		k.Choice(f.Place, "type", f.Type, lines.BinaryNames[1:]...)
		k.Choice(f.Place, "order", f.Order, "big", "little")
		return
	}
	k.Choice(f.Place, "type", f.Type, lines.KindNames[1:]...)
	for _, key := range []string{"at", "length", "order", "bit"} {
		if f.Place.Has(key) {
			k.Add(f.Place, key, "only for format = \"binary\"; remove it")
		}
	}
}

// config returns the options of the field. Its position is set for binary telegrams only.
func (f *Field) config(binary bool) (c lines.Field) {
	c = lines.Field{Name: f.Name, As: f.As, Unit: f.Unit, Deadband: f.Deadband, Scale: reading.Scale{Factor: f.Scale, Offset: f.Offset}}
	if !binary {
		c.Kind = lines.Kind(max(0, slices.Index(lines.KindNames, f.Type)))
		return c
	}
	c.Binary, c.Little = lines.Binary(max(0, slices.Index(lines.BinaryNames, f.Type))), f.Order == "little"
	c.At, c.Length = f.At, f.Length
	if f.Bit != nil {
		c.Bit = *f.Bit + 1
	}
	return c
}
