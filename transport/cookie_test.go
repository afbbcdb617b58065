package transport

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestCookie: a web client gets a cookie unless it sends one that belongs to a principal. Requests that open no connection set
// none.
func TestCookie(t *testing.T) {
	known := func(value string) bool { return value == "known" }
	for _, c := range []struct {
		name         string
		options      *CookieOptions
		method, path string
		sends        string // the value of its cookie
		fresh, gets  bool
	}{
		{"no cookies", nil, "POST", "/lp/open", "", false, false},
		{"the first time", &CookieOptions{Known: known}, "POST", "/lp/open", "", true, true},
		{"the first time, by WebSocket", &CookieOptions{Known: known}, "GET", "/ws", "", true, true},
		{"known", &CookieOptions{Known: known}, "POST", "/lp/open", "known", false, true},
		{"known, by WebSocket", &CookieOptions{Known: known}, "GET", "/ws", "known", false, true},
		{"unknown", &CookieOptions{Known: known}, "POST", "/lp/open", "foreign", true, true},
		{"nothing is known", &CookieOptions{}, "POST", "/lp/open", "known", true, true},
		{"another request", &CookieOptions{Known: known}, "POST", "/lp/none/close", "", false, false},
		{"another method", &CookieOptions{Known: known}, "OPTIONS", "/lp/open", "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := run(t, "tcp://127.0.0.1:0", ListenOptions{Cookie: c.options})
			_, port, _ := net.SplitHostPort(l.Addr().String())
			body := ""
			if c.method == "POST" {
				body = openBody
			}
			_, answer := asBrowser(t, l.Listener, c.method, c.path, "localhost:"+port, "", body, "Cookie: runnel="+c.sends)
			if sets := strings.Contains(answer, "Set-Cookie: runnel="); c.path != "/ws" && sets != c.fresh {
				t.Errorf("answered with %s", answer)
			}
			closePoll(t, l.Listener, answer)
			if !c.gets {
				return
			}
			got := (<-l.peers).Transport().Cookie
			if got == nil || got.Fresh != c.fresh || (got.Value == c.sends) == c.fresh || got.Value == "" || got.Age != defaultAge {
				t.Errorf("the cookie is %+v", got)
			}
		})
	}
}

// TestSecureCookie: a cookie of a client that connects over TLS, here to a trusted proxy, is sent over TLS only.
func TestSecureCookie(t *testing.T) {
	for _, c := range []struct {
		proxies []string
		header  string
		want    bool
	}{
		{[]string{"127.0.0.1"}, "X-Forwarded-Proto: https", true},
		{[]string{"127.0.0.1"}, "X-Forwarded-Proto: http", false},
		{[]string{"127.0.0.1"}, "X-Else: 1", false},
		{[]string{"192.0.2.1"}, "X-Forwarded-Proto: https", false},
		{nil, "X-Forwarded-Proto: https", false},
	} {
		t.Run(fmt.Sprint(c.proxies, c.header), func(t *testing.T) {
			l := run(t, "tcp://127.0.0.1:0", ListenOptions{Cookie: &CookieOptions{Name: "mine", Age: time.Hour}, TrustedProxies: c.proxies})
			_, port, _ := net.SplitHostPort(l.Addr().String())
			status, answer := asBrowser(t, l.Listener, "POST", "/lp/open", "localhost:"+port, "", openBody, c.header)
			closePoll(t, l.Listener, answer)
			_, cookie, _ := strings.Cut(answer, "Set-Cookie: mine=")
			cookie, _, _ = strings.Cut(cookie, "\r\n")
			if status != http.StatusOK || strings.Contains(cookie, "Secure") != c.want || !strings.Contains(cookie, fmt.Sprintf("Max-Age=%d", 3600)) || !strings.Contains(cookie, "HttpOnly") {
				t.Errorf("answered with %d, cookie %q", status, cookie)
			}
		})
	}
}

// closePoll closes the long-poll transport that an answer is about, if it is.
func closePoll(t *testing.T, l *Listener, answer string) {
	t.Helper()
	_, id, ok := strings.Cut(answer, `"transport":"`)
	if !ok {
		return
	}
	defer http.DefaultClient.CloseIdleConnections()
	id, _, _ = strings.Cut(id, `"`)
	poll(t, l, id+"/close", "")
}
