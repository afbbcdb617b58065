package setup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"runnel/test/kit"
	"runnel/transport/serial"
	"runnel/transport/serial/detect"
)

// An answer that cannot be read is an error, and no default.
func TestPrompterFails(t *testing.T) {
	broken := errors.New("broken")
	ask := func() *Prompter { return NewPrompter(iotest.ErrReader(broken), new(bytes.Buffer), false) }
	if text, err := ask().Text("q", "u", func(string) error { return nil }); !errors.Is(err, broken) || text != "" {
		t.Errorf("%q, %v", text, err)
	}
	if yes, err := ask().Confirm("q"); !errors.Is(err, broken) || yes {
		t.Errorf("%v, %v", yes, err)
	}
}

// The question shows the default. A rejected answer gets the reason, and the question again.
func TestPrompterAsks(t *testing.T) {
	var out bytes.Buffer
	check := func(text string) error {
		if text == "bad" {
			return errors.New("not so")
		}
		return nil
	}
	a := NewPrompter(strings.NewReader(""), &out, false)
	for range 2 { // the end of the input is the answer to all further questions
		if got, err := a.Text("Q", "u", check); got != "u" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if out.String() != "Q [u]: \n" {
		t.Errorf("%q", out.String())
	}
	for usual, want := range map[string]string{"": "Q: not so\nQ: ", "u": "Q [u]: not so\nQ [u]: "} {
		out.Reset()
		a := NewPrompter(strings.NewReader("bad\ngood\n"), &out, false)
		if got, err := a.Text("Q", usual, check); got != "good" || err != nil || out.String() != want {
			t.Errorf("%q, %v, asked %q", got, err, out.String())
		}
	}
}

// A file that is in the way of the key, the certificate or the configuration is an error. It names the file, and it leaves the
// configuration as it is.
func TestInitFails(t *testing.T) {
	gateway, centre := Answers{Kind: Gateway, ID: "gw-1", Centres: []string{"tcp://c:8080"}}, Answers{Kind: Centre, ID: "c"}
	for _, c := range []struct {
		what, dir string // dir: a directory in the place of a file
		answers   Answers
		want      string
	}{
		{"the key", "gateway.key", gateway, "gateway.key"},
		{"the certificate", "runnel.crt", centre, "runnel.crt"},
		{"the certificate's key", "runnel.key", centre, "its key "},
		{"the configuration", "runnel.toml", centre, "read configuration "},
		{"the copy", "runnel.toml.old/x", centre, "keep the old configuration "},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "runnel.toml")
		if c.what != "the configuration" {
			kit.Write(t, dir, "runnel.toml", "version = 1\n")
		}
		kit.Must(t, os.MkdirAll(filepath.Join(dir, c.dir), 0o700))
		if _, text, err := written(t, Init{Answers: c.answers, File: file, Force: true}); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(text, "wrote "+file) {
			t.Errorf("%s: %v\n%s", c.what, err, text)
		}
		if text, err := os.ReadFile(file); err == nil && string(text) != "version = 1\n" {
			t.Errorf("%s: the configuration is replaced", c.what)
		}
	}
	file := filepath.Join(kit.Write(t, t.TempDir(), "file", ""), "runnel.toml")
	if _, _, err := written(t, Init{Answers: centre, File: file}); err == nil {
		t.Error("a configuration is written below a file")
	}
}

// A key or a certificate that cannot be written is an error, and nothing is left.
func TestKeysThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "none")
	crt, key := filepath.Join(dir, "a.crt"), filepath.Join(none, "a.key")
	if _, made, err := openCertificate(crt, key, []string{"a"}); err == nil || made || !strings.HasPrefix(err.Error(), "write key "+key) {
		t.Errorf("the key of a certificate: %v", err)
	}
	if _, made, err := openCertificate(filepath.Join(none, "a.crt"), filepath.Join(dir, "a.key"), []string{"a"}); err == nil || made || !strings.HasPrefix(err.Error(), "write certificate ") {
		t.Errorf("a certificate: %v", err)
	}
	if _, made, err := openKey(key); err == nil || made || !strings.HasPrefix(err.Error(), "write key "+key) {
		t.Errorf("a key: %v", err)
	}
	if _, err := NewKey(key); err == nil || !strings.HasPrefix(err.Error(), "write key "+key+": no such file") {
		t.Errorf("a new key: %v", err)
	}
}

// Text in an unknown format is published as it is.
func TestFormatOfUnknownText(t *testing.T) {
	l := &Line{Port: serial.Config{Device: "/dev/ttyS9"}, Detected: detect.Guess{Kind: detect.Text, Sample: "x"}}
	if text := l.Text(); !strings.Contains(text, "format = \"regexp\"\npattern = '(?P<text>.*)'\n") || !strings.Contains(text, "type = \"text\"") {
		t.Error(text)
	}
}

// A port that cannot be opened is an error, and its settings are not guessed.
func TestListenWithoutAPort(t *testing.T) {
	device := filepath.Join(t.TempDir(), "ttyX0")
	l, err := Listen(t.Context(), filepath.Join(t.TempDir(), "runnel.toml"), serial.Config{Device: device}, time.Millisecond, new(bytes.Buffer))
	if !errors.Is(err, os.ErrNotExist) || l.Detected.Kind != detect.Silence {
		t.Errorf("%+v, %v", l, err)
	}
}
