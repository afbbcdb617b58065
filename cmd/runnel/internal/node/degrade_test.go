package node

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/test/kit"
)

// parse reads a configuration with a data directory in dir.
func parse(t *testing.T, dir, more string) *config.Config {
	t.Helper()
	c, err := config.Parse("test.toml", planRealm+"[node]\nid = \"x\"\ndata = \""+dir+"/data\"\n"+more)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs a node until stop or the end of the test. It returns when the node is ready.
func run(t *testing.T, n *Node) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(ended)
		ended <- n.Run(ctx, func() { close(ready) })
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("the node has ended before it was ready: %v", err)
	}
	return stop
}

// A node that may degrade starts without the parts that fail, and each of them starts once it can. It needs one listener.
func TestDegrade(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", kit.FreePort(t))) // it is bound again later
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good, bad := "[[listen]]\nurl = \"unix://"+dir+"/a.sock\"\n", "[[listen]]\nurl = \"unix://"+dir+"/later/b.sock\"\n"
	metrics := "[metrics]\nurl = \"http://" + taken.Addr().String() + "\"\n"
	obstacle := filepath.Join(dir, "later/b.sock", "file") // a socket cannot replace a directory
	if err := os.MkdirAll(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	for name, more := range map[string]string{"a listener": good + bad, "the metrics": good + metrics} {
		if _, err := New(parse(t, dir, more), Options{Log: quiet}); err == nil {
			t.Errorf("a node that may not degrade starts without %s", name)
		}
	}
	if _, err := New(parse(t, dir, bad), Options{Log: quiet, Degrade: true}); err == nil {
		t.Error("a node starts without any listener")
	}

	n, err := New(parse(t, dir, good+bad+metrics), Options{Log: quiet, Degrade: true})
	if err != nil {
		t.Fatal(err)
	}
	run(t, n)
	parts := func() (list []string) {
		for _, f := range n.Faults() {
			list = append(list, strings.TrimPrefix(f.Part, "listener unix://"+dir))
		}
		return list
	}
	want := []string{"/later/b.sock", "metrics http://" + taken.Addr().String()}
	if got := parts(); !slices.Equal(got, want) || n.retryParts() {
		t.Errorf("faults %q, want %q", got, want)
	}
	if got := parts(); !slices.Equal(got, want) {
		t.Errorf("after a retry in vain: faults %q, want %q", got, want)
	}
	if err := os.RemoveAll(filepath.Dir(obstacle)); err != nil {
		t.Fatal(err)
	}
	n.retryParts()
	if got := parts(); !slices.Equal(got, want[1:]) || len(n.Status().Listeners) != 2 {
		t.Errorf("once the path is free: faults %q, listeners %+v", got, n.Status().Listeners)
	}
	c, err := net.Dial("unix", filepath.Join(dir, "later/b.sock"))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// The metrics are served at one path, and only for allowed hosts.
func TestMetricsPage(t *testing.T) {
	for url, path := range map[string]string{"http://127.0.0.1:0": "/metrics", "http://127.0.0.1:0/m": "/m"} {
		dir := t.TempDir()
		n, err := New(parse(t, dir, "[[listen]]\nurl = \"unix://"+dir+"/a.sock\"\n[metrics]\nurl = \""+url+"\"\n"), Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer n.data.Close()
		defer n.closeSockets()
		for _, c := range []struct {
			host, path string
			code       int
		}{
			{"127.0.0.1", path, http.StatusOK},
			{"127.0.0.1", path + "/x", http.StatusNotFound},
			{"evil.example.com", path, http.StatusForbidden},
		} {
			r := httptest.NewRequest("GET", "http://"+c.host+c.path, nil)
			w := httptest.NewRecorder()
			n.exporter.server.Handler.ServeHTTP(w, r)
			if w.Code != c.code || strings.Contains(w.Body.String(), "runnel_info") != (c.code == http.StatusOK) {
				t.Errorf("%s: http://%s%s is answered with %d %.200s", url, c.host, c.path, w.Code, w.Body)
			}
		}
	}
}

// The id of an installation is kept in the data directory. A file that holds none is replaced.
func TestInstallation(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	long := strings.Repeat("x", 64)
	for text, kept := range map[string]string{"": "", "\n": "", " abc\n": "abc", long: long, long + "x": ""} {
		dir := t.TempDir()
		c := parse(t, dir, "")
		file := filepath.Join(config.DataDir(c), installationFile)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		first := readInstallation(c, quiet)
		if kept != "" && first != kept || kept == "" && len(first) != 32 {
			t.Errorf("%q: the id is %q", text, first)
		}
		if again := readInstallation(c, quiet); again != first {
			t.Errorf("%q: the id is %q, then %q", text, first, again)
		}
	}
	dir := t.TempDir()
	c := parse(t, dir, "")
	if err := os.MkdirAll(filepath.Join(config.DataDir(c), installationFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if id := readInstallation(c, quiet); id != "" {
		t.Errorf("an id that cannot be kept is %q", id)
	}
}

// The console shows the realm of its listener, or else the first one.
func TestConsoleRealm(t *testing.T) {
	n := &Node{config: &config.Config{}}
	if got := n.consoleRealm(config.Listen{}); got != "" {
		t.Errorf("without a realm: %q", got)
	}
	n.config.Realms = []config.Realm{{Name: "one"}, {Name: "two"}}
	for realm, want := range map[string]string{"": "one", "two": "two"} {
		if got := n.consoleRealm(config.Listen{Realm: realm}); got != want {
			t.Errorf("%q: %q", realm, got)
		}
	}
}
