package stories

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
)

// The basic work, over each transport and with each serializer.
func TestPublishAndCall(t *testing.T) {
	r := serve(t, "")
	for _, url := range []string{r.tcp, r.unix, r.ws()} {
		for _, serializer := range []string{"cbor", "msgpack", "json"} {
			scheme, _, _ := strings.Cut(url, ":")
			t.Run(scheme+"/"+serializer, func(t *testing.T) {
				topic, procedure := "story."+scheme+"."+serializer, "story.echo."+scheme+"."+serializer
				how := []string{"--url", url, "--serializer", serializer}
				sub := r.subscribe(t, url, topic, "--serializer", serializer, "-n", "1")
				runnel(t, append(how, "pub", topic, "21.5", "plain text", `{"a": [1, 9007199254740993]}`, "--kw", "unit=C", "--ack")...).expect(t, 0, "", "")
				sub.sees(topic + ` 21.5 "plain text" {"a":[1,9007199254740993]} unit="C"`)
				if status := sub.wait(); status != 0 {
					t.Errorf("sub -n ended with %d", status)
				}
				r.offer(t, url, procedure, "--echo", "--serializer", serializer)
				runnel(t, append(how, "call", procedure, "1", "two", "--kw", "three=3")...).expect(t, 0, `1 "two" three=3`, "")
			})
		}
	}
}

func TestSubscribePatterns(t *testing.T) {
	r := serve(t, "")
	sub := r.subscribe(t, r.tcp, "story.a.", "--match", "prefix", "--json")
	runnel(t, "pub", "story.a.b", "1", "--kw", "k=v", "--url", r.unix).expect(t, 0, "", "")
	sub.sees(`"topic":"story.a.b"`)
	var event struct {
		Topic       string
		Args        []any
		Kwargs      map[string]any
		Publication int64
	}
	lines := strings.Split(strings.TrimSpace(sub.Stdout.Text()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &event); err != nil {
		t.Fatal(err)
	}
	if event.Topic != "story.a.b" || fmt.Sprint(event.Args) != "[1]" || event.Kwargs["k"] != "v" || event.Publication == 0 {
		t.Errorf("%+v", event)
	}
}

func TestPublishLines(t *testing.T) {
	r := serve(t, "")
	sub := r.subscribe(t, r.tcp, "story.lines", "-n", "3")
	cmd := command("pub", "story.lines", "--stdin", "--url", r.tcp)
	cmd.Stdin = strings.NewReader("one\n{\"two\": 2}\nthree\n")
	finish(t, cmd).expect(t, 0, "", "")
	sub.sees("story.lines \"one\"\nstory.lines {\"two\":2}\nstory.lines \"three\"\n")
}

func TestEnvironmentStandsIn(t *testing.T) {
	r := serve(t, "")
	cmd := command("status", "--json")
	cmd.Env = append(cmd.Env, "RUNNEL_URL="+r.unix, "RUNNEL_REALM=realm1", "RUNNEL_SERIALIZER=json")
	finish(t, cmd).expect(t, 0, `"name":"realm1"`, "")
	cmd = command("status", "--url", r.unix)
	cmd.Env = append(cmd.Env, "RUNNEL_URL=tcp://127.0.0.1:1", "RUNNEL_SERIALIZER=xml")
	finish(t, cmd).expect(t, 2, "", "xml")
}

func TestCallErrors(t *testing.T) {
	r := serve(t, "")
	got := runnel(t, "call", "story.nobody", "--url", r.tcp)
	got.expect(t, 1, "", "")
	if !strings.HasPrefix(got.stderr, "wamp.error.no_such_procedure") {
		t.Errorf("stderr: %s", got.stderr)
	}
	runnel(t, "call", "a b", "--url", r.tcp).expect(t, 1, "", "wamp.error.invalid_uri")
	runnel(t, "pub", "story", "--realm", "elsewhere", "--url", r.tcp).expect(t, 1, "", "wamp.error.no_such_realm")
}

func TestTimeouts(t *testing.T) {
	r := serve(t, "")
	runnel(t, "sub", "story.silence", "--timeout", "300ms", "--url", r.tcp).expect(t, 124, "", "timed out")
	r.offer(t, r.tcp, "story.slow", "--exec", "sleep", "1000")
	runnel(t, "call", "story.slow", "--timeout", "300ms", "--url", r.tcp).expect(t, 124, "", "timed out")
}

func TestProgressiveCall(t *testing.T) {
	r := serve(t, "")
	c := connect(t, r.unix)
	_, err := c.Register(t.Context(), "story.count", client.RegisterOptions{}, func(_ context.Context, i *client.Invocation) (client.Payload, error) {
		for n := range 3 {
			if err := i.Progress(client.Args(n + 1)); err != nil {
				return client.Payload{}, err
			}
		}
		return client.Args("done"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{r.tcp, r.ws()} {
		got := runnel(t, "call", "story.count", "--progress", "--url", url)
		got.expect(t, 0, "1\n2\n3\ndone\n", "")
		got = runnel(t, "call", "story.count", "--progress", "--json", "--url", url)
		got.expect(t, 0, `"progress":true`, "")
		runnel(t, "call", "story.count", "--url", url).expect(t, 0, "done", "")
	}
}

func TestExec(t *testing.T) {
	r := serve(t, "")
	dir := t.TempDir()
	script := write(t, dir, "job.sh", "#!/bin/sh\necho \"argv $*\"\ncat\necho \"in $RUNNEL_PROCEDURE\"\n")
	fails := write(t, dir, "fails.sh", "#!/bin/sh\necho broken >&2\nexit 7\n")
	for _, file := range []string{script, fails} {
		if err := os.Chmod(file, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.offer(t, r.tcp, "story.job", "--exec", script, "own")
	got := runnel(t, "call", "story.job", "a b", "$(date)", `{"x":1}`, "--kw", "k=v", "--url", r.tcp)
	got.expect(t, 0, `argv own a b $(date) {"x":1}`, "")
	got.expect(t, 0, `"kwargs":{"k":"v"}`, "")
	got.expect(t, 0, "in story.job", "")

	r.offer(t, r.tcp, "story.json", "--exec", `printf [1,{"a":2}]`)
	runnel(t, "call", "story.json", "--url", r.tcp).expect(t, 0, `[1,{"a":2}]`, "")
	r.offer(t, r.tcp, "story.fails", "--exec", fails)
	runnel(t, "call", "story.fails", "--url", r.tcp).expect(t, 1, "", `runnel.error.exec: "broken" {"exit":7}`)
	runnel(t, "reg", "story.none", "--exec", "/does/not/exist", "--url", r.tcp).expect(t, 1, "", "/does/not/exist")
}

// A call that is canceled kills the program, and the program's children.
func TestInterruptKills(t *testing.T) {
	r := serve(t, "")
	dir := t.TempDir()
	script := write(t, dir, "job.sh", "#!/bin/sh\nsleep 1000 &\necho $! > "+dir+"/pid.part\nmv "+dir+"/pid.part "+dir+"/pid\nwait\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	r.offer(t, r.tcp, "story.job", "--exec", script)
	calling := start(t, "call", "story.job", "--url", r.tcp)
	var pid int
	kit.Eventually(t, "the program's child", func() bool {
		text, err := os.ReadFile(dir + "/pid")
		fmt.Sscan(string(text), &pid)
		return err == nil && pid > 0
	})
	calling.Signal(syscall.SIGTERM)
	kit.Eventually(t, "the program's child to be gone", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH || zombie(pid) })
}

// zombie reports whether a process has ended but was not reaped. A container may have no process that reaps orphans.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}

// If the reader closes the pipe, the subscriber ends without an error message.
func TestClosedPipe(t *testing.T) {
	r := serve(t, "")
	read, written, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := command("sub", "story.pipe", "--url", r.tcp)
	cmd.Stdout = written
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	written.Close()
	read.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	c := connect(t, r.tcp)
	for deadline := time.After(kit.Patience); ; {
		if err := c.Publish(t.Context(), "story.pipe", client.PublishOptions{}, client.Args(1)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err != nil || stderr.Len() > 0 {
				t.Fatalf("%v: %s", err, &stderr)
			}
			return
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			cmd.Process.Kill()
			t.Fatal("it went on")
		}
	}
}

func TestStatus(t *testing.T) {
	r := serve(t, "")
	runnel(t, "status", "--url", r.unix).expect(t, 0, r.tcp, "")
	runnel(t, "status", "--url", r.unix).expect(t, 0, "realm1", "")
	got := runnel(t, "status", "--json", "--url", r.unix)
	var status struct {
		Uptime    float64
		Router    struct{ Connections int }
		Listeners []struct{ URL string }
	}
	if err := json.Unmarshal([]byte(got.stdout), &status); err != nil {
		t.Fatal(err, got)
	}
	if status.Uptime <= 0 || status.Router.Connections < 1 || len(status.Listeners) != 2 {
		t.Errorf("%+v", status)
	}
}

// A realm that does not permit the call discloses nothing.
func TestStatusNeedsPermission(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "run", "-c", write(t, dir, "runnel.toml", `
version = 1
[[realm]]
name = "realm1"
anonymous = "guest"
[[realm.role]]
name = "guest"
[[realm.role.permission]]
uri = "com."
match = "prefix"
allow = ["publish", "call"]
[[listen]]
url = "unix://a.sock"
`))
	url := p.logs(`msg=listening url=(unix://\S+)`)[1]
	runnel(t, "status", "--url", url).expect(t, 1, "", "wamp.error.not_authorized")
	runnel(t, "pub", "com.a", "--ack", "--url", url).expect(t, 0, "", "")
	runnel(t, "pub", "org.a", "--ack", "--url", url).expect(t, 1, "", "wamp.error.not_authorized")
}

// A principal that authenticates gets its role; a wrong secret is rejected.
func TestPrincipals(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "ticket", "open sesame\n")
	uid := os.Getuid()
	p := start(t, "run", "-c", write(t, dir, "runnel.toml", fmt.Sprintf(`
version = 1
[[realm]]
name = "realm1"
[[realm.role]]
name = "ticket"
[[realm.role.permission]]
uri = "story.ticket"
allow = ["publish"]
[[realm.role]]
name = "cra"
[[realm.role.permission]]
uri = "story.cra"
allow = ["publish"]
[[realm.role]]
name = "unix"
[[realm.role.permission]]
uri = "story.unix"
allow = ["publish"]
[[realm.principal]]
authid = "ali"
role = "ticket"
ticket = "file:ticket"
[[realm.principal]]
authid = "baba"
role = "cra"
wampcra = { secret = "secret" }
[[realm.principal]]
authid = "local"
role = "unix"
uid = %d
[[listen]]
url = "tcp://127.0.0.1:0"
[[listen]]
url = "unix://a.sock"
`, uid)))
	tcp := p.logs(`msg=listening url=(tcp://\S+)`)[1]
	unix := p.logs(`msg=listening url=(unix://\S+)`)[1]
	runnel(t, "pub", "story.ticket", "--ack", "--url", tcp, "--authid", "ali", "--ticket", "open sesame").expect(t, 0, "", "")
	runnel(t, "pub", "story.ticket", "--ack", "--url", tcp, "--authid", "ali", "--ticket", "file:"+dir+"/ticket").expect(t, 0, "", "")
	runnel(t, "pub", "story.cra", "--ack", "--url", tcp, "--authid", "ali", "--ticket", "open sesame").expect(t, 1, "", "wamp.error.not_authorized")
	runnel(t, "pub", "story.ticket", "--ack", "--url", tcp, "--authid", "ali", "--ticket", "wrong").expect(t, 1, "", "wamp.error.authentication")
	runnel(t, "pub", "story.cra", "--ack", "--url", tcp, "--authid", "baba", "--secret", "secret").expect(t, 0, "", "")
	runnel(t, "pub", "story.unix", "--ack", "--url", unix).expect(t, 0, "", "")
	runnel(t, "pub", "story.unix", "--ack", "--url", tcp).expect(t, 1, "", "wamp.error.")
}
