package rest

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
)

// received is a request that the server of a webhook has got.
type received struct {
	path, body, id, address string
	header                  http.Header
}

// hooked is a webhook and its server.
type hooked struct {
	*stage
	hook   *Webhook
	got    chan received
	answer atomic.Value // func(http.ResponseWriter)
	web    *httptest.Server
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

func newHooked(t *testing.T) *hooked {
	h := &hooked{stage: newStage(t, Options{}), got: make(chan received, 100)}
	h.answer.Store(status(200))
	h.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		kit.Send(t, h.got, received{r.URL.String(), string(body), r.Header.Get("Idempotency-Key"), r.RemoteAddr, r.Header})
		h.answer.Load().(func(http.ResponseWriter))(w)
	}))
	t.Cleanup(h.web.Close)
	return h
}

// run runs a webhook until stop is called.
func (h *hooked) run() (stop func()) {
	h.Helper()
	address := h.web.Listener.Addr().String()
	h.hook = NewWebhook(WebhookOptions{
		Name: "erp", Realm: "realm1", Authid: "erp", Role: "all", Topic: "com.example.order", Host: "shop.example", Path: "/hook?a=1",
		Secret: "secret", Authorization: "Bearer x", Timeout: kit.Patience, Agent: "runnel/1", Log: slog.New(slog.DiscardHandler),
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
		Serve: func(c *memory.Conn) { h.router.Serve(c) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.hook.Run(ctx) }()
	var once atomic.Bool
	stop = func() {
		if cancel(); !once.Swap(true) {
			kit.Must(h, <-ended)
		}
	}
	h.Cleanup(stop)
	kit.Eventually(h, "the webhook subscribes", func() bool {
		return h.router.Status().Realms[0].Subscriptions+h.router.Status().Realms[1].Subscriptions > 0
	})
	return stop
}

func (h *hooked) publish(n int) {
	h.Helper()
	h.expect("publish", h.ask("POST", "/publish/com.example.order", fmt.Sprintf(`[%d,"ä"]`, n)), 200, "*")
}

func (h *hooked) next(n int) received {
	h.Helper()
	r := kit.Receive(h, "post", h.got)
	if !strings.HasPrefix(r.body, `{"topic":"com.example.order","publication":`) || !strings.HasSuffix(r.body, fmt.Sprintf(`,"args":[%d,"ä"]}`, n)) {
		h.Fatalf("event %d: %s", n, r.body)
	}
	return r
}

// Events arrive in order, signed, over one connection.
func TestWebhook(t *testing.T) {
	h := newHooked(t)
	h.run()
	ids, addresses := map[string]bool{}, map[string]bool{}
	for n := range 5 {
		h.publish(n)
	}
	for n := range 5 {
		r := h.next(n)
		ids[r.id], addresses[r.address] = true, true
		mac := hmac.New(sha256.New, []byte("secret"))
		io.WriteString(mac, r.header.Get("X-Runnel-Timestamp")+"."+r.body)
		if got := r.header.Get("X-Runnel-Signature"); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signature %s", got)
		}
		if r.path != "/hook?a=1" || r.header.Get("Content-Type") != "application/json" || r.header.Get("Authorization") != "Bearer x" ||
			r.header.Get("User-Agent") != "runnel/1" || r.header.Get("X-Runnel-Webhook") != "erp" {
			t.Errorf("%s %v", r.path, r.header)
		}
	}
	if len(ids) != 5 || len(addresses) != 1 {
		t.Errorf("%d ids from %d connections", len(ids), len(addresses))
	}
	kit.Eventually(t, "all are delivered", func() bool { s := h.hook.State(); return s.Delivered == 5 && s.Problem == "" })
}

// An event that is not taken is sent again, with the same key, and before the later ones. The next run continues with it.
func TestWebhookRetries(t *testing.T) {
	h := newHooked(t)
	stop := h.run()
	for _, answer := range []func(http.ResponseWriter){
		status(500), status(404), status(302),
		func(w http.ResponseWriter) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		},
	} {
		h.answer.Store(answer)
		h.publish(1)
		h.publish(2)
		first := h.next(1)
		if again := h.next(1); again.id != first.id || again.body != first.body {
			t.Errorf("%v; then %v", first, again)
		}
		kit.Eventually(t, "the problem is reported", func() bool { return h.hook.State().Problem != "" })
		stop()
		for len(h.got) > 0 {
			<-h.got
		}
		h.answer.Store(status(204))
		stop = h.run()
		again := h.next(1)
		if again.id != first.id {
			t.Errorf("after a restart %v; then %v", first, again)
		}
		for strings.HasSuffix(again.body, `[1,"ä"]}`) { // a request of the first run may arrive late
			again = kit.Receive(t, "post", h.got)
		}
		if !strings.HasSuffix(again.body, `[2,"ä"]}`) {
			t.Errorf("then comes %s", again.body)
		}
		kit.Eventually(t, "both are delivered", func() bool { s := h.hook.State(); return s.Delivered == 2 && s.Problem == "" })
	}
}

// An event that the server will never accept is counted, and later events are still sent.
func TestWebhookRefusal(t *testing.T) {
	h := newHooked(t)
	h.run()
	for i, code := range []int{400, 409, 413, 415, 422} {
		h.answer.Store(status(code))
		h.publish(1)
		h.next(1)
		kit.Eventually(t, "it is refused", func() bool { return h.hook.State().Refused == uint64(i+1) })
		h.answer.Store(status(200))
		h.publish(2)
		h.next(2)
		kit.Eventually(t, "the next is delivered", func() bool { return h.hook.State().Delivered == uint64(i+1) })
	}
	if s := h.hook.State(); !strings.Contains(s.Refusal, "com.example.order: 422") || s.Retries != 0 {
		t.Errorf("%+v", s)
	}
}

// Answers are read strictly, and at most so many bytes of them.
func TestAnswers(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":                                      "200 keep",
		"HTTP/1.1 204 No Content\r\n\r\n":                                                     "204 keep",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n":     "202 keep",
		"HTTP/1.1 200 OK\r\n\r\n":                                                             "200 close",
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n":                                        "200 close",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n":                   "200 close",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                      "200 close",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok":                                      "200 close",
		"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n":                                  "200 close",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n":                                       "200 close",
		"HTTP/1.1 200\r\n\r\n":                                                                "200 close",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n":                     "200 close",
		"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n":                    "429 keep 7s",
		"HTTP/1.1 503 No\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n":               "503 keep 1h0m0s",
		"HTTP/2 200 OK\r\n\r\n":                                                               "error",
		"SSH-2.0-x\r\n\r\n":                                                                   "error",
		"HTTP/1.1 20 OK\r\n\r\n":                                                              "error",
		"HTTP/1.1 abc\r\n\r\n":                                                                "error",
		"":                                                                                    "error",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxAnswer):                             "error",
		strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxAnswer/20) + "HTTP/1.1 200 OK\r\n": "error",
	} {
		limit := &io.LimitedReader{R: strings.NewReader(text), N: maxAnswer}
		p := &poster{limit: limit, in: bufio.NewReader(limit)}
		a, keep, err := p.answer()
		got := fmt.Sprint(a.status, map[bool]string{true: " keep", false: " close"}[keep])
		if a.retryAfter > 0 {
			got += " " + a.retryAfter.String()
		}
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%.60q: %s, %v; want %s", text, got, err, want)
		}
	}
}

// A webhook whose session is killed joins again and continues with the event in flight.
func TestWebhookRejoins(t *testing.T) {
	h := newHooked(t)
	h.answer.Store(status(500))
	h.run()
	h.publish(0)
	h.publish(1)
	for range 2 {
		h.next(0)
		h.router.CloseSessions(func(*wamp.Transport) bool { return true }, wamp.CloseKilled, "")
	}
	h.answer.Store(status(200))
	r := h.next(0)
	for strings.HasSuffix(r.body, `[0,"ä"]}`) {
		r = kit.Receive(t, "post", h.got)
	}
	if !strings.HasSuffix(r.body, `[1,"ä"]}`) {
		t.Errorf("then comes %s", r.body)
	}
	kit.Eventually(t, "both are delivered", func() bool { s := h.hook.State(); return s.Delivered == 2 && s.Problem == "" })
}
