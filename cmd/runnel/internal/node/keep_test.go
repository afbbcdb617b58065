package node

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/budget"
	"runnel/test/kit"
)

// loud returns a log and its output.
func loud() (*slog.Logger, *bytes.Buffer) {
	var text bytes.Buffer
	return slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})), &text
}

// A data directory belongs to one router. The error names the process that has it.
func TestDataIsLocked(t *testing.T) {
	c := parse(t, t.TempDir(), "")
	log, text := loud()
	first, err := claimData(c, log)
	kit.Must(t, err)
	var held *heldError
	if _, err := claimData(c, log); !errors.As(err, &held) || !strings.Contains(err.Error(), fmt.Sprintf("another router uses it (process %d); stop that router", os.Getpid())) {
		t.Errorf("a second router: %v", err)
	}
	first.Close()
	again, err := claimData(c, log)
	kit.Must(t, err)
	again.Close()
	if text.Len() > 0 {
		t.Error(text)
	}
	c.KeepsNothing = true
	if f, err := claimData(c, log); f != nil || err != nil {
		t.Errorf("without a directory: %v, %v", f, err)
	}

	c = parse(t, t.TempDir(), "")
	kit.Must(t, os.MkdirAll(filepath.Dir(config.DataDir(c)), 0o700))
	kit.Must(t, os.WriteFile(config.DataDir(c), nil, 0o600)) // in place of the directory
	if f, err := claimData(c, log); f != nil || err != nil || !strings.Contains(text.String(), "cannot lock the data directory") {
		t.Errorf("a directory that cannot be made: %v, %v, %s", f, err, text)
	}
	for text, want := range map[string]string{"17\n": " (process 17)", "": "", "x": ""} {
		if got := holder(strings.NewReader(text)); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// A configuration that cannot be saved is logged once, and again after it could be saved meanwhile. One with faults is not saved.
func TestNotKept(t *testing.T) {
	dir := t.TempDir()
	file := kit.Write(t, dir, "runnel.toml", planRealm+"[node]\ndata = \""+dir+"/data\"\n")
	c, err := config.Load(file, nil)
	kit.Must(t, err)
	log, text := loud()
	n := &Node{log: log, config: c}
	obstacle := filepath.Join(config.DataDir(c), "last-good.json")
	const warning = "cannot save the configuration"
	expect := func(what string, kept bool, warnings int) {
		t.Helper()
		if got := n.keepConfiguration(); got != kept || strings.Count(text.String(), warning) != warnings {
			t.Errorf("%s: kept %v, and the log has: %s", what, got, text)
		}
	}
	n.missing = []missing{{}}
	expect("with a fault", false, 0)
	n.missing = nil
	for round := range 2 {
		kit.Must(t, os.MkdirAll(filepath.Join(obstacle, "x"), 0o700))
		expect("not saved", false, round+1)
		expect("not saved again", false, round+1)
		kit.Must(t, os.RemoveAll(obstacle))
		expect("saved", true, round+1)
		expect("saved before", true, round+1)
		kit.Must(t, os.RemoveAll(obstacle))
	}
}

// A queue whose directory another one has is in memory if no event needs the disk. Otherwise it is an error.
func TestQueueWithoutDisk(t *testing.T) {
	for _, x := range []struct {
		store string
		fails bool
	}{{"store = \"memory\"\n", false}, {"", true}, {"store = \"disk\"\n", true}, {"store = \"durable\"\n", true}} {
		dir := t.TempDir()
		c, err := config.Parse("test.toml", planRealm+"[node]\nid = \"x\"\ndata = \""+dir+"/data\"\n"+linkTo(site(t, "centre"))+x.store)
		kit.Must(t, err)
		n := &Node{log: quiet}
		first, err := n.openSpool(c, c.Uplinks[0])
		kit.Must(t, err)
		defer first.Close()
		s, err := n.openSpool(c, c.Uplinks[0])
		if (err != nil) != x.fails || err != nil && !strings.HasPrefix(err.Error(), "uplink c: ") {
			t.Errorf("%q: %v", x.store, err)
		}
		if err == nil {
			if s.OnDisk() {
				t.Errorf("%q: the queue is on disk", x.store)
			}
			s.Close()
		}
	}
}

// The log warns only if a configured length is not met.
func TestMaxMessageWarning(t *testing.T) {
	for configured, want := range map[config.Size]bool{0: false, 1000: false, 1 << 20: true} {
		log, text := loud()
		n := &Node{log: log, memory: budget.New(3<<20, quiet)}
		if n.maxMessage("here", configured); strings.Contains(text.String(), "max_message") != want {
			t.Errorf("%d: %s", configured, text)
		}
	}
}
