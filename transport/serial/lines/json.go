package lines

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxDepth bounds the nesting of a line's JSON, so that what a device prints can't be too deep for whoever receives it.
const maxDepth = 16

// Valid reports whether a line is JSON.
func Valid(line []byte) bool { return json.Valid(line) }

func parseJSON(line string) (r record, err error) {
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return r, fmt.Errorf("not JSON: %w", short(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return r, errors.New("not JSON: more follows behind it")
	}
	if value, err = plain(value, maxDepth); err != nil {
		return r, err
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

// short leaves out what repeats the line.
func short(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("it ends too early")
	}
	return err
}

// plain turns the numbers of a value into int64, uint64 or float64.
func plain(value any, depth int) (_ any, err error) {
	if depth == 0 {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	switch v := value.(type) {
	case json.Number:
		return jsonNumber(v), nil
	case []any:
		for i := range v {
			if v[i], err = plain(v[i], depth-1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = plain(v[key], depth-1); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

func jsonNumber(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u
	}
	if f, err := n.Float64(); err == nil {
		return f
	}
	return n.String() // no number of this machine's
}
