package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	for _, text := range []string{"a longer text", "short"} {
		if err := Write(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
	}
	if _, err := os.Stat(file + ".new"); err == nil {
		t.Error("the temporary file is left")
	}
	// A file that cannot be written keeps its content.
	if err := os.Mkdir(file+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, []byte("lost"), 0o600); err == nil {
		t.Error("no error")
	}
	if got, _ := os.ReadFile(file); string(got) != "short" {
		t.Errorf("%q after a failed write", got)
	}
}
