package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"runnel/cmd/runnel/internal/config"
)

// A reload whose last step of preparation fails changes nothing: the listeners, the limits and the realms stay as they are,
// and a later reload applies.
func TestReloadIsWholeOrNothing(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "a.sock")
	read := func(more string) *config.Config {
		c, err := config.Parse("test.toml", planRealm+"[node]\nid = \"x\"\ndata = \""+dir+"/data\"\n[[listen]]\nurl = \"unix://"+socket+"\"\n"+more)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	next := read("max_connections = 5\n[limits]\nmax_calls = 7\n[[realm]]\nname = \"realm2\"\n")
	n, err := New(read(""), Options{Log: slog.New(slog.DiscardHandler), Load: func() (*config.Config, error) { return next, nil }})
	if err != nil {
		t.Fatal(err)
	}
	run(t, n)

	// No socket can be moved to the path of a directory.
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(socket, 0o700); err != nil {
		t.Fatal(err)
	}
	old, listener := n.config, n.listeners[0]
	if _, err := n.Reload(); err == nil {
		t.Fatal("a socket has the path of a directory")
	}
	if n.config != old || len(n.listeners) != 1 || n.listeners[0] != listener || len(n.Status().Router.Realms) != 1 {
		t.Errorf("the failed reload has changed the node: %+v", n.Status())
	}
	if _, err := os.Stat(filepath.Join(dir, ".new")); err == nil {
		t.Error("the failed reload has left a socket")
	}

	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	if changes, err := n.Reload(); err != nil || len(changes) != 3 || len(n.Status().Router.Realms) != 2 {
		t.Errorf("%q, %v", changes, err)
	}
}
