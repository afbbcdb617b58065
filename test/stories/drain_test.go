package stories

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
)

// On SIGTERM the router sends GOODBYE to every session, over each transport, and ends with status 0.
func TestSIGTERMDrains(t *testing.T) {
	r := serve(t, "")
	var subscribers []*process
	for i, url := range []string{r.tcp, r.unix, r.ws()} {
		subscribers = append(subscribers, r.subscribe(t, url, "story.drain."+string(rune('a'+i))))
	}
	r.offer(t, r.tcp, "story.slow", "--exec", "sleep", "1000")
	r.Signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("the router ended with %d", status)
	}
	for _, s := range subscribers {
		s.logs(`not connected to router; retrying.*wamp\.close\.system_shutdown`)
		s.Signal(syscall.SIGTERM)
		if status := s.wait(); status != 0 {
			t.Errorf("a subscriber ended with %d", status)
		}
	}
	if _, err := os.Stat(strings.TrimPrefix(r.unix, "unix://")); !os.IsNotExist(err) {
		t.Errorf("the socket's file is still there: %v", err)
	}
}

// A subscriber reconnects after a restart of the router.
func TestReconnect(t *testing.T) {
	r := serve(t, "")
	sub := r.subscribe(t, r.unix, "story.again")
	r.Signal(syscall.SIGTERM)
	r.wait()
	again := start(t, "run", "-c", filepath.Join(r.dir, "runnel.toml"))
	again.logs(`msg=listening url=unix://`)
	sub.logs(`connected again`)
	runnel(t, "pub", "story.again", "1", "--url", r.unix, "--ack").expect(t, 0, "", "")
	sub.sees("story.again 1")
}

func TestSIGHUPDoesNotKill(t *testing.T) {
	r := serve(t, "")
	r.Signal(syscall.SIGHUP)
	r.logs(`configuration applied`)
	runnel(t, "pub", "story.alive", "--ack", "--url", r.tcp).expect(t, 0, "", "")
}

// The router replaces a socket that a crash left behind, but not one that is in use.
func TestUnixSockets(t *testing.T) {
	r := serve(t, "")
	config := filepath.Join(r.dir, "runnel.toml")
	runnel(t, "run", "--strict", "-c", config).expect(t, 1, "", "in use")
	runnel(t, "pub", "story.alive", "--ack", "--url", r.unix).expect(t, 0, "", "")

	r.Signal(syscall.SIGKILL)
	r.wait()
	if _, err := os.Stat(strings.TrimPrefix(r.unix, "unix://")); err != nil {
		t.Fatalf("a crash should leave the socket's file: %v", err)
	}
	again := start(t, "run", "-c", config)
	again.logs(`msg=listening url=unix://`)
	runnel(t, "pub", "story.alive", "--ack", "--url", r.unix).expect(t, 0, "", "")
}

// Without a config the built-in default runs, on this machine only; the socket goes where this user may put it.
func TestBuiltInDefault(t *testing.T) {
	if _, err := os.Stat("/etc/runnel"); err == nil {
		t.Skip("this machine has a configuration of its own")
	}
	dir := t.TempDir()
	cmd := command("run")
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+dir)
	p := launch(t, cmd)
	p.logs(`msg=listening url=tcp://127\.0\.0\.1:8080|in use`)
	if strings.Contains(p.Stderr.Text(), "in use") {
		t.Skip("port 8080 or the socket is taken")
	}
	url := p.logs(`msg=listening url=(unix://\S+)`)[1]
	if url != "unix:///run/runnel/runnel.sock" && url != "unix://"+dir+"/runnel/runnel.sock" {
		t.Error(url)
	}
	runnel(t, "pub", "story.default", "--ack").expect(t, 0, "", "")
	status := command("status")
	status.Env = append(status.Env, "XDG_RUNTIME_DIR="+dir)
	finish(t, status).expect(t, 0, "realm1", "")
}

// A peer that ignores GOODBYE does not keep the router from stopping.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	r := serve(t, "")
	r.joinSilently(t)
	r.Signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// Retained events survive a restart.
func TestRetainedSurvivesRestart(t *testing.T) {
	r := serve(t, "[node]\ndata = \"data\"\n")
	runnel(t, "pub", "story.kept", "21.5", "--retain", "--ack", "--url", r.tcp).expect(t, 0, "", "")
	r.Signal(syscall.SIGTERM)
	r.wait()
	again := start(t, "run", "-c", filepath.Join(r.dir, "runnel.toml"))
	again.logs(`msg=listening url=unix://`)
	runnel(t, "sub", "story.kept", "--retained", "-n", "1", "--timeout", "30s", "--url", r.unix).expect(t, 0, "story.kept 21.5", "")
}

// A second router refuses a data directory that is in use, because both would corrupt it.
func TestDataDirectoryIsOneRouters(t *testing.T) {
	r := serve(t, "[node]\ndata = \"data\"\n")
	again := func() *process { return start(t, "run", "-c", filepath.Join(r.dir, "runnel.toml")) }
	second := again()
	second.logs(`data directory \S+data: another router uses it \(process \d+\)`)
	if status := second.wait(); status != 1 {
		t.Errorf("status %d", status)
	}
	r.Signal(syscall.SIGKILL)
	r.wait()
	again().logs(`msg=listening url=unix://`)
}

// The router reports a disk that it cannot write to.
func TestStatusTellsOfTheDisk(t *testing.T) {
	r := serve(t, "[node]\ndata = \"data\"\n")
	write(t, filepath.Join(r.dir, "data"), "realm", "") // where a directory should be made
	runnel(t, "pub", "story.kept", "21.5", "--retain", "--ack", "--url", r.tcp).expect(t, 0, "", "")
	kit.Eventually(t, "the status to tell of it", func() bool {
		return strings.Contains(runnel(t, "status", "--url", r.unix).stdout, "realm1: not kept on disk: events: write journal: mkdir")
	})
}

// A history survives a restart as well, even without any subscriber.
func TestHistorySurvivesRestart(t *testing.T) {
	r := serve(t, "[node]\ndata = \"data\"\n[[realm.history]]\nuri = \"story.past.\"\nmatch = \"prefix\"\n")
	for _, value := range []string{"1", "2", "3"} {
		runnel(t, "pub", "story.past.a", value, "--ack", "--url", r.tcp).expect(t, 0, "", "")
	}
	r.Signal(syscall.SIGTERM)
	r.wait()
	again := start(t, "run", "-c", filepath.Join(r.dir, "runnel.toml"))
	again.logs(`msg=listening url=unix://`)
	id := runnel(t, "call", "wamp.subscription.lookup", "story.past.", `{"match":"prefix"}`, "--url", r.unix)
	id.expect(t, 0, "", "")
	past := runnel(t, "call", "wamp.subscription.get_events", strings.TrimSpace(id.stdout), "--kw", "limit=2", "--kw", "reverse=true", "--json", "--url", r.unix)
	past.expect(t, 0, `"args":[3]`, "")
	past.expect(t, 0, `"args":[2]`, "")
	if strings.Contains(past.stdout, `"args":[1]`) {
		t.Errorf("more than two: %s", past.stdout)
	}
}
