// Package decode reads TOML files into structs. Every problem names its file, line and key.
package decode

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/profiles"
	"runnel/cmd/runnel/internal/config/redact"
	"runnel/cmd/runnel/internal/config/spelling"
	"runnel/cmd/runnel/internal/config/values"
)

// MaxFile is the largest file, in bytes. A thousand principals take a tenth of it.
const MaxFile = 1 << 20

// Reader fills structs from TOML tables and collects all problems with their lines. The TOML library's own decoding stops at
// the first value of a wrong type and has no line for it.
type Reader struct {
	Problems *Problems
	Dir      string              // of the file: the base of relative paths
	Profiles *profiles.Catalogue // nil within a profile
}

// Table is a struct that reads its table itself.
type Table interface {
	Decode(r Reader, at Place, table map[string]any)
}

// integer is a value that may also be written as an integer.
type integer interface{ ParseInt(n int64) error }

type (
	Place    = position.Place
	Problem  = position.Problem
	Problems = position.Problems
)

// maxSyntax bounds the tables with syntax errors that are left out of a file: each costs another pass.
const maxSyntax = 16

// Parse parses a file of the configuration. It reports and leaves out top-level tables with a syntax error, and
// returns their names in lost. ok is false if nothing can be read.
func Parse(file, source string, problems *Problems) (table map[string]any, at Place, lost []string, ok bool) {
	if len(source) > MaxFile {
		*problems = append(*problems, Problem{File: file, Text: fmt.Sprintf("longer than %d bytes; split it into conf.d/*.toml", MaxFile)})
		return nil, at, nil, false
	}
	if _, deep := position.Locate(file, source); deep > 0 {
		*problems = append(*problems, Problem{File: file, Line: deep, Text: fmt.Sprintf("nested deeper than %d levels", position.MaxDepth)})
		return nil, at, nil, false
	}
	table, source, lost = salvage(file, source, problems)
	at, _ = position.Locate(file, source)
	return table, at, lost, true
}

// salvage parses a file. It leaves out tables with a syntax error, and returns the text of the others.
func salvage(file, source string, problems *Problems) (table map[string]any, rest string, lost []string) {
	for last, n := 0, 0; ; n++ {
		table = nil
		_, err := toml.Decode(source, &table)
		if err == nil {
			return table, source, lost
		}
		p := SyntaxProblem(file, err)
		rest, left, ok := position.Without(source, p.Line)
		if p.Line <= last || !ok || n == maxSyntax { // the table with the error was not found
			if n == 0 {
				*problems = append(*problems, p)
			}
			return nil, "", append(lost, "realm")
		}
		*problems = append(*problems, p)
		source, last, lost = rest, p.Line, append(lost, left)
	}
}

// SyntaxProblem describes an error of the TOML library.
func SyntaxProblem(file string, err error) Problem {
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		line := syntax.Position.Line
		if strings.Contains(syntax.Message, "table") && strings.HasSuffix(syntax.Message, "got '\\n' instead") {
			line-- // of a header without its bracket, the library reports the line after it
		}
		return Problem{File: file, Line: line, Key: syntax.LastKey, Text: InvalidTOML + ": " + redact.Syntax(syntax.Message)}
	}
	return Problem{File: file, Text: InvalidTOML + ": " + redact.Syntax(err.Error())}
}

var placeType = reflect.TypeFor[Place]()

// Struct fills the struct that out points to from table.
func (r Reader) Struct(at Place, table map[string]any, out any) {
	r.table(at, table, reflect.ValueOf(out).Elem())
}

func (r Reader) table(at Place, table map[string]any, out reflect.Value) {
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
		r.value(at, key, value, out.Field(i))
	}
}

// Prefixes of the texts of problems that concern only a key, or a table that is left out.
const (
	UnknownKey  = "unknown key"
	InvalidTOML = "not valid TOML"
)

func (r Reader) unknown(at Place, key string, fields map[string]int) {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if near := spelling.Nearest(key, names); near != "" {
		r.Problems.Add(at, key, UnknownKey+"; did you mean %q?", near)
		return
	}
	r.Problems.Add(at, key, UnknownKey+"; known here: %s", strings.Join(names, ", "))
}

// value sets out, the field for at's key.
func (r Reader) value(at Place, key string, value any, out reflect.Value) {
	switch t := out.Addr().Interface().(type) {
	case *values.Secret:
		r.secret(at, key, value, t)
		return
	case *values.Path:
		set(r, at, key, value, "a string", func(s string) { *t = values.Path(values.Absolute(r.Dir, s)) })
		return
	case values.Text:
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
func (r Reader) names(at Place, table map[string]any, out reflect.Value) {
	out.Set(reflect.MakeMap(out.Type()))
	for key, value := range table {
		set(r, at, key, value, "a string", func(s string) { out.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(s)) })
	}
}

func (r Reader) float(at Place, key string, value any, out reflect.Value) {
	if n, ok := value.(int64); ok {
		value = float64(n)
	}
	set(r, at, key, value, "a number", out.SetFloat)
}

func (r Reader) integer(at Place, key string, n int64, out reflect.Value) {
	if n < 0 {
		r.Problems.Add(at, key, "%d is out of range; write 0 or more", n)
		return
	}
	if out.OverflowInt(n) {
		r.Problems.Add(at, key, "%d is out of range; write 0 to %d", n, int64(1)<<(out.Type().Bits()-1)-1)
		return
	}
	out.SetInt(n)
}

// set stores a value of the right type, or reports which type is expected.
func set[T any](r Reader, at Place, key string, value any, want string, store func(T)) {
	v, ok := value.(T)
	if !ok {
		r.Problems.Add(at, key, "%s; write %s", redact.Value(key, value), want)
		return
	}
	store(v)
}

// secret reads a secret. A value of another type may be a secret without its quotes, so the message does not repeat it.
func (r Reader) secret(at Place, key string, value any, out *values.Secret) {
	s, ok := value.(string)
	if !ok {
		r.Problems.Add(at, key, "this is not a string; write one in quotes: the secret itself, file:PATH, env:NAME or cred:NAME")
		return
	}
	*out = values.NewSecret(r.Dir, s)
}

func (r Reader) text(at Place, key string, value any, out values.Text) {
	s, ok := value.(string)
	if n, isInt := value.(int64); isInt {
		if out, takes := out.(integer); takes {
			r.report(at, key, out.ParseInt(n))
			return
		}
	}
	if !ok {
		r.Problems.Add(at, key, "%s; write a string%s", redact.Value(key, value), like(out))
		return
	}
	r.report(at, key, out.Parse(s))
}

func (r Reader) report(at Place, key string, err error) {
	if err != nil {
		r.Problems.Add(at, key, "%v", err)
	}
}

// like returns an example of a value for types with a special notation.
func like(value values.Text) string {
	switch value.(type) {
	case *values.Size:
		return `, like "64MB"`
	case *values.Duration:
		return `, like "10s"`
	case *values.Mode:
		return `, like "0660"`
	}
	return ""
}

func (r Reader) structure(at Place, key string, value any, out reflect.Value) {
	set(r, at, key, value, "a table", func(table map[string]any) { r.table(at.Under(key, -1), table, out) })
}

// list appends to a list of strings, integers or tables. A single string stands for a list of one.
func (r Reader) list(at Place, key string, value any, out reflect.Value) {
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
		r.Problems.Add(at, key, "%s; write [[%s]] above the keys of each", redact.Value(key, value), at.Of(key).Path)
		return
	}
	for i, table := range tables {
		item := reflect.New(out.Type().Elem()).Elem()
		if own, ok := item.Addr().Interface().(Table); ok {
			own.Decode(r, at.Under(key, i), table)
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

func (r Reader) integers(at Place, key string, value any, out reflect.Value) {
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
		r.Problems.Add(at, key, "%s; write a list of integers", redact.Value(key, value))
	}
}

func (r Reader) strings(at Place, key string, value any, out reflect.Value) {
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
		r.Problems.Add(at, key, "%s; write a list of strings, like [\"a\", \"b\"]", redact.Value(key, value))
	}
}
