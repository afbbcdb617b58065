package stories

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
)

var browser = http.Client{Timeout: kit.Patience, Transport: &http.Transport{DisableKeepAlives: true}}

// get reads a page. The status is 0 if no server answers.
func get(url string) (status int, text string) {
	answer, err := browser.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	b, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b)
}

// Prometheus can read the metrics, and a reload moves them to another address.
func TestMetrics(t *testing.T) {
	r := serve(t, "[metrics]\nurl = \"http://127.0.0.1:0\"\n")
	at := r.logs(`msg=metrics url=(\S+)`)[1]
	p := r.subscribe(t, r.tcp, "story.a")
	runnel(t, "pub", "story.a", "--ack", "--url", r.unix).expect(t, 0, "", "")
	p.sees("story.a")
	for _, want := range []string{`runnel_realm_sessions{realm="realm1"} `, "\nrunnel_events_total 1\n", `runnel_listener_rawsocket_peers{listener="` + r.tcp + `"} 1`} {
		kit.Eventually(t, want, func() bool {
			status, text := get(at)
			return status == http.StatusOK && strings.Contains(text, want)
		})
	}
	if status, text := get(strings.TrimSuffix(at, "/metrics")); status != http.StatusNotFound || !strings.Contains(text, "/metrics") {
		t.Errorf("the front page is %d %s", status, text)
	}
	r.change(t, "http://127.0.0.1:0", "http://127.0.0.1:0/figures")
	r.reload(t).expect(t, 0, "[metrics] url", "")
	moved := r.logs(`msg=metrics url=(\S+/figures)`)[1]
	if status, text := get(moved); status != http.StatusOK {
		t.Errorf("after a reload: %d %s", status, text)
	}
	if status, _ := get(at); status == http.StatusOK {
		t.Error("they are where they were")
	}
}

// If metrics could not move, the next reload moves them.
func TestMetricsTriedAgain(t *testing.T) {
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", kit.FreePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := serve(t, "[metrics]\nurl = \"http://127.0.0.1:0\"\n")
	at := "http://" + taken.Addr().String() + "/metrics"
	r.change(t, "http://127.0.0.1:0", at)
	r.reload(t).expect(t, 1, "", "address already in use")
	taken.Close()
	r.reload(t).expect(t, 0, "[metrics] url", "")
	if status, text := get(at); status != http.StatusOK {
		t.Errorf("after the second reload: %d %s", status, text)
	}
	r.reload(t).expect(t, 0, "nothing has changed", "")
}

// An operator sees the state of an uplink in events and in the status.
func TestUplinkState(t *testing.T) {
	t.Parallel()
	centre := serve(t, "")
	r := serve(t, `
[[uplink]]
name = "Central"
realm = "realm1"
url = ["`+centre.tcp+`"]
reconnect_max = "200ms"
[[uplink.export]]
topic = "story.a"
`)
	up := start(t, "sub", "runnel.uplink.on_state.central", "--retained", "--json", "--url", r.tcp)
	up.sees(`"up":true`)
	runnel(t, "call", "runnel.uplink.list", "--url", r.unix).expect(t, 0, "Central", "")
	got := runnel(t, "call", "runnel.uplink.get", "Central", "--url", r.unix)
	got.expect(t, 0, `"name":"Central"`, "")
	for _, none := range []string{`"octets_in":0,`, `"octets_out":0,`} { // it has said HELLO
		if strings.Contains(got.stdout, none) {
			t.Errorf("the uplink is up: %s", got.stdout)
		}
	}
	runnel(t, "call", "runnel.listener.get", r.tcp, "--url", r.unix).expect(t, 0, `"rawsocket":`, "")
	runnel(t, "call", "runnel.serial.get", "nothing", "--url", r.unix).expect(t, 1, "", "runnel.error.no_such_name")
	centre.Signal(syscall.SIGTERM)
	up.sees(`"up":false`)
	late := start(t, "sub", "runnel.uplink.on_state.", "--match", "prefix", "--retained", "--json", "--url", r.tcp)
	late.sees(`"up":false`)

	// A removed uplink is no longer reported.
	r.change(t, "[[uplink]]", "[[realm]]\nname = \"other\"\n[[uplink]]")
	r.change(t, "realm = \"realm1\"\nurl", "realm = \"other\"\nurl")
	r.reload(t).expect(t, 0, "uplink Central", "")
	kit.Eventually(t, "the state to be forgotten", func() bool {
		return runnel(t, "sub", "runnel.uplink.on_state.central", "--retained", "-n", "1", "--timeout", "1s", "--url", r.tcp).status == 124
	})
}

// web is a long-poll client.
type web struct {
	*testing.T
	base, cookie string
}

func (w *web) post(path, body string) *http.Response {
	w.Helper()
	request, err := http.NewRequest(http.MethodPost, w.base+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if w.cookie != "" {
		request.Header.Set("Cookie", w.cookie)
	}
	answer, err := browser.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	return answer
}

// hello opens a transport, sends HELLO and further messages, and returns the last answer.
func (w *web) hello(messages ...string) string {
	w.Helper()
	opened := w.post("open", `{"protocols":["wamp.2.json"]}`)
	for _, c := range opened.Cookies() {
		w.cookie = c.Name + "=" + c.Value
	}
	b, _ := io.ReadAll(opened.Body)
	opened.Body.Close()
	_, id, _ := strings.Cut(string(b), `"transport":"`)
	id, _, _ = strings.Cut(id, `"`)
	for _, m := range messages {
		w.post(id+"/send", m).Body.Close()
		heard := w.post(id+"/receive", "")
		b, _ = io.ReadAll(heard.Body)
		heard.Body.Close()
	}
	w.post(id+"/close", "").Body.Close()
	return string(b)
}

// A cookie stays valid over a restart, until its principal is changed or removed.
func TestCookieOverRestart(t *testing.T) {
	const login = `[1,"realm1",{"authid":"pump","authmethods":["ticket"],"roles":{"caller":{}}}]`
	const again = `[1,"realm1",{"authmethods":["cookie"],"roles":{"caller":{}}}]`
	r := serve(t, sensors+"[node]\ndata = \"data\"\n[[listen]]\nurl = \"tcp://127.0.0.2:0\"\ncookie = {}\n")
	base := func(r *router) string {
		return strings.Replace(r.logs(`msg=listening url=(tcp://127\.0\.0\.2:\d+)`)[1], "tcp", "http", 1) + "/lp/"
	}
	w := &web{T: t, base: base(r)}
	if got := w.hello(login, `[5,"pump's",{}]`); !strings.HasPrefix(got, "[2,") {
		t.Fatalf("heard %s", got)
	}
	if got := w.hello(again); !strings.Contains(got, `"authid":"pump"`) {
		t.Fatalf("heard %s", got)
	}
	r.Signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Fatalf("the router ends with %d", status)
	}
	p := start(t, "run", "-c", r.dir+"/runnel.toml")
	tcp, unix := p.logs(`msg=listening url=(tcp://127\.0\.0\.1:\d+)`)[1], p.logs(`msg=listening url=(unix://\S+)`)[1]
	r = &router{process: p, tcp: tcp, unix: unix, dir: r.dir}
	w.base = base(r)
	if got := w.hello(again); !strings.Contains(got, `"authid":"pump"`) || !strings.Contains(got, `"authmethod":"cookie"`) {
		t.Fatalf("after a restart: heard %s", got)
	}
	r.change(t, `ticket = "pump's"`, `ticket = "another"`)
	r.reload(t).expect(t, 0, "", "")
	if got := w.hello(again); !strings.Contains(got, "wamp.error.no_matching_auth_method") {
		t.Errorf("with another ticket: heard %s", got)
	}
}
