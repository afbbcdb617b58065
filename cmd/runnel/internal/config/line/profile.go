package line

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"runnel/cmd/runnel/internal/config/decode"
	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/profiles"
	"runnel/cmd/runnel/internal/config/spelling"
	"runnel/cmd/runnel/internal/config/values"
)

// Profile is a device that [[serial]] can name. Its file has a description and one [[serial]] table. Each key of the table is
// the default for a key that the configuration does not set.
type Profile struct {
	Place       position.Place
	Description string   `toml:"description"`
	Serials     []Serial `toml:"serial"`

	Name, Text string
}

// openProfile returns a profile's file as a table.
func openProfile(l profiles.Catalogue, name string) (root map[string]any, at position.Place, text string, err error) {
	file, text, err := l.Text(name)
	if err != nil {
		return nil, at, "", err
	}
	at, deep := position.Locate(file, text)
	if deep > 0 || len(text) > decode.MaxFile {
		return nil, at, "", position.Problem{File: file, Line: deep, Text: "too long, or nested too deeply"}
	}
	if _, err := toml.Decode(text, &root); err != nil {
		return nil, at, "", decode.SyntaxProblem(file, err)
	}
	if tables, _ := root["serial"].([]map[string]any); len(tables) != 1 {
		return nil, at, "", position.Problem{File: file, Key: "serial", Text: "a profile must have exactly one [[serial]] table"}
	}
	return root, at, text, nil
}

// Profiles returns all profiles of a catalogue, sorted by name. The error lists the invalid ones.
func Profiles(l profiles.Catalogue) (list []Profile, err error) {
	problems := position.Problems{}
	for _, name := range l.Names() {
		root, at, text, err := openProfile(l, name)
		var p position.Problem
		if err != nil && !errors.As(err, &p) {
			p = position.Problem{Text: err.Error()}
		}
		if err != nil {
			problems = append(problems, p)
			continue
		}
		known := Profile{Name: name, Text: text}
		r := decode.Reader{Problems: &problems, Dir: filepath.Dir(at.File)}
		r.Struct(at, root, &known)
		list = append(list, known)
	}
	return list, problems.Err()
}

// Decode reads a [[serial]] table, and the profile that it names.
func (s *Serial) Decode(r decode.Reader, at position.Place, table map[string]any) {
	preset, from := s.preset(r, at, table)
	inner := decode.Reader{Problems: r.Problems, Dir: filepath.Dir(from.File)}
	inner.Struct(from, preset, s)
	r.Struct(at, table, s)
	for key := range preset {
		s.Place = s.Place.Adopting(key, from)
	}
}

const nested = "a profile cannot name another one; remove it"

// preset returns the keys of the table's profile that the table does not override.
func (s *Serial) preset(r decode.Reader, at position.Place, table map[string]any) (preset map[string]any, from position.Place) {
	name, ok := table["profile"].(string)
	if !ok || name == "" {
		return nil, from
	}
	if r.Profiles == nil {
		r.Problems.Add(at, "profile", nested)
		return nil, from
	}
	root, top, _, err := openProfile(*r.Profiles, name)
	if err != nil {
		s.Unread = true
		noProfile(r, at, name, err)
		return nil, from
	}
	preset, from = maps.Clone(root["serial"].([]map[string]any)[0]), top.Under("serial", 0)
	if from.Has("profile") {
		r.Problems.Add(from, "profile", nested)
	}
	for _, key := range overridden(preset, table) {
		delete(preset, key)
	}
	return preset, from
}

// noProfile reports that a profile does not exist or cannot be read.
func noProfile(r decode.Reader, at position.Place, name string, err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		r.Problems.Add(at, "profile", "%v", err)
		return
	}
	r.Problems.Add(at, "profile", "%s", unknownProfile(name, r.Profiles.Names()))
}

// unknownProfile returns the message for an unknown profile, with similar names.
func unknownProfile(name string, names []string) string {
	near := spelling.Similar(name, names)
	if len(near) == 0 {
		return fmt.Sprintf("unknown profile %.80q; \"runnel serial profiles\" lists all", name)
	}
	return fmt.Sprintf("unknown profile %.80q; did you mean %s? \"runnel serial profiles\" lists all", name, values.OneOf(near...))
}

// overridden lists the keys of a profile that a table overrides: the keys that the table sets, and keys of another mode or
// format than the table's.
func overridden(preset, table map[string]any) (keys []string) {
	keys = slices.Collect(maps.Keys(table))
	set := func(key string) bool { return table[key] != nil }
	if set("device") || set("usb") {
		keys = append(keys, "device", "usb")
	}
	if set("pattern") || set("patterns") {
		keys = append(keys, "pattern", "patterns")
	}
	if mode := table["mode"]; mode != nil && mode != preset["mode"] {
		keys = slices.Concat(keys, wampKeys, linkKeys, linesKeys, busKeys, []string{"framing"})
	}
	if format := table["format"]; format != nil && format != preset["format"] {
		for _, of := range formatKeys {
			keys = append(keys, of.key)
		}
		keys = append(keys, "field")
	}
	return keys
}

// serialHeader matches the header of a profile's table.
var serialHeader = regexp.MustCompile(`(?m)^[ \t]*\[\[ *serial *\]\].*\n`)

// Start returns the profile as a [[serial]] table to start from.
func (p *Profile) Start() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n[[serial]]\n", strings.Join(strings.Fields(p.Description), " "))
	s := &p.Serials[0]
	if s.Name == "" {
		fmt.Fprintf(&b, "name = %q\n", p.Name)
	}
	if s.Device == "" && s.USB == nil {
		b.WriteString("device = \"/dev/ttyUSB0\"\n")
	}
	if topic := p.Topic("com.example." + strings.ReplaceAll(p.Name, "-", "_")); topic != "" {
		fmt.Fprintf(&b, "topic = %q\n", topic)
	}
	if at := serialHeader.FindStringIndex(p.Text); at != nil {
		b.WriteString(p.Text[at[1]:])
	}
	return b.String()
}

// Topic returns a topic for the device's readings, below a prefix without its last dot; "" if the profile has a topic.
func (p *Profile) Topic(prefix string) string {
	switch s := p.Serials[0]; {
	case s.Topic != "" || s.Mode == "" || s.Mode == "wamp":
		return ""
	case s.Mode == "modbus":
		return prefix + ".{name}"
	case s.Format == "nmea":
		return prefix + ".{sentence}"
	}
	return prefix
}

// Mode returns the mode of a line with this profile.
func (p *Profile) Mode() string { return cmp.Or(p.Serials[0].Mode, "wamp") }

// FindProfile returns the profile with a name.
func FindProfile(l profiles.Catalogue, name string) (*Profile, error) {
	list, err := Profiles(l)
	if i := slices.IndexFunc(list, func(p Profile) bool { return p.Name == name }); i >= 0 {
		return &list[i], nil
	}
	names := l.Names()
	if err != nil && slices.Contains(names, name) {
		return nil, err // it cannot be read
	}
	return nil, errors.New(unknownProfile(name, names))
}
