package stories

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// webRequest sends a request as a browser writes it, and returns the answer as far as the connection's end.
func webRequest(t *testing.T, address, method, path, host string, headers ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n\r\n", method, path, host, strings.Join(headers, "\r\n"))
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// TestReboundPage checks that a page whose name resolves to the router (DNS rebinding) gets 403 from every HTTP
// listener, including metrics.
func TestReboundPage(t *testing.T) {
	r := serve(t, "[metrics]\nurl = \"http://127.0.0.1:0\"\nhosts = [\"gw.example\"]\n")
	metrics := strings.TrimSuffix(strings.TrimPrefix(r.logs(`msg=metrics url=(\S+)`)[1], "http://"), "/metrics")
	_, port, _ := net.SplitHostPort(r.address())
	const open = "Content-Length: 29\r\nContent-Type: text/plain"
	evil := "evil.example:" + port
	for _, c := range [][]string{
		{"GET", "/"},
		{"POST", "/lp/open", "Origin: http://" + evil, open, "X-Forwarded-For: 192.0.2.1"},
		{"POST", "/lp/open", "Origin: http://" + evil, open, "Forwarded: for=192.0.2.1"},
		{"GET", "/ws", "Origin: http://" + evil, "X-Forwarded-For: 192.0.2.1"},
	} {
		if answer := webRequest(t, r.address(), c[0], c[1], evil, c[2:]...); !strings.HasPrefix(answer, "HTTP/1.1 403") || !strings.Contains(answer, `hosts = ["evil.example"]`) {
			t.Errorf("%v: %s", c, answer)
		}
	}
	for host, want := range map[string]string{"evil.example": "403", "evil.example:9100": "403", "gw.example:9100": "200", metrics: "200"} {
		if answer := webRequest(t, metrics, "GET", "/metrics", host); !strings.HasPrefix(answer, "HTTP/1.1 "+want) {
			t.Errorf("metrics of %s: %s", host, answer)
		}
	}
	for _, first := range []string{"\x16\x03\x01\x00\xa5\x01", "\x10", "\x7f", "hello"} { // input that is not HTTP gets an error at once
		conn, err := net.Dial("tcp", metrics)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, first)
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
			t.Errorf("metrics: %q is answered with %q", first, answer)
		}
	}
	if answer := webRequest(t, r.address(), "GET", "/", "localhost:"+port); !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Errorf("the front page: %s", answer)
	}
}

// TestPollPlaces checks that long-poll transports without a session do not use up the places of other clients.
func TestPollPlaces(t *testing.T) {
	t.Parallel()
	r := serve(t, "[[listen]]\nurl = \"tcp://127.0.0.2:0\"\nmax_connections = 20\n")
	address := strings.TrimPrefix(r.logs(`msg=listening url=(tcp://127\.0\.0\.2:\d+)`)[1], "tcp://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const ask = `{"protocols":["wamp.2.json"]}`
	answers := bufio.NewReader(conn)
	status := make(map[int]int)
	for range 40 {
		fmt.Fprintf(conn, "POST /lp/open HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(ask), ask)
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		status[answer.StatusCode]++
	}
	if status[http.StatusOK] == 0 || status[http.StatusTooManyRequests] == 0 || status[http.StatusServiceUnavailable] != 0 {
		t.Errorf("answers by status: %v", status)
	}
	runnel(t, "pub", "story.a", "--ack", "--url", "tcp://"+address).expect(t, 0, "", "")
	w := &web{T: t, base: "http://" + address + "/lp/"}
	if got := w.hello(`[1,"realm1",{"roles":{"caller":{}}}]`); !strings.HasPrefix(got, "[2,") {
		t.Errorf("heard %s", got)
	}
}
