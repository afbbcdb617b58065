package lines

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// maxDepth bounds the nesting of a line's JSON, for the sake of the subscribers that decode it.
const maxDepth = 16

// Valid reports whether a line is JSON.
func Valid(line []byte) bool { return json.Valid(line) }

func parseJSON(line string) (r record, err error) {
	value, err := decodeJSON(line)
	if err != nil {
		repaired, ok := repairJSON(line)
		if !ok {
			return r, err
		}
		if value, err = decodeJSON(repaired); err != nil {
			return r, err
		}
	}
	if value, err = r.plain("", value, maxDepth); err != nil {
		return r, err
	}
	if value == nil && len(r.flaws) > 0 {
		return r, errors.New("not JSON: " + r.flaws[0])
	}
	switch v := value.(type) {
	case map[string]any:
		r.fields = v
	case []any:
		r.args, r.fields = v, map[string]any{}
	default:
		r.args, r.fields = []any{v}, map[string]any{}
	}
	return r, nil
}

func decodeJSON(line string) (value any, err error) {
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("not JSON: %w", short(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("not JSON: text after the value")
	}
	return value, nil
}

// unusable prefixes the string that replaces a value that is not JSON. A field with such a string is left out, even if
// the device itself sent it.
const unusable = "\x00no JSON: "

// bare matches an unquoted value that is not JSON, or the position of a missing value.
var bare = regexp.MustCompile(`^([:,\[]\s*)([^\s"{}\[\],:]+|[,}\]])`)

// maxRepaired is how many values of a line may be left out. A line with more is rejected.
const maxRepaired = 64

// repairJSON replaces values that are not JSON, such as nan, 007 or a missing value, so that the other values can be
// read. ok is false if nothing was replaced or too much would be.
func repairJSON(line string) (repaired string, ok bool) {
	var b strings.Builder
	for i, count := 0, 0; i < len(line); {
		if line[i] == '"' {
			end := i + 1
			for ; end < len(line) && line[end] != '"'; end++ {
				if line[end] == '\\' {
					end++
				}
			}
			end = min(end+1, len(line))
			b.WriteString(line[i:end])
			i = end
			continue
		}
		m := bare.FindStringSubmatch(line[i:])
		if m == nil || json.Valid([]byte(m[2])) || m[1][0] != ':' && strings.ContainsAny(m[2], ",}]") {
			b.WriteByte(line[i])
			i++
			continue
		}
		if count++; count > maxRepaired {
			return "", false
		}
		value := m[2]
		if strings.ContainsAny(value, ",}]") {
			value = ""
		}
		text, _ := json.Marshal(unusable + value)
		b.WriteString(m[1] + string(text))
		i, ok = i+len(m[1])+len(value), true
	}
	return b.String(), ok
}

// short drops offsets from errors about truncated JSON.
func short(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("ends too early")
	}
	return err
}

// plain converts the numbers of a value to int64, uint64 or float64 and removes unusable values: a field is left out, a
// list element becomes null. name is the field's name.
func (r *record) plain(name string, value any, depth int) (_ any, err error) {
	if depth == 0 {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	switch v := value.(type) {
	case json.Number:
		return jsonNumber(v), nil
	case string:
		if text, no := strings.CutPrefix(v, unusable); no {
			r.noteFlaw(name, fmt.Errorf("%.40q is not JSON", text))
			return nil, nil
		}
	case []any:
		for i := range v {
			if v[i], err = r.plain(name, v[i], depth-1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key, inner := range v {
			if text, isText := inner.(string); isText && strings.HasPrefix(text, unusable) {
				r.noteFlaw(key, fmt.Errorf("%.40q is not JSON", text[len(unusable):]))
				delete(v, key)
			} else if v[key], err = r.plain(key, inner, depth-1); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// jsonNumber reads a number. An integer that does not fit into 64 bits stays text, so that no digit is lost.
func jsonNumber(n json.Number) any {
	if number, exact := parse(n.String()); exact {
		return number
	}
	return n.String()
}
