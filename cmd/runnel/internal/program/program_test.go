package program

import (
	"reflect"
	"strings"
	"testing"
)

func TestFindProgram(t *testing.T) {
	for _, c := range []struct {
		command string
		args    []string
		want    []string
		ok      bool
	}{
		{"sh", []string{"-c", "a b"}, []string{"-c", "a b"}, true},
		{"sh -c exit", []string{"1"}, []string{"-c", "exit", "1"}, true},
		{"no-such-program", nil, nil, false},
		{"no-such-program -c", nil, nil, false},
		{"", nil, nil, false},
	} {
		p, err := Find(c.command, c.args)
		if (err == nil) != c.ok || c.ok && (!strings.HasSuffix(p.path, "/sh") || !reflect.DeepEqual(p.args, c.want)) {
			t.Errorf("%q %q: %+v, %v", c.command, c.args, p, err)
		}
	}
}

func TestArguments(t *testing.T) {
	cmd, err := Program{"/bin/echo", []string{"own"}}.command(t.Context(), "com.a", []any{"a b", int64(1), []byte{255}, map[string]any{"x": nil}}, map[string]any{"k": "v"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/bin/echo", "own", "a b", "1", "0xff", `{"x":null}`}; !reflect.DeepEqual(cmd.Args, want) {
		t.Errorf("%q", cmd.Args)
	}
	if _, err := (Program{}).command(t.Context(), "a", []any{"\x00"}, nil); err == nil {
		t.Error("NUL passes")
	}
}

func TestOutputIsBounded(t *testing.T) {
	h, e := &head{max: 5}, &tail{max: 5}
	for _, s := range []string{"abc", "def", "gh"} {
		for _, w := range []interface{ Write([]byte) (int, error) }{h, e} {
			if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
		}
	}
	if h.String() != "abcde" || !h.cut || string(e.kept) != "defgh" {
		t.Errorf("head %q %v, tail %q", h.String(), h.cut, e.kept)
	}
}

func TestResult(t *testing.T) {
	for output, want := range map[string][]any{"": nil, "\n": nil, "21\n": {int64(21)}, "two words\r\n": {"two words"}, "[1]": {[]any{int64(1)}}, "\xff": {"\uFFFD"}} {
		if got := result([]byte(output)).Args; !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q", output, got)
		}
	}
}
