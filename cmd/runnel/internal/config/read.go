package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/profiles"
	"runnel/cmd/runnel/internal/config/redact"
	"runnel/cmd/runnel/internal/config/spelling"
)

// maxConfig is the largest configuration file, in bytes. A thousand principals take a tenth of it.
const maxConfig = 1 << 20

// reader fills structs from TOML tables and collects all problems with their lines. The TOML library's own decoding stops at
// the first value of a wrong type and has no line for it.
type reader struct {
	problems *Problems
	dir      string              // of the file: the base of relative paths
	profiles *profiles.Catalogue // nil within a profile
}

// readConfig adds a file's settings to c. Single values replace earlier ones; lists of tables are appended.
func readConfig(c *Config, file, source string, problems *Problems) {
	if len(source) > maxConfig {
		*problems = append(*problems, Problem{File: file, Text: fmt.Sprintf("longer than %d bytes; split it into conf.d/*.toml", maxConfig)})
		return
	}
	_, deep := position.Locate(file, source)
	if deep > 0 {
		*problems = append(*problems, Problem{File: file, Line: deep, Text: fmt.Sprintf("nested deeper than %d levels", position.MaxDepth)})
		return
	}
	table, source := c.decode(file, source, problems)
	at, _ := position.Locate(file, source)
	r := reader{problems: problems, dir: filepath.Dir(file), profiles: &c.profiles}
	r.table(at, table, reflect.ValueOf(c).Elem())
	if at.Has("version") && c.Version != 1 {
		problems.Add(at, "version", "version %d is not known; this Runnel reads version = 1", c.Version)
		c.Version = 1
	}
}

// maxSyntax bounds the tables with syntax errors that are left out of a file: each costs another pass.
const maxSyntax = 16

// decode parses a file. It leaves out tables with a syntax error, after reporting them, and returns the text of the others.
func (c *Config) decode(file, source string, problems *Problems) (table map[string]any, rest string) {
	for last, n := 0, 0; ; n++ {
		table = nil
		_, err := toml.Decode(source, &table)
		if err == nil {
			return table, source
		}
		p := syntaxProblem(file, err)
		var lost string
		rest, lost, ok := position.Without(source, p.Line)
		if p.Line <= last || !ok || n == maxSyntax { // the table with the error was not found
			c.lost = append(c.lost, "realm")
			if n == 0 {
				*problems = append(*problems, p)
			}
			return nil, ""
		}
		*problems = append(*problems, p)
		source, last = rest, p.Line
		c.lost = append(c.lost, lost)
	}
}

func syntaxProblem(file string, err error) Problem {
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		line := syntax.Position.Line
		if strings.Contains(syntax.Message, "table") && strings.HasSuffix(syntax.Message, "got '\\n' instead") {
			line-- // of a header without its bracket, the library reports the line after it
		}
		return Problem{File: file, Line: line, Key: syntax.LastKey, Text: invalidTOML + ": " + redact.Syntax(syntax.Message)}
	}
	return Problem{File: file, Text: invalidTOML + ": " + redact.Syntax(err.Error())}
}

var placeType = reflect.TypeFor[Place]()

// table fills the struct out from table.
func (r reader) table(at Place, table map[string]any, out reflect.Value) {
	fields := map[string]int{}
	for i := range out.NumField() {
		if out.Type().Field(i).Type == placeType {
			out.Field(i).Set(reflect.ValueOf(at))
		} else if name := out.Type().Field(i).Tag.Get("toml"); name != "" {
			fields[name] = i
		}
	}
	for key, value := range table {
		i, ok := fields[key]
		if !ok {
			r.unknown(at, key, fields)
			continue
		}
		if out.Type().Field(i).Tag.Get("later") != "" {
			r.problems.Add(at, key, "%s is not in this version", key)
			continue
		}
		r.value(at, key, value, out.Field(i))
	}
}

// The beginnings of the texts of problems that concern no more than a key, or a table that is left out.
const (
	unknownKey  = "unknown key"
	invalidTOML = "not valid TOML"
)

func (r reader) unknown(at Place, key string, fields map[string]int) {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if near := spelling.Nearest(key, names); near != "" {
		r.problems.Add(at, key, unknownKey+"; did you mean %q?", near)
		return
	}
	r.problems.Add(at, key, unknownKey+"; known here: %s", strings.Join(names, ", "))
}

// value sets out, the field for at's key.
func (r reader) value(at Place, key string, value any, out reflect.Value) {
	switch t := out.Addr().Interface().(type) {
	case *Secret:
		r.secret(at, key, value, t)
		return
	case *Path:
		set(r, at, key, value, "a string", func(s string) { *t = Path(absolute(r.dir, s)) })
		return
	case text:
		r.text(at, key, value, t)
		return
	}
	switch out.Kind() {
	case reflect.String:
		set(r, at, key, value, "a string", out.SetString)
	case reflect.Bool:
		set(r, at, key, value, "true or false", out.SetBool)
	case reflect.Float64:
		r.float(at, key, value, out)
	case reflect.Int:
		set(r, at, key, value, "an integer", func(n int64) { r.integer(at, key, n, out) })
	case reflect.Pointer:
		out.Set(reflect.New(out.Type().Elem()))
		r.value(at, key, value, out.Elem())
	case reflect.Struct:
		r.structure(at, key, value, out)
	case reflect.Slice:
		r.list(at, key, value, out)
	case reflect.Map:
		set(r, at, key, value, "a table", func(table map[string]any) { r.names(at.Under(key, -1), table, out) })
	}
}

// names fills a map of strings.
func (r reader) names(at Place, table map[string]any, out reflect.Value) {
	out.Set(reflect.MakeMap(out.Type()))
	for key, value := range table {
		set(r, at, key, value, "a string", func(s string) { out.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(s)) })
	}
}

func (r reader) float(at Place, key string, value any, out reflect.Value) {
	if n, ok := value.(int64); ok {
		value = float64(n)
	}
	set(r, at, key, value, "a number", out.SetFloat)
}

func (r reader) integer(at Place, key string, n int64, out reflect.Value) {
	if n < 0 || out.OverflowInt(n) {
		r.problems.Add(at, key, "%d is out of range", n)
		return
	}
	out.SetInt(n)
}

// set stores a value of the right type, or reports which type is expected.
func set[T any](r reader, at Place, key string, value any, want string, store func(T)) {
	v, ok := value.(T)
	if !ok {
		r.problems.Add(at, key, "%s; write %s", redact.Value(key, value), want)
		return
	}
	store(v)
}

// secret reads a secret. A value of another type may be a secret without its quotes, so the message does not repeat it.
func (r reader) secret(at Place, key string, value any, out *Secret) {
	s, ok := value.(string)
	if !ok {
		r.problems.Add(at, key, "this is not a string; write one in quotes: the secret itself, file:PATH, env:NAME or cred:NAME")
		return
	}
	*out = Secret{s, r.dir}
}

func (r reader) text(at Place, key string, value any, out text) {
	s, ok := value.(string)
	if n, isInt := value.(int64); isInt {
		switch out := out.(type) {
		case *Size:
			s, ok = fmt.Sprint(n), true
		case *Address:
			r.integer(at, key, n, reflect.ValueOf(&out.number).Elem())
			return
		}
	}
	if !ok {
		r.problems.Add(at, key, "%s; write a string%s", redact.Value(key, value), like(out))
		return
	}
	if err := out.Parse(s); err != nil {
		r.problems.Add(at, key, "%v", err)
	}
}

// like returns an example of a value whose notation is not obvious.
func like(value text) string {
	switch value.(type) {
	case *Size:
		return `, like "64MB"`
	case *Duration:
		return `, like "10s"`
	case *Mode:
		return `, like "0660"`
	}
	return ""
}

func (r reader) structure(at Place, key string, value any, out reflect.Value) {
	set(r, at, key, value, "a table", func(table map[string]any) { r.table(at.Under(key, -1), table, out) })
}

// list appends to a list of strings, integers or tables. A single string stands for a list of one.
func (r reader) list(at Place, key string, value any, out reflect.Value) {
	if out.Type().Elem().Kind() == reflect.String {
		r.strings(at, key, value, out)
		return
	}
	if out.Type().Elem().Kind() == reflect.Int {
		r.integers(at, key, value, out)
		return
	}
	tables, ok := value.([]map[string]any)
	if list, isList := value.([]any); isList {
		tables, ok = asTables(list)
	}
	if !ok {
		r.problems.Add(at, key, "%s; write [[%s]] above the keys of each", redact.Value(key, value), at.Of(key).Path)
		return
	}
	for i, table := range tables {
		item := reflect.New(out.Type().Elem()).Elem()
		if s, ok := item.Addr().Interface().(*Serial); ok {
			r.serial(at.Under(key, i), table, s)
		} else {
			r.table(at.Under(key, i), table, item)
		}
		out.Set(reflect.Append(out, item))
	}
}

// asTables converts an array of inline tables to an array of tables.
func asTables(list []any) (tables []map[string]any, ok bool) {
	for _, v := range list {
		table, isTable := v.(map[string]any)
		if !isTable {
			return nil, false
		}
		tables = append(tables, table)
	}
	return tables, true
}

func (r reader) integers(at Place, key string, value any, out reflect.Value) {
	if n, ok := value.(int64); ok {
		value = []any{n}
	}
	list, ok := value.([]any)
	for _, v := range list {
		n, isInteger := v.(int64)
		ok = ok && isInteger
		item := reflect.New(out.Type().Elem()).Elem()
		r.integer(at, key, n, item)
		out.Set(reflect.Append(out, item))
	}
	if !ok {
		r.problems.Add(at, key, "%s; write a list of integers", redact.Value(key, value))
	}
}

func (r reader) strings(at Place, key string, value any, out reflect.Value) {
	if s, ok := value.(string); ok {
		value = []any{s}
	}
	list, ok := value.([]any)
	for _, v := range list {
		s, isString := v.(string)
		if !isString {
			ok = false
			continue
		}
		out.Set(reflect.Append(out, reflect.ValueOf(s)))
	}
	if !ok {
		r.problems.Add(at, key, "%s; write a list of strings, like [\"a\", \"b\"]", redact.Value(key, value))
	}
}
