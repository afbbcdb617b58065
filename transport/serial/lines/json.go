package lines

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// maxDepth bounds the nesting of a line's JSON, so that what a device prints can't be too deep for whoever receives it.
const maxDepth = 16

// Valid reports whether a line is JSON.
func Valid(line []byte) bool { return json.Valid(line) }

func parseJSON(line string) (r record, err error) {
	value, err := decodeJSON(line)
	if err != nil {
		mended, ok := mendJSON(line)
		if !ok {
			return r, err
		}
		if value, err = decodeJSON(mended); err != nil {
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
		return nil, errors.New("not JSON: more follows behind it")
	}
	return value, nil
}

// unusable begins the text that stands for a value that is no JSON. A device that sends it has its field left out.
const unusable = "\x00no JSON: "

// bare is a value without quotes that JSON does not know, or the place of one that is missing.
var bare = regexp.MustCompile(`^([:,\[]\s*)([^\s"{}\[\],:]+|[,}\]])`)

// maxMended is how many values of a line are left out at most. A line with more is no JSON.
const maxMended = 64

// mendJSON replaces values that are no JSON, such as nan, 007 or none at all, so that the others can be read.
func mendJSON(line string) (mended string, ok bool) {
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
		if count++; count > maxMended {
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

// short leaves out what repeats the line.
func short(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("it ends too early")
	}
	return err
}

// plain turns the numbers of a value into int64, uint64 or float64, and takes out what is unusable: a field is left out,
// an element becomes null. name is the field's.
func (r *record) plain(name string, value any, depth int) (_ any, err error) {
	if depth == 0 {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	switch v := value.(type) {
	case json.Number:
		return jsonNumber(v), nil
	case string:
		if text, no := strings.CutPrefix(v, unusable); no {
			r.flaw(name, fmt.Errorf("%.40q is no JSON", text))
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
				r.flaw(key, fmt.Errorf("%.40q is no JSON", text[len(unusable):]))
				delete(v, key)
			} else if v[key], err = r.plain(key, inner, depth-1); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// jsonNumber reads a number. A whole one with more digits than a number has stays text, with all of them.
func jsonNumber(n json.Number) any {
	if number, exact := parse(n.String()); exact {
		return number
	}
	return n.String()
}
