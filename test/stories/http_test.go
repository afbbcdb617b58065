package stories

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"runnel/test/kit"
)

const httpListener = `
[node]
data = "data"
[[realm.durable]]
name = "log"
uri = "story.log"
[[realm.role]]
name = "sensor"
[[realm.role.permission]]
uri = "story.sensor."
match = "prefix"
allow = ["publish"]
[[realm.principal]]
authid = "pump"
role = "sensor"
ticket = "secret"
[[listen]]
url = "tcp://127.0.0.2:0"
rest = true
origins = ["app.example.com"]
max_message = "64kB"
`

// httpRouter starts a router that serves HTTP clients, and returns the URL for these.
func httpRouter(t *testing.T, more string) (*router, string) {
	t.Helper()
	r := serve(t, httpListener+more)
	return r, "http://" + r.logs(`msg=listening url=tcp://(127\.0\.0\.2:\d+)`)[1]
}

// curl runs the program and returns the answer, with its status in brackets.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	r := finish(t, exec.Command("curl", append([]string{"-sS", "--noproxy", "*", "-w", "[%{http_code}]"}, args...)...))
	if r.status != 0 {
		t.Errorf("curl %v: status %d, %s", args, r.status, r.stderr)
	}
	return strings.ReplaceAll(r.stdout, "\n", "")
}

func needCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
}

// curl publishes, calls and receives events, with its usual options and with those of Crossbar.io's documentation.
func TestCurl(t *testing.T) {
	t.Parallel()
	needCurl(t)
	r, url := httpRouter(t, "")
	r.offer(t, r.tcp, "story.echo", "--echo")
	sub := r.subscribe(t, r.tcp, "story.", "--match", "prefix")
	const json = "Content-Type: application/json"
	for _, c := range []struct{ want, event, args string }{
		{`{"id":\d+}\[200\]`, `story.a 1 "two"`, `-d|[1,"two"]|/publish/story.a`},
		{`{"id":\d+}\[200\]`, `story.a big=18446744073709551615`, `--json|{"big":18446744073709551615}|/publish/story.a`},
		{`{"id":\d+}\[200\]`, `story.b "Hello, world"`, `-H|` + json + `|-d|{"topic":"story.b","args":["Hello, world"]}|/publish`},
		{`{"args":\[1,2\]}\[200\]`, "", `-H|` + json + `|-d|{"procedure": "story.echo", "args": [1, 2]}|/call`},
		{`{"args":\[\],"kwargs":{"a":9223372036854775807}}\[200\]`, "", `-d|{"a":9223372036854775807}|/call/story.echo?timeout=20s`},
		{`{"error":"wamp.error.no_such_procedure",.*}\[404\]`, "", `-d|[]|/call/story.none`},
		{`{"id":\d+}\[200\]`, `story.sensor.x 5`, `-u|pump:secret|-d|[5]|/publish/story.sensor.x`},
		{`{"id":\d+}\[200\]`, `story.sensor.x 6`, `-H|Authorization: Bearer pump:secret|-d|[6]|/publish/story.sensor.x`},
		{`{"error":"wamp.error.not_authorized",.*}\[403\]`, "", `-u|pump:secret|-d|[5]|/publish/story.a`},
		{`{"error":"wamp.error.authentication_failed",.*}\[401\]`, "", `-u|pump:guess|-d|[5]|/publish/story.sensor.x`},
	} {
		args := strings.Split(c.args, "|")
		args[len(args)-1] = url + args[len(args)-1]
		if got := curl(t, args...); !regexp.MustCompile("^" + c.want + "$").MatchString(got) {
			t.Errorf("%v: %s; want %s", args, got, c.want)
		}
		if c.event != "" {
			sub.sees(c.event)
		}
	}
	runnel(t, "status", "--url", r.unix).expect(t, 0, "HTTP: 5 events published, 2 calls, ", "")
}

// bridgeClient sends requests as the libraries for Crossbar.io's bridge do: signed, and without.
const bridgeClient = `
import base64, datetime, hashlib, hmac, json, random, sys, urllib.error, urllib.parse, urllib.request
base, seq = sys.argv[1], 0
web = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def ask(path, event, key=None, secret=None, digits=3, separators=None):
    global seq
    seq += 1
    body = json.dumps(event, separators=separators).encode()
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
    params = {"timestamp": now[:20 + digits] + "Z", "seq": seq}
    if key:
        params.update(key=key, nonce=random.randint(0, 2**53))
        signed = hmac.new(secret.encode(), None, hashlib.sha256)
        for part in (key, params["timestamp"], str(seq), str(params["nonce"])):
            signed.update(part.encode())
        signed.update(body)
        params["signature"] = base64.urlsafe_b64encode(signed.digest())
    request = urllib.request.Request(base + path + "?" + urllib.parse.urlencode(params), body, {"Content-Type": "application/json"})
    try:
        with web.open(request) as answer:
            text = json.load(answer)
    except urllib.error.HTTPError as refused:
        text = refused.code
    if isinstance(text, dict) and isinstance(text.get("id"), int):
        text = "published"
    print(json.dumps(text))
ask("/publish", {"topic": "story.sensor.a", "args": ["Hello, world!", 23]}, "pump", "secret", separators=(",", ":"))
ask("/publish", {"topic": "story.sensor.a", "args": [], "kwargs": {"name": "ä"}}, "pump", "secret", digits=6)
ask("/publish", {"topic": "story.sensor.a", "args": [1], "kwargs": [], "options": {"exclude": [1], "eligible": None}}, "pump", "secret")
ask("/publish", {"topic": "story.sensor.a", "args": [2]}, "pump", "guess")
ask("/publish", {"topic": "story.b", "args": [3]})
ask("/call", {"procedure": "story.echo", "args": [1, 2], "kwargs": {}})
ask("/call", {"procedure": "story.none", "args": [], "kwargs": {}})
ask("/call", {"procedure": "story.fail"})
`

// Clients of Crossbar.io's bridge publish and call as they do at Crossbar.io.
func TestCrossbarClients(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip(err)
	}
	r, url := httpRouter(t, "")
	r.offer(t, r.tcp, "story.echo", "--echo")
	r.offer(t, r.tcp, "story.fail", "--exec", "false")
	sub := r.subscribe(t, r.tcp, "story.", "--match", "prefix")
	got := finish(t, exec.Command("/usr/bin/python3", "-c", bridgeClient, url))
	want := regexp.MustCompile(`^("published"\n){3}401\n"published"\n{"args": \[1, 2\]}\n{"error": "wamp.error.no_such_procedure", .*"kwargs": {}}\n{"error": "[a-z._]+", .*}\n$`)
	if !want.MatchString(got.stdout) {
		t.Errorf("status %d, %s%s", got.status, got.stdout, got.stderr)
	}
	for _, event := range []string{`story.sensor.a "Hello, world!" 23`, `story.sensor.a name="ä"`, `story.sensor.a 1`, `story.b 3`} {
		sub.sees(event)
	}
	if text := sub.Stdout.Text(); strings.Count(text, "\n") != 4 {
		t.Errorf("other events: %s", text)
	}
}

// A stream that is cut continues after the client's last event. No event that was published meanwhile is lost.
func TestCurlResumes(t *testing.T) {
	t.Parallel()
	needCurl(t)
	_, url := httpRouter(t, "")
	follow := func(args ...string) *process {
		return launch(t, exec.Command("curl", append([]string{"-sSN", "--noproxy", "*", url + "/events/story.log?durable=log"}, args...)...))
	}
	first := follow()
	for n := 1; n <= 3; n++ {
		curl(t, "-d", fmt.Sprintf("[%d]", n), url+"/publish/story.log")
	}
	first.sees(`"args":[3]}`)
	first.Kill()
	curl(t, "-d", "[4]", url+"/publish/story.log")
	ids := regexp.MustCompile(`id: (\d+-\d+)\n.*"args":\[2\]`).FindStringSubmatch(first.Stdout.Text())
	if ids == nil {
		t.Fatal(first)
	}
	second := follow("-H", "Last-Event-ID: "+ids[1])
	second.sees(`"args":[4]}`)
	if text := second.Stdout.Text(); strings.Contains(text, `"args":[2]`) || strings.Index(text, `"args":[3]`) > strings.Index(text, `"args":[4]`) {
		t.Errorf("after %s:\n%s", ids[1], text)
	}
}

// Requests that pages of other sites can cause, and others that are wrong, have no effect.
func TestHTTPAttacks(t *testing.T) {
	t.Parallel()
	r, url := httpRouter(t, "")
	address := strings.TrimPrefix(url, "http://")
	sub := r.subscribe(t, r.tcp, "story.", "--match", "prefix")
	const evil, app, text, json = "Origin: https://evil.example", "Origin: https://app.example.com", "Content-Type: text/plain", "Content-Type: application/json"
	for _, c := range []struct { // webRequest ends a body with two line breaks
		method, path, host string
		headers            []string
		status             string
	}{
		{"POST", "/publish/story.a", "evil.example", []string{json, "Content-Length: 6", "", "[]"}, "403"},
		{"POST", "/publish/story.a", address, []string{evil, json, "Content-Length: 6", "", "[]"}, "403"},
		{"POST", "/publish/story.a", address, []string{"Origin: null", json, "Content-Length: 6", "", "[]"}, "403"},
		{"POST", "/publish/story.a", address, []string{app, text, "Content-Length: 6", "", "[]"}, "415"},
		{"POST", "/publish/story.a", address, []string{"Sec-Fetch-Site: cross-site", text, "Content-Length: 6", "", "[]"}, "403"},
		{"OPTIONS", "/publish/story.a", address, []string{evil, "Access-Control-Request-Method: POST"}, "403"},
		{"OPTIONS", "/publish/story.a", address, []string{app, "Access-Control-Request-Method: POST"}, "204"},
		{"GET", "/events/story.a", "evil.example", nil, "403"},
		{"GET", "/events/story.a", address, []string{"Sec-Fetch-Site: cross-site"}, "403"},
		{"GET", "/publish/story.a", address, nil, "405"},
		{"POST", "/publish/story.a%0d%0aX", address, []string{"Content-Length: 6", "", "[]"}, "400"},
		{"POST", "/publish/../story.a", address, []string{"Content-Length: 6", "", "[]"}, "400"},
		{"POST", "/publish/story.a/../../etc/passwd", address, []string{"Content-Length: 6", "", "[]"}, "400"},
		{"POST", "/publish/story.a", address, []string{"Content-Length: 70004", "", strings.Repeat(" ", 70000)}, "413"},
		{"POST", "/publish/story.a", address, []string{"Transfer-Encoding: chunked", "", "11170\r\n" + strings.Repeat(" ", 70000) + "\r\n0"}, "413"},
	} {
		if answer := webRequest(t, address, c.method, c.path, c.host, c.headers...); !strings.HasPrefix(answer, "HTTP/1.1 "+c.status) {
			t.Errorf("%s %s %.200v: %.300s", c.method, c.path, c.headers, answer)
		}
	}
	answer := webRequest(t, address, "POST", "/publish/story.a", address, app, json, "Content-Length: 12", "", `["good"]`)
	if !strings.HasPrefix(answer, "HTTP/1.1 200") || !strings.Contains(answer, "Access-Control-Allow-Origin: https://app.example.com\r\n") {
		t.Errorf("the page that is allowed: %s", answer)
	}
	sub.sees(`story.a "good"`)
	if text := sub.Stdout.Text(); strings.Count(text, "\n") != 1 {
		t.Errorf("other events: %s", text)
	}
}

// A webhook delivers events over TLS that were published while its server failed, also after the router was killed.
func TestWebhookSurvives(t *testing.T) {
	t.Parallel()
	type post struct{ body, id, signature, want string }
	posts := make(chan post, 100)
	var fails atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("key"))
		io.WriteString(mac, r.Header.Get("X-Runnel-Timestamp")+"."+string(body))
		kit.Send(t, posts, post{string(body), r.Header.Get("Idempotency-Key"), r.Header.Get("X-Runnel-Signature"), "sha256=" + hex.EncodeToString(mac.Sum(nil))})
		if fails.Load() {
			w.WriteHeader(500)
		}
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	authority, _ := kit.PEM(server.TLS.Certificates[0])
	hook := "[[webhook]]\nname = \"erp\"\ntopic = \"story.order\"\nrole = \"guest\"\nsecret = \"key\"\nca = \"" + write(t, dir, "ca.pem", authority) +
		"\"\nurl = \"" + server.URL + "/hook\"\n"
	r := serve(t, "[node]\ndata = \"data\"\n"+hook)
	publish := func(n string) { runnel(t, "pub", "story.order", n, "--ack", "--url", r.unix).expect(t, 0, "", "") }
	expect := func(n string) post {
		t.Helper()
		p := kit.Receive(t, "post", posts)
		for len(p.body) > 0 && !strings.HasSuffix(p.body, `"args":[`+n+`]}`) {
			t.Logf("repeated: %s", p.body)
			p = kit.Receive(t, "post", posts)
		}
		if p.signature != p.want {
			t.Errorf("signature %s, want %s", p.signature, p.want)
		}
		return p
	}
	publish("1")
	expect("1")
	kit.Eventually(t, "it is counted", func() bool {
		return strings.Contains(runnel(t, "status", "--url", r.unix).stdout, "erp      story.order  1          0        0")
	})
	fails.Store(true)
	publish("2")
	publish("3")
	failed := expect("2")
	kit.Eventually(t, "the alarm", func() bool {
		return strings.Contains(runnel(t, "status", "--url", r.unix).stdout, "the server answers 500 Internal Server Error")
	})
	r.Kill()
	fails.Store(false)
	start(t, "run", "-c", r.dir+"/runnel.toml")
	if again := expect("2"); again.id != failed.id {
		t.Errorf("the key is %s, and was %s", again.id, failed.id)
	}
	expect("3")
}
