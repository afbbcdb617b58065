package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 100<<10) // longer than the reader's buffer
	for in, want := range map[string]string{
		"": ``, "\n": `"" 0`, "a": `"a" 1`, "a\nb": `"a" 1, "b" 1`, "a\n": `"a" 1`, "a\r\nb\n": `"a" 2, "b" 1`,
		"12345\n": `"12345" 5`, "12345": `"12345" 5`, "123456\nb": `"" 6, "b" 1`, "123456": `"" 6`,
		long + "\nb": fmt.Sprintf(`"" %d, "b" 1`, len(long)),
	} {
		var got []string
		for line, err := range Lines(t.Context(), strings.NewReader(in), 5) {
			if err != nil {
				t.Errorf("%.20q: %v", in, err)
			}
			got = append(got, fmt.Sprintf("%q %d", line.Text, line.Size))
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%.20q: %s, want %s", in, text, want)
		}
	}
}

func TestLinesEnd(t *testing.T) {
	broken := errors.New("broken")
	var got []string
	for line, err := range Lines(t.Context(), io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), 5) {
		if got = append(got, line.Text); err != nil && (!errors.Is(err, broken) || len(got) != 3) {
			t.Errorf("%q, %v", got, err)
		}
	}
	if len(got) != 3 {
		t.Errorf("%q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, out := io.Pipe()
	defer out.Close()
	go out.Write([]byte("a\n"))
	for line := range Lines(ctx, in, 5) {
		if cancel(); line.Text != "a" {
			t.Errorf("%q", line.Text)
		}
	}
	if ctx.Err() == nil {
		t.Error("no line came")
	}
}
