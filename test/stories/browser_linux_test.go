package stories

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
)

// page tries to connect to its own address and to the router, by every transport, and posts the attempts that succeeded.
const page = `<!doctype html><title>page</title><script>
const tried = [];
const attempt = async (name, f) => {
	let got;
	try { got = await f(); } catch (e) { got = 'failed'; }
	tried.push(name + ': ' + got);
};
const open = (base, headers) => async () => {
	const r = await fetch(base + '/lp/open', {method: 'POST', headers, body: '{"protocols":["wamp.2.json"]}'});
	return r.status + ' ' + (await r.text()).slice(0, 20);
};
const socket = base => () => new Promise((got, failed) => {
	const s = new WebSocket(base.replace('http', 'ws') + '/ws', 'wamp.2.json');
	s.onopen = () => s.send(JSON.stringify([1, 'realm1', {roles: {caller: {}}}]));
	s.onmessage = m => got(m.data.slice(0, 3));
	s.onerror = failed;
});
(async () => {
	const own = location.origin, router = 'ROUTER';
	await attempt('own poll', open(own, {}));
	await attempt('own poll, X-Forwarded-For', open(own, {'X-Forwarded-For': '192.0.2.1'}));
	await attempt('own poll, Forwarded', open(own, {Forwarded: 'for=192.0.2.1'}));
	await attempt('own socket', socket(own));
	await attempt('own page', async () => (await fetch(own + '/')).status);
	await attempt('poll', open(router, {}));
	await attempt('poll, X-Forwarded-For', open(router, {'X-Forwarded-For': '192.0.2.1'}));
	await attempt('socket', socket(router));
	await fetch('/tried', {method: 'POST', body: tried.join('\n')});
})();
</script>`

// TestBrowser opens a page in a real browser. The address of a rebound page is first that of its server, then that of the
// router. The test simulates this with a proxy.
func TestBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium")
	}
	r := serve(t, "[[listen]]\nurl = \"tcp://127.0.0.2:0\"\norigins = [\"http://good.example:*\"]\n")
	open := strings.TrimPrefix(r.logs(`msg=listening url=(tcp://127\.0\.0\.2:\d+)`)[1], "tcp://")
	for _, c := range []struct{ host, router, want string }{
		{"evil.example", r.address(), "own poll: 403 runnel: host \"evil.e\nown poll, X-Forwarded-For: 403 runnel: host \"evil.e\nown poll, Forwarded: 403 runnel: host \"evil.e\n" +
			"own socket: failed\nown page: 403\npoll: failed\npoll, X-Forwarded-For: failed\nsocket: failed"},
		{"good.example", open, "own poll: 200 {\"protocol\":\"wamp.2.\nown poll, X-Forwarded-For: 200 {\"protocol\":\"wamp.2.\nown poll, Forwarded: 200 {\"protocol\":\"wamp.2.\n" +
			"own socket: [2,\nown page: 200\npoll: 200 {\"protocol\":\"wamp.2.\npoll, X-Forwarded-For: failed\nsocket: [2,"},
	} {
		t.Run(c.host, func(t *testing.T) {
			if got := visit(t, chromium, c.host, c.router); got != c.want {
				t.Errorf("the page got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// visit opens the page at a host whose address is the router's, and returns its attempts.
func visit(t *testing.T, chromium, host, router string) string {
	t.Helper()
	said := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/page":
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, strings.Replace(page, "ROUTER", "http://"+router, 1))
		case "/tried":
			b, _ := io.ReadAll(q.Body)
			select { // the browser may send it again
			case said <- string(b):
			default:
			}
		default:
			http.NotFound(w, q)
		}
	}))
	defer server.Close()
	address := rebind(t, server.Listener.Addr().String(), router)
	_, port, _ := net.SplitHostPort(address)
	profile, err := os.MkdirTemp("", "runnel-browser-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(profile)
	cmd := exec.Command(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
		"--user-data-dir="+profile, "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
		"--host-resolver-rules=MAP "+host+" 127.0.0.1", fmt.Sprintf("http://%s:%s/page", host, port))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with the processes that it has started
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case text := <-said:
		return text
	case err := <-ended:
		t.Skipf("chromium does not run here: %v", err)
	case <-time.After(kit.Patience):
		t.Fatal("the page has said nothing")
	}
	return ""
}

// rebind listens at an address and forwards requests for /page and /tried to the page's server. It forwards all others to
// the router, unchanged.
func rebind(t *testing.T, server, router string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { pass(conn, server, router) })
		}
	})
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// pass forwards one connection; its first request selects the destination. A connection carries only one request: pass adds
// a header that makes the far side close it. Browsers do not let a page set that header.
func pass(conn net.Conn, server, router string) {
	defer conn.Close()
	head := make([]byte, 0, 16<<10)
	for !strings.Contains(string(head), "\r\n\r\n") {
		n, err := conn.Read(head[len(head):cap(head)])
		if err != nil || len(head)+n == cap(head) {
			return
		}
		head = head[:len(head)+n]
	}
	line, _, _ := strings.Cut(string(head), "\r\n")
	to := router
	if strings.Contains(line, " /page ") || strings.Contains(line, " /tried ") {
		to = server
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	io.WriteString(far, strings.Replace(string(head), "Connection: keep-alive", "Connection: close", 1))
	go io.Copy(far, conn)
	io.Copy(conn, far)
}
