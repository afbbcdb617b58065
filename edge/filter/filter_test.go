package filter

import (
	"slices"
	"strings"
	"testing"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

func read(t *testing.T, options map[string]any) (*Filter, error) {
	t.Helper()
	dict, err := codec.NewDict(wamp.CBOR, options)
	if err != nil {
		t.Fatal(err)
	}
	return Read(dict)
}

func TestAdmits(t *testing.T) {
	list := func(items ...any) []any { return items }
	for _, c := range []struct {
		options   map[string]any
		want      bool // for session 7, ann, guest
		bySession bool
	}{
		{map[string]any{}, true, false},
		{map[string]any{"exclude": list(7)}, false, true},
		{map[string]any{"exclude": list(8)}, true, true},
		{map[string]any{"exclude": list()}, true, true},
		{map[string]any{"exclude_authid": list("bob", "ann")}, false, false},
		{map[string]any{"exclude_authid": list("bob")}, true, false},
		{map[string]any{"exclude_authrole": list("guest")}, false, false},
		{map[string]any{"eligible": list(7)}, true, true},
		{map[string]any{"eligible": list()}, false, true},
		{map[string]any{"eligible": nil}, true, false},
		{map[string]any{"eligible_authid": list("ann")}, true, false},
		{map[string]any{"eligible_authid": list("bob")}, false, false},
		{map[string]any{"eligible_authrole": list()}, false, false},
		{map[string]any{"eligible_authrole": list("guest"), "exclude_authid": list("ann")}, false, false},
		{map[string]any{"unknown": list(7)}, true, false},
	} {
		f, err := read(t, c.options)
		if err != nil {
			t.Fatal(err)
		}
		if f.Admits(7, "ann", "guest") != c.want || f.BySession() != c.bySession {
			t.Errorf("%v: admits %v, by session %v", c.options, !c.want, f.BySession())
		}
	}
	if none := (*Filter)(nil); !none.Admits(7, "ann", "guest") || none.BySession() || none.Bytes() != 0 {
		t.Error("no lists are taken for some")
	}
}

func TestBounds(t *testing.T) {
	for what, options := range map[string]map[string]any{
		"ids":    {"exclude": slices.Repeat([]any{7}, maxListed+1)},
		"names":  {"exclude_authid": slices.Repeat([]any{"a"}, maxListed+1)},
		"both":   {"eligible": slices.Repeat([]any{7}, maxListed), "exclude_authrole": []any{"a"}},
		"bytes":  {"eligible_authrole": []any{strings.Repeat("x", maxNameBytes+1)}},
		"no id":  {"exclude": []any{"x"}},
		"number": {"exclude_authid": []any{1}},
		"list":   {"eligible": "x"},
	} {
		if _, err := read(t, options); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	f, err := read(t, map[string]any{"exclude": slices.Repeat([]any{7}, maxListed)})
	if err != nil || f.Bytes() < maxListed*8 {
		t.Errorf("%v, %d bytes", err, f.Bytes())
	}
	f, err = read(t, map[string]any{"eligible_authrole": []any{strings.Repeat("x", maxNameBytes)}})
	if err != nil || f.Bytes() < maxNameBytes {
		t.Errorf("%v, %d bytes", err, f.Bytes())
	}
}

func TestIsList(t *testing.T) {
	for key, want := range map[string]bool{"exclude": true, "eligible_authrole": true, "exclude_me": false, "": false} {
		if IsList([]byte(key)) != want {
			t.Errorf("IsList(%q) = %v", key, !want)
		}
	}
}
