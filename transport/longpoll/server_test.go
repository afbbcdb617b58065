package longpoll

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"runnel/transport/subprotocol"
)

// TestProtocols carries messages both ways, in every subprotocol.
func TestProtocols(t *testing.T) {
	for _, name := range subprotocol.Names() {
		t.Run(name, func(t *testing.T) {
			r := serve(t, Options{})
			p, _ := subprotocol.Parse(name)
			c, path := r.open(t, name)
			if at := c.Transport(); at.Protocol != "longpoll" || at.Serializer != p.Serializer || at.Network != "tcp" || at.ChannelBinding != nil {
				t.Errorf("the transport is %+v", at)
			}
			r.want(t, path+"send", packed(p, "one"), http.StatusNoContent, "")
			hear(t, c, "one", false)
			say(t, c, "first", "second")
			if p.Batched {
				r.want(t, path+"receive", "", http.StatusOK, packed(p, "first", "second"))
				r.want(t, path+"send", packed(p, "two", "three"), http.StatusNoContent, "")
				hear(t, c, "two", true)
				hear(t, c, "three", false)
			} else {
				r.want(t, path+"receive", "", http.StatusOK, "first")
				say(t, c, "third")
				r.want(t, path+"receive", "", http.StatusOK, "second")
				r.want(t, path+"receive", "", http.StatusOK, "third")
			}
			r.want(t, path+"send", packed(p, "last"), http.StatusNoContent, "")
			r.want(t, path+"close", "", http.StatusNoContent, "")
			hear(t, c, "last", false)
			expectEnd(t, c, io.EOF)
			c.Close()
			done(t, c)
			r.want(t, path+"close", "", http.StatusNoContent, "") // again
			r.want(t, path+"receive", "", http.StatusNotFound, "no such transport")
			if n := r.Len(); n != 0 {
				t.Errorf("%d transports are left", n)
			}
		})
	}
}

func packed(p subprotocol.Protocol, messages ...string) string {
	if !p.Batched {
		return messages[0]
	}
	return string(p.Pack(nil, batch(messages...)))
}

func TestRefusals(t *testing.T) {
	r := serve(t, Options{MaxMessage: 100})
	_, single := r.open(t, "wamp.2.json")
	_, binary := r.open(t, "wamp.2.cbor.batched")
	_, owned := r.open(t, "wamp.2.json", "Test-Certificate", "ann")
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
		headers            []string
	}{
		{"GET", "open", "", 405, "are POST", nil},
		{"POST", "", "", 404, "no such transport", nil},
		{"POST", "open", "", 400, "not a JSON object", nil},
		{"POST", "open", "[1]", 400, "not a JSON object", nil},
		{"POST", "open", "{}", 400, "no common protocol", nil},
		{"POST", "open", `{"protocols":["wamp.2.flatbuffers"]}`, 400, "wamp.2.cbor, wamp.2.msgpack, wamp.2.json, wamp.2.cbor.batched", nil},
		{"POST", "open", `{"protocols":["` + strings.Repeat("x", 5000) + `"]}`, 413, "longer than 4096 bytes", nil},
		{"POST", "none/send", "[1]", 404, "no such transport", nil},
		{"POST", single + "sing", "[1]", 404, "send, receive and close", nil},
		{"POST", single + "send", "", 400, "empty", nil},
		{"POST", single + "send", strings.Repeat("x", 101), 413, "longer than 100 bytes", nil},
		{"POST", single + "receive", strings.Repeat("x", 5000), 413, "longer than 4096 bytes", nil},
		{"POST", single + "send", "[1]", 403, "another certificate", []string{"Test-Certificate", "eve"}},
		{"POST", owned + "receive", "", 403, "another certificate", nil},
		{"POST", owned + "close", "", 403, "another certificate", []string{"Test-Certificate", "eve"}},
		{"POST", binary + "send", "\x00\x00\x00\x02a", 400, "broken batch", nil},
		{"POST", binary + "send", "a", 400, "broken batch", nil},
		{"OPTIONS", "open", "", 204, "", []string{"Origin", "https://good.example"}},
	} {
		status, answer, err := r.try(context.Background(), c.method, c.path, c.body, c.headers...)
		if err != nil || status != c.status || !strings.Contains(answer, c.answer) {
			t.Errorf("%s %s %.40q is answered with %d %q, %v; want %d %q", c.method, c.path, c.body, status, answer, err, c.status, c.answer)
		}
	}
	for _, path := range []string{single, binary} { // rejected requests have no effect
		r.want(t, path+"send", "\x00\x00\x00\x01a", http.StatusNoContent, "")
	}
}

// TestReadLimit checks that a peer cannot send long bodies before it has joined.
func TestReadLimit(t *testing.T) {
	r := serve(t, Options{MaxMessage: 100})
	c, path := r.open(t, "wamp.2.json")
	var _ interface{ SetReadLimit(int) } = c // which the router asks for
	for _, limit := range []int{10, 1000, 0} {
		c.SetReadLimit(limit)
		took := min(limit, 100)
		if limit == 0 {
			took = 100
		}
		r.want(t, path+"send", strings.Repeat("x", took+1), http.StatusRequestEntityTooLarge, fmt.Sprintf("longer than %d bytes", took))
		r.want(t, path+"send", strings.Repeat("x", took), http.StatusNoContent, "")
		hear(t, c, strings.Repeat("x", took), false)
	}
}

// TestPages: a page that may connect may also read the answers, with its cookies.
func TestPages(t *testing.T) {
	r := serve(t, Options{})
	for _, method := range []string{"OPTIONS", "POST"} {
		q, _ := http.NewRequest(method, r.web.URL+"/lp/open", strings.NewReader(`{"protocols":["wamp.2.json"]}`))
		q.Header.Set("Origin", "https://good.example")
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		h := a.Header
		if h.Get("Access-Control-Allow-Origin") != "https://good.example" || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s is answered with %v", method, h)
		}
		if got := h.Get("Access-Control-Allow-Headers"); (got == "Content-Type") != (method == "OPTIONS") {
			t.Errorf("%s allows the headers %q", method, got)
		}
	}
}

func TestNoRoom(t *testing.T) {
	r := serve(t, Options{Serve: func(*Conn) bool { return false }})
	r.want(t, "open", `{"protocols":["wamp.2.json"]}`, http.StatusServiceUnavailable, "too many")
	if n := r.Len(); n != 0 {
		t.Errorf("%d transports are left", n)
	}
}

// TestRetryAfter checks that a rejection carries Retry-After if a retry can help.
func TestRetryAfter(t *testing.T) {
	s := NewServer(Options{})
	for status, want := range map[int]string{400: "", 404: "", 413: "", 429: "10", 503: "10"} {
		w := httptest.NewRecorder()
		err := s.refuse(w, refusal{status, "text"})
		if got := w.Header().Get("Retry-After"); got != want || w.Code != status || err == nil {
			t.Errorf("%d: answered with %d, Retry-After %q, %v", status, w.Code, got, err)
		}
	}
}
