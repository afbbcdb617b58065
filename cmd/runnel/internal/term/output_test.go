package term

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"runnel/test/kit"
)

// stdout makes a file the standard output until the test ends.
func stdout(t *testing.T, f *os.File, err error) {
	t.Helper()
	kit.Must(t, err)
	own := os.Stdout
	os.Stdout = f
	t.Cleanup(func() { os.Stdout = own; f.Close() })
}

// A program that reads standard output gets one line per row. A terminal gets folded lines.
func TestStdoutReaders(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 30))
	file := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(file)
	stdout(t, f, err)
	if ForPeople(Stdout) || ForPeople(f) {
		t.Error("a file is for people")
	}
	table := NewTable(Stdout)
	table.WriteString("a\t" + long + "  \n")
	kit.Must(t, table.Print())
	kit.Must(t, PrintLine(Stdout, "end", nil))
	if text, err := os.ReadFile(file); err != nil || string(text) != "a  "+long+"\nend\n" {
		t.Errorf("%q, %v", text, err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	stdout(t, null, err)
	if !ForPeople(Stdout) || ForPeople(null) {
		t.Error("only standard output is for people if it is a device")
	}
}

// Standard output that its reader has closed has an error of its own.
func TestStdoutClosed(t *testing.T) {
	r, w, err := os.Pipe()
	stdout(t, w, err)
	kit.Must(t, r.Close())
	if err := PrintLine(Stdout, "x", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed pipe: %v", err)
	}
	null, err := os.Open(os.DevNull)
	stdout(t, null, err)
	if err := PrintLine(Stdout, "x", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a file that is not open for writing: %v", err)
	}
	kit.Must(t, null.Close())
	if err := PrintLine(Stdout, "x", nil); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("another error: %v", err)
	}
	var b strings.Builder
	failure := errors.New("no text")
	if err := PrintLine(&b, "x", failure); err != failure || b.Len() > 0 {
		t.Errorf("%q, %v", &b, err)
	}
}

// A password that is no terminal's is the first line.
func TestPasswordLine(t *testing.T) {
	longest := strings.Repeat("x", maxPassword)
	for in, want := range map[string]string{"sesame\nrest": "sesame", "sesame\r\n": "sesame", "sesame": "sesame", " a \n": " a ", longest + "\n": longest, longest + "x\n": "", "": "", "\n": ""} {
		file, err := os.Open(kit.Write(t, t.TempDir(), "in", in))
		kit.Must(t, err)
		if got, err := ReadPassword(file, new(strings.Builder)); got != want || (err == nil) != (want != "") {
			t.Errorf("%.20q: %.20q, %v", in, got, err)
		}
		file.Close()
		if _, err := ReadPassword(file, new(strings.Builder)); !errors.Is(err, os.ErrClosed) {
			t.Errorf("a closed file: %v", err)
		}
	}
}

func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "gw-1.ü~!": "gw-1.ü~!", "a b": `"a b"`, "a=b": `"a=b"`, `a"b`: `"a\"b"`, "a\x7f": `"a\x7f"`, "a\u202eb": `"a\u202eb"`,
	} {
		if got := Printable(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain ü": "plain ü", "ü\x1b[2J": `ü\u001b[2J`, "a\u202eb": `a\u202eb`, "\uffff": `\uffff`, "\U0001f600": "\U0001f600", "\U000e0001": `\udb40\udc01`,
	} {
		if got := Harmless(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// Scripts find arguments in each object, also if there are none.
func TestAddPayload(t *testing.T) {
	for _, c := range []struct {
		args   []any
		kwargs map[string]any
	}{{nil, nil}, {[]any{1}, map[string]any{"a": 2}}} {
		object := map[string]any{"x": 1}
		AddPayload(object, c.args, c.kwargs)
		want := map[string]any{"x": 1, "args": append([]any{}, c.args...), "kwargs": map[string]any{}}
		if c.kwargs != nil {
			want["kwargs"] = c.kwargs
		}
		if !reflect.DeepEqual(object, want) {
			t.Errorf("%v, want %v", object, want)
		}
	}
}

// A value that has no form in JSON is an error.
func TestNoText(t *testing.T) {
	bad := func() {}
	if text, err := PlainText([]any{1, bad}, nil); err == nil || text != "" {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := PlainText(nil, map[string]any{"a": bad}); err == nil || text != "" {
		t.Errorf("%s, %v", text, err)
	}
}
