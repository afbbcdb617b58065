package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/transport/rawsocket"
)

// TestMisfits: a peer that takes the port for another one is answered in its own protocol and hung up on at once, whether
// or not it sends more; the time for a handshake does not matter.
func TestMisfits(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := certificate(t, dir, "router")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	opts := ListenOptions{HandshakeTimeout: time.Hour, TLS: config}
	plain, web := run(t, "tcp://127.0.0.1:0", opts), run(t, "ws://127.0.0.1:0/ws", opts)
	secure, unix := run(t, "tls://127.0.0.1:0", opts), run(t, "unix://"+filepath.Join(dir, "s"), opts)
	const (
		hello   = "\x16\x03\x01\x00\xa5\x01"
		alert   = "\x15\x03\x01\x00\x02\x02\x28"
		connect = "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
		http    = "GET / HTTP/1.1\r\nHost: localhost\r\n"
	)
	for _, c := range []struct {
		name, octets, answer string
		l                    *running
	}{
		{"a TLS hello at a plain port", hello, alert, plain},
		{"its first octet", hello[:1], alert, plain},
		{"a TLS hello at a WebSocket port", hello, alert, web},
		{"a TLS hello at a Unix socket", hello, alert, unix},
		{"MQTT 3.1.1", connect, "\x20\x02\x00\x01", plain},
		{"MQTT 5", "\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00", "\x20\x03\x00\x84\x00", plain},
		{"the first octet of MQTT", connect[:1], "\x20\x02\x00\x01", plain},
		{"MQTT at a TLS port", connect, "\x20\x02\x00\x01", secure},
		{"MQTT at a Unix socket", connect, "\x20\x02\x00\x01", unix},
		{"HTTP at a TLS port", http, "HTTP/1.1 400 Bad Request", secure},
		{"HTTP at a Unix socket", http, "HTTP/1.1 400 Bad Request", unix},
		{"RawSocket at a TLS port", "\x7f\xf1\x00\x00", "\x7f\x10\x00\x00", secure},
		{"RawSocket's first octet at a TLS port", "\x7f", "\x7f\x10\x00\x00", secure},
		{"RawSocket at a WebSocket port", "\x7f\xf1\x00\x00", "\x7f\x10\x00\x00", web},
		{"a zero", "\x00", "HTTP/1.1 400 Bad Request", plain},
		{"a zero at a TLS port", "\x00", "HTTP/1.1 400 Bad Request", secure},
		{"an Enter", "\r\n", "HTTP/1.1 400 Bad Request", plain},
		{"lower case", "hello", "HTTP/1.1 400 Bad Request", plain},
		{"UTF-8", "\xc3\xa9", "HTTP/1.1 400 Bad Request", unix},
		{"AMQP", "AMQP\x00\x00\x09\x01", "HTTP/1.1 400 Bad Request", plain},
		{"letters without end", strings.Repeat("A", 40), "HTTP/1.1 400 Bad Request", plain},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request", plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial(c.l.Addr().Network(), c.l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, c.octets)
			answer, _ := io.ReadAll(conn)
			if !strings.HasPrefix(string(answer), c.answer) {
				t.Errorf("the answer is %q, want %q", answer, c.answer)
			}
		})
	}
}

// TestCheckProtocol checks which first octets a listener accepts, and its errors for others.
func TestCheckProtocol(t *testing.T) {
	cert, key, _ := certificate(t, t.TempDir(), "router")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	plain, web := run(t, "tcp://127.0.0.1:0", ListenOptions{}), run(t, "ws://127.0.0.1:0/ws", ListenOptions{})
	tls, unix := run(t, "tls://127.0.0.1:0", ListenOptions{TLS: config}), run(t, "unix://"+filepath.Join(t.TempDir(), "s"), ListenOptions{})
	const magic, get, hello, hint = 0x7f, 'G', 0x16, "use tcp://, ws:// or http://"
	for _, c := range []struct {
		name   string
		l      *running
		octet  byte
		secure bool   // it is the first before the TLS handshake
		want   string // "": it is served
		hinted bool
	}{
		{"plain", plain, magic, false, "", false},
		{"plain", plain, get, false, "", false},
		{"plain", plain, hello, false, "RawSocket and WebSocket", true},
		{"plain", plain, 0, false, "RawSocket and WebSocket", false},
		{"web", web, magic, false, "WebSocket only", false},
		{"web", web, get, false, "", false},
		{"web", web, hello, false, "WebSocket only", true},
		{"unix", unix, magic, false, "", false},
		{"unix", unix, get, false, "RawSocket only", false},
		{"unix", unix, hello, false, "RawSocket only", false},
		{"before TLS", tls, hello, true, "", false},
		{"before TLS", tls, magic, true, "TLS", false},
		{"before TLS", tls, get, true, "TLS", false},
		{"within TLS", tls, magic, false, "", false},
		{"within TLS", tls, hello, false, "RawSocket and WebSocket", false},
	} {
		err := c.l.checkProtocol(c.octet, c.secure)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), hint) != c.hinted) {
			t.Errorf("%s, octet %#x: %v", c.name, c.octet, err)
		}
	}
}

// TestSpeaks: the error for a peer of another protocol names the protocol as far as the first octet shows it.
func TestSpeaks(t *testing.T) {
	for octet, want := range map[byte]string{0x7f: "RawSocket", 0x16: "TLS", 0x10: "MQTT", 'G': "perhaps HTTP", 'g': "unknown", 0: "unknown"} {
		m := &misfit{octet: octet, port: "something else"}
		if text := fmt.Sprintf("first octet is %02x (%s), but this port speaks something else", octet, want); m.Error() != text {
			t.Errorf("%s, want %s", m.Error(), text)
		}
	}
}

func TestMethods(t *testing.T) {
	for octet, want := range map[byte]bool{'@': false, 'A': true, 'Z': true, '[': false, 'a': false, 0: false} {
		if got := isMethod(octet); got != want {
			t.Errorf("%q begins a method: %v", octet, got)
		}
	}
}

// TestInbox: a connection for a web server that has ended is closed.
func TestInbox(t *testing.T) {
	b := &inbox{conns: make(chan net.Conn), closed: make(chan struct{})}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	near, far := net.Pipe()
	b.deliver(near)
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection is open: %v", err)
	}
	if _, err := b.Accept(); err != net.ErrClosed {
		t.Errorf("accept: %v", err)
	}
}

// TestOtherSchemeOnly: an error for another reason names no other scheme.
func TestOtherSchemeOnly(t *testing.T) {
	alert := errors.New("remote error: tls: handshake failure")
	for _, c := range []struct {
		scheme string
		err    error
		want   bool
	}{
		{"tcp", rawsocket.BadSerializer, true},
		{"tcp", rawsocket.BadLength, false},
		{"unix", rawsocket.BadSerializer, false},
		{"tls", alert, true},
		{"wss", alert, true},
		{"tcp", alert, false},
		{"tls", errors.New("tls: unknown authority"), false},
	} {
		if got := otherScheme(c.scheme, c.err); (got != "") != c.want {
			t.Errorf("%s, %v: %q", c.scheme, c.err, got)
		}
	}
}

// TestOtherScheme: the error for a wrong scheme names the right ones.
func TestOtherScheme(t *testing.T) {
	cert, key, _ := certificate(t, t.TempDir(), "router")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	plain, secure := run(t, "tcp://127.0.0.1:0", ListenOptions{}), run(t, "tls://127.0.0.1:0", ListenOptions{TLS: config})
	for url, want := range map[string]string{
		"tls://" + plain.Addr().String():         "use tcp:// or ws://",
		"wss://" + plain.Addr().String() + "/ws": "use tcp:// or ws://",
		"tcp://" + secure.Addr().String():        "use tls://",
		"ws://" + secure.Addr().String() + "/ws": "use tls://, wss://",
	} {
		if _, err := Dial(t.Context(), url, DialOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}
