package cli

import (
	"reflect"
	"testing"
)

func TestParseArgs(t *testing.T) {
	p, err := ParseArgs([]string{"1", "a"}, []string{"k=v", "n=2", "e="})
	if err != nil || !reflect.DeepEqual(p.Args, []any{int64(1), "a"}) || !reflect.DeepEqual(p.Kwargs, map[string]any{"k": "v", "n": int64(2), "e": ""}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, kw := range []string{"k", "=v", ""} {
		if _, err := ParseArgs(nil, []string{kw}); err == nil {
			t.Errorf("--kw %q passes", kw)
		}
	}
}
