package websocket

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// answered dials a server that answers every handshake with the same text. KEY stands for the answer to the key.
func answered(t *testing.T, ctx context.Context, answer string, o Options) (*Conn, *http.Request, error) {
	near, far := net.Pipe()
	requests := make(chan *http.Request, 1)
	go func() {
		r, err := http.ReadRequest(bufio.NewReader(far))
		if err != nil {
			t.Error(err)
			return
		}
		requests <- r
		io.WriteString(far, strings.ReplaceAll(answer, "KEY", accept(r)))
		io.Copy(io.Discard, far)
	}()
	t.Cleanup(func() { far.Close() })
	conn, err := Dial(ctx, "ws://user:secret@router:81/a b?c=d e", func(context.Context, string) (net.Conn, error) { return near, nil }, o)
	return conn, <-requests, err
}

const agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: KEY\r\nSec-WebSocket-Protocol: wamp.2.cbor\r\n"

// TestRequest: the request of a handshake meets RFC 6455, 4.1.
func TestRequest(t *testing.T) {
	conn, r, err := answered(t, t.Context(), agreed+"\r\n", Options{Batched: true, Compress: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { conn.socket.Close(); conn.Close(); <-conn.Done() }()
	if r.Method != "GET" || r.RequestURI != "/a%20b?c=d%20e" || r.Host != "router:81" || r.Proto != "HTTP/1.1" {
		t.Errorf("%s %s of %s", r.Method, r.RequestURI, r.Host)
	}
	for name, want := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "wamp.2.cbor.batched,wamp.2.cbor",
		"Sec-WebSocket-Extensions": "permessage-deflate; client_no_context_takeover; server_no_context_takeover", "Authorization": "Basic dXNlcjpzZWNyZXQ=",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if conn.deflate {
		t.Error("compression without the server's agreement")
	}
}

// TestAnswers: an answer that does not match the request is an error with the reason.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		err    string
	}{
		"4.1 no Upgrade":          {strings.Replace(agreed, "Upgrade: WebSocket\r\n", "", 1) + "\r\n", `"Upgrade: websocket" is missing`},
		"4.1 another Upgrade":     {strings.Replace(agreed, "WebSocket", "h2c", 1) + "\r\n", `"Upgrade: websocket" is missing`},
		"4.1 no Connection":       {strings.Replace(agreed, ", upgrade", "", 1) + "\r\n", `"Connection: Upgrade" is missing`},
		"4.1 another key":         {strings.Replace(agreed, "KEY", "AAAA", 1) + "\r\n", "Sec-WebSocket-Accept does not match"},
		"4.1 another subprotocol": {strings.Replace(agreed, "cbor", "json", 1) + "\r\n", `the server chose the subprotocol "wamp.2.json"; the client requested wamp.2.cbor`},
		"4.1 an extension":        {agreed + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n", "extension that was not offered"},
		"3xx":                     {"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://elsewhere/ws\r\nContent-Length: 0\r\n\r\n", `307 Temporary Redirect: the server redirects to "https://elsewhere/ws", and redirects are not followed`},
		"200":                     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200 OK: hello"},
		"control characters":      {"HTTP/1.1 403 No\x1b[31m\r\nContent-Length: 8\r\n\r\nred\x1b[31m", "403 No [31m: red [31m"},
		"a long text":             {"HTTP/1.1 403 No\r\n\r\n" + strings.Repeat("x", 100_000), "403 No: " + strings.Repeat("x", maxBody)},
		"a long head":             {"HTTP/1.1 101 OK\r\nX: " + strings.Repeat("x", 100_000), "the head of the answer is longer than 16384 bytes"},
		"many headers":            {"HTTP/1.1 101 OK\r\n" + strings.Repeat("X: y\r\n", 10_000), "the head of the answer is longer than 16384 bytes"},
	} {
		_, _, err := answered(t, t.Context(), c.answer, Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "websocket handshake: ") || !strings.Contains(err.Error(), c.err) || len(err.Error()) > 2000 {
			t.Errorf("%s: %.200v", name, err)
		}
	}
}

// TestSlowAnswers: an answer has a time limit, with and without a deadline of the caller. The text of a rejection has
// its own time limit.
func TestSlowAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer  string
		timeout time.Duration // 0: none
		took    time.Duration
		err     string
	}{
		"half a head":              {"HTTP/1.1 101 OK\r\nX:", 0, handshakeTime, "deadline exceeded"},
		"half a head, a deadline":  {"HTTP/1.1 101 OK\r\nX:", time.Minute, time.Minute, "deadline exceeded"},
		"half a text":              {"HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\nnot now", 0, bodyTime, "403 No: not now"},
		"half a text, no deadline": {"HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\nnot now", time.Minute, bodyTime, "403 No: not now"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				if c.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.timeout)
					defer cancel()
				}
				start := time.Now()
				_, _, err := answered(t, ctx, c.answer, Options{})
				if err == nil || !strings.Contains(err.Error(), c.err) || time.Since(start) != c.took {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// TestDeflateOffers: the router agrees to offers that it can fulfil (RFC 7692, 7.1).
func TestDeflateOffers(t *testing.T) {
	for offer, want := range map[string]bool{
		"permessage-deflate": true, "permessage-deflate; client_max_window_bits": true, "permessage-deflate;client_max_window_bits=10; server_no_context_takeover": true,
		"permessage-deflate; client_no_context_takeover; server_no_context_takeover": true, "x-other, permessage-deflate": true, `permessage-deflate; client_max_window_bits="15"`: true,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate": true, "permessage-deflate; server_max_window_bits=15": true,
		"": false, "x-other": false, "permessage-deflate; server_max_window_bits=10": false, "permessage-deflate; server_max_window_bits": false,
		"permessage-deflate; client_max_window_bits=7": false, "permessage-deflate; client_max_window_bits=16": false, "permessage-deflate; client_max_window_bits=08": false,
		"permessage-deflate; client_max_window_bits; client_max_window_bits": false, "permessage-deflate; server_no_context_takeover=1": false, "permessage-deflate; unknown": false,
	} {
		h := http.Header{}
		h.Set("Sec-WebSocket-Extensions", offer)
		got := acceptDeflate(extensions(h))
		if (got != "") != want {
			t.Errorf("%q is accepted: %v", offer, got)
		}
		if limit := "server_max_window_bits=15"; strings.Contains(got, limit) != strings.Contains(offer, limit) {
			t.Errorf("the answer to %q is %q", offer, got) // RFC 7692, 7.1.2.1
		}
	}
}

// TestDeflateAnswers: a client accepts the extension that it offered if the server's messages are independent of each
// other.
func TestDeflateAnswers(t *testing.T) {
	for answer, want := range map[string]bool{
		"permessage-deflate; server_no_context_takeover": true, "permessage-deflate; server_no_context_takeover; client_no_context_takeover": true,
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=9": true,
		"permessage-deflate": false, "permessage-deflate; client_no_context_takeover": false, "x-other": false,
		"permessage-deflate; server_no_context_takeover, x-other": false, "permessage-deflate; server_no_context_takeover; client_max_window_bits=9": false,
	} {
		h := http.Header{}
		h.Set("Sec-WebSocket-Extensions", answer)
		if got, err := agreedDeflate(true, extensions(h)); got != want || (err == nil) != want {
			t.Errorf("%q is agreed on: %v, %v", answer, got, err)
		}
	}
	if got, err := agreedDeflate(true, nil); got || err != nil {
		t.Errorf("no answer: %v, %v", got, err)
	}
}
