package node

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/test/kit"
)

// A secret that is rotated in its file takes effect with a reload, and the realm's other settings stay.
func TestRotatedSecret(t *testing.T) {
	n := site(t, "x")
	kit.Write(t, n.dir, "ticket", "old")
	realm := "[[realm]]\nname = \"realm2\"\n[[realm.role]]\nname = \"user\"\n[[realm.principal]]\nauthid = \"joe\"\nrole = \"user\"\nticket = \"file:" + n.dir + "/ticket\"\n"
	n.start(realm)
	joins := func(ticket string) bool {
		_, err := join(t, n.socket("a"), client.Options{Realm: "realm2", Authid: "joe", Auth: []client.Auth{client.Ticket(ticket)}})
		return err == nil
	}
	if !joins("old") || joins("new") {
		t.Error("the first secret is not the one of the file")
	}
	kit.Write(t, n.dir, "ticket", "new")
	if got := strings.Join(n.become(realm), ", "); got != "realm realm2: the secret of joe" {
		t.Errorf("changes: %q", got)
	}
	if joins("old") || !joins("new") {
		t.Error("the rotated secret is not the one of the file")
	}
}

// A node does not start without the secret of a principal.
func TestMissingSecret(t *testing.T) {
	n := site(t, "x")
	n.brief = "ticket"
	n.write("[[realm]]\nname = \"realm2\"\n[[realm.role]]\nname = \"user\"\n[[realm.principal]]\nauthid = \"joe\"\nrole = \"user\"\nticket = \"file:" + n.dir + "/ticket\"\n")
	c, err := n.load()
	kit.Must(t, err)
	if _, err := New(c, Options{Log: quiet}); err == nil || !strings.Contains(err.Error(), "joe") {
		t.Errorf("it starts: %v", err)
	}
}

// A running node applies changed files only at a reload.
func TestNoReloadUnasked(t *testing.T) {
	n := site(t, "x").start("")
	n.write(n.listen("b"))
	if n.retryConfiguration(); len(n.Listeners()) != 1 {
		t.Errorf("listeners %+v", n.Listeners())
	}
}

// A node whose id changes has the new one in its status, and its uplinks join again with it.
func TestNodeID(t *testing.T) {
	centre := site(t, "centre").start("")
	uplink := linkTo(centre)
	n := site(t, "x").start(uplink)
	n.id = "y"
	if got, want := strings.Join(n.become(uplink), ", "), "[node] id: the node is y, uplink c started again: the node's id has changed"; got != want {
		t.Errorf("changes: %q, want %q", got, want)
	}
	s := n.Status()
	if s.Node != "y" || s.Version != "1.2.3" || s.Uptime <= 0 || s.Began.IsZero() {
		t.Errorf("status: %+v", s)
	}
	kit.Eventually(t, "the uplink joins", func() bool { return n.Uplinks()[0].Up })
}

// The metrics start, move and end with reloads.
func TestReloadMetrics(t *testing.T) {
	n := site(t, "x").start("")
	get := func() string {
		if n.exporter == nil {
			return ""
		}
		r, err := http.Get("http://" + n.exporter.socket.Addr().String() + "/m")
		kit.Must(t, err)
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		kit.Must(t, err)
		return r.Status + string(text)
	}
	last := ""
	for _, step := range []struct{ url, hosts, want, answer string }{
		{"http://127.0.0.1:0/other", "[]", "[metrics] url", "404 Not Found"},
		{"http://127.0.0.1:0/m", "[]", "[metrics] url", "200 OK"},
		{"http://127.0.0.1:0/m", "[\"a.example\"]", "[metrics] hosts", "200 OK"},
		{"", "", "[metrics] url, [metrics] hosts", ""},
	} {
		more := ""
		if step.url != "" {
			more = "[metrics]\nurl = \"" + step.url + "\"\nhosts = " + step.hosts + "\n"
		}
		if got := strings.Join(n.become(more), ", "); got != step.want {
			t.Errorf("%q: changes %q, want %q", step.url, got, step.want)
		}
		if got := get(); !strings.HasPrefix(got, step.answer) || strings.Contains(got, "runnel_info{") != (step.answer == "200 OK") {
			t.Errorf("%q: %s", step.url, got)
		}
		if n.exporter != nil {
			last = "http://" + n.exporter.socket.Addr().String()
		}
	}
	if r, err := http.Get(last); err == nil {
		r.Body.Close()
		t.Error("the metrics have ended, and are answered")
	}
}

// A listener has the console only if its configuration enables it. The console gets the path and the realm to connect
// to.
func TestConsole(t *testing.T) {
	n := site(t, "x").start("")
	for _, step := range []struct{ path, more, answer string }{
		{"", "console = true\n", `200 OK {"realm":"realm1","path":"/ws"}`},
		{"/r", "console = true\n", `200 OK {"realm":"realm1","path":"/r"}`},
		{"/r", "console = false\n", "404 Not Found "},
	} {
		n.become(listenAt("ws://127.0.0.1:0"+step.path) + step.more)
		address := strings.TrimPrefix(strings.TrimSuffix(n.Listeners()[1].URL, step.path), "ws://")
		r, err := http.Get("http://" + strings.TrimSuffix(address, "/") + "/console.json")
		kit.Must(t, err)
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		kit.Must(t, err)
		if got := r.Status + " " + string(text); !strings.HasPrefix(got, step.answer) {
			t.Errorf("%s %s: %s", step.path, step.more, got)
		}
	}
}

// A reload adds, moves and removes static files. A directory that is missing is no fault of the listener.
func TestStaticFiles(t *testing.T) {
	n := site(t, "x").start("")
	kit.Must(t, os.MkdirAll(filepath.Join(n.dir, "www"), 0o755))
	kit.Must(t, os.WriteFile(filepath.Join(n.dir, "www", "a.txt"), []byte("text"), 0o644))
	for _, step := range []struct{ more, path, answer string }{
		{`static = { "/app" = "www" }`, "/app/a.txt", "200 OK text"},
		{"console = true\n" + `static = { "/b" = "www" }`, "/b/a.txt", "200 OK text"},
		{"console = true\n" + `static = { "/b" = "www" }`, "/app/a.txt", "404 Not Found "},
		{"console = true\n" + `static = { "/b" = "www" }`, "/console.json", "200 OK {"},
		{`static = { "/" = "missing" }`, "/a.txt", "404 Not Found "},
		{"", "/b/a.txt", "404 Not Found "},
	} {
		n.become(listenAt("ws://127.0.0.1:0") + step.more + "\n")
		r, err := http.Get("http://" + strings.TrimPrefix(n.Listeners()[1].URL, "ws://") + step.path)
		kit.Must(t, err)
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		kit.Must(t, err)
		if got := r.Status + " " + string(text); !strings.HasPrefix(got, step.answer) {
			t.Errorf("%s %s: %s", step.more, step.path, got)
		}
	}
}

// The running configuration is saved for a start with invalid files. A node that starts with the saved one reports
// that, and applies the files once they are valid.
func TestLastGood(t *testing.T) {
	n := site(t, "x").start("")
	kept := filepath.Join(n.dir, "data", "last-good.json")
	kit.Eventually(t, "the configuration is kept", func() bool { _, err := os.Stat(kept); return err == nil })
	n.become(n.listen("b"))
	n.write("unknown = 1\n")
	if _, err := n.Reload(); err == nil || len(n.Listeners()) != 2 {
		t.Errorf("an invalid configuration: %v, %d listeners", err, len(n.Listeners()))
	}
	c, err := config.LoadFallback(n.file, CheckUplink)
	kit.Must(t, err)
	if c.Fallback == nil || len(c.Listens) != 2 {
		t.Errorf("%d listeners, fallback %v", len(c.Listens), c.Fallback)
	}
	n.mu.Lock()
	n.config = c
	n.mu.Unlock()
	n.retryConfiguration()
	if f := n.Faults(); len(f) != 1 || f[0].Part != "configuration" || f[0].Error == "" {
		t.Errorf("faults with invalid files: %+v", f)
	}
	n.write("")
	n.retryConfiguration()
	if f := n.Faults(); len(f) != 0 || len(n.Listeners()) != 1 {
		t.Errorf("faults with valid files: %+v, %d listeners", f, len(n.Listeners()))
	}
}

// Only a running node reloads, and only one that has a file. It routes while it runs.
func TestNotRunning(t *testing.T) {
	n := site(t, "x").start("")
	kit.Must(t, n.Probe(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Probe(ctx); err == nil {
		t.Error("a probe without time has succeeded")
	}
	c, err := n.load()
	kit.Must(t, err)
	if _, err := New(c, n.opts); err == nil || !strings.Contains(err.Error(), "another router uses it (process ") {
		t.Errorf("a second node with the same data: %v", err)
	}
	n.changing.Lock()
	n.running = false
	n.changing.Unlock()
	if _, err := n.Reload(); err != errNotRunning {
		t.Errorf("a reload of a node that stops: %v", err)
	}
	if err := (fleetRouter{n.Node}).Refresh("realm1"); err != errNotRunning {
		t.Errorf("a refresh of a node that stops: %v", err)
	}
	n.opts.Load = nil
	if _, err := n.Reload(); err == nil || err == errNotRunning {
		t.Errorf("a reload without a file: %v", err)
	}
}
