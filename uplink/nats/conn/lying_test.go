package conn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
)

// These tests run the client against a server that lies, in a bubble of synctest: time passes only while all goroutines
// wait.

// peer is the server's side of a connection.
type peer struct {
	net.Conn
	in *bufio.Reader
}

const goodInfo = `INFO {"server_id":"S","version":"2.9.0","headers":true,"max_payload":1000}` + "\r\n"

// greet performs the handshake on the server's side.
func (p *peer) greet() {
	io.WriteString(p, goodInfo)
	p.expect("CONNECT {")
	p.expect("PING")
	p.expect("PING")
	io.WriteString(p, "PONG\r\nPONG\r\n")
}

// expect reads lines until one begins with a text. It returns the line, or "" at the end.
func (p *peer) expect(begin string) string {
	for {
		line, err := p.in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, begin) {
			return strings.TrimRight(line, "\r\n")
		}
	}
}

// dial returns both ends of a connection.
func dial() (net.Conn, *peer) {
	a, b := net.Pipe()
	return a, &peer{b, bufio.NewReader(b)}
}

// openLie opens a connection with a server that sends the given text.
func openLie(text string, opts Options) error {
	a, p := dial()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		p.expect("PING")
		p.expect("PING")
		go io.Copy(io.Discard, p)
	}()
	go func() {
		io.WriteString(p, text)
		if strings.HasPrefix(text, goodInfo[:20]) {
			<-asked
		}
		p.Close()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := Open(ctx, a, opts)
	if err == nil {
		c.Close()
	}
	return err
}

func TestLyingHandshake(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "no INFO: EOF"},
		{"HTTP/1.1 400 Bad Request\r\n", "not a NATS server"},
		{"\r\n", "not a NATS server"},
		{"INFO {", "no INFO: EOF"},
		{"INFO {\r\n", "invalid INFO"},
		{"INFO []\r\n", "invalid INFO"},
		{"INFO\r\n", "invalid INFO"},
		{`INFO {"max_payload":"x"}` + "\r\n", "invalid INFO"},
		{"INFO {}\r\n", "has no headers; Runnel needs"},
		{`INFO {"headers":true,"tls_required":true}` + "\r\n", "requires TLS"},
		{"-ERR 'maximum connections exceeded'\r\n", "maximum connections exceeded; raise"},
		{"-ERR\r\n", "the server says"},
		{strings.Repeat("INFO", 20_000), "a line has more than"},
		{goodInfo + strings.Repeat("+OK\r\n", 1000), "sent no PONG"},
		{goodInfo + strings.Repeat(goodInfo, 1000), "sent no PONG"},
		{goodInfo + "INFO x\r\n", "invalid INFO"},
		{goodInfo + "MSG a 1 0\r\n\r\n", "message before PONG"},
		{goodInfo + "-ERR 'Authorization Violation'\r\n", "Authorization Violation; check credentials"},
		{goodInfo, "no PONG: EOF"},
		{goodInfo + "PONG\r\n", "no PONG: EOF"},
		{goodInfo + "PONG\r\nMSG a 1 0\r\n\r\nPONG\r\n", "message before PONG"},
		{goodInfo + "PING\r\nPONG\r\n" + goodInfo + "PONG\r\n", ""},
		{strings.ReplaceAll(goodInfo+"pong\r\npong\r\n", "\r", ""), ""},
	} {
		err := openLie(c.text, Options{})
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || c.want == "" || !strings.Contains(err.Error(), "nats handshake: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v instead of %q", c.text, err, c.want)
		}
	}
	if err := openLie(goodInfo, Options{Inbox: "a b"}); err == nil || !strings.Contains(err.Error(), "not a subject") {
		t.Error(err)
	}
}

// CONNECT names the program and the features of the client.
func TestConnect(t *testing.T) {
	a, p := dial()
	line := make(chan string, 1)
	go func() {
		io.WriteString(p, goodInfo)
		line <- p.expect("CONNECT {")
		p.Close()
	}()
	_, err := Open(context.Background(), a, Options{Name: "gw-001", Agent: "runnel/1.2.3", Login: func() (Login, error) { return Login{User: "u", Password: "p"}, nil }})
	if err == nil {
		t.Error("no PONG is missed")
	}
	const want = `CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"name":"gw-001","lang":"runnel","version":"1.2.3","protocol":1,` +
		`"echo":false,"headers":true,"no_responders":true,"user":"u","pass":"p"}`
	if got := kit.Receive(t, "CONNECT", line); got != want {
		t.Errorf("%s instead of %s", got, want)
	}
}

// Open ends with its context, even if the server sends a byte from time to time.
func TestDrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, p := dial()
		dripped := make(chan struct{})
		go func() {
			defer close(dripped)
			for err := error(nil); err == nil; time.Sleep(time.Second) {
				_, err = io.WriteString(p, "I")
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := Open(ctx, a, Options{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		<-dripped
	})
}

// live is a running connection after the handshake.
type live struct {
	*Conn
	peer  *peer
	ended chan error
}

// start opens a connection and runs it. The test closes the peer.
func start(t *testing.T, opts Options) *live {
	t.Helper()
	a, p := dial()
	go p.greet()
	c, err := Open(context.Background(), a, opts)
	kit.Must(t, err)
	l := &live{c, p, make(chan error, 1)}
	go func() { l.ended <- c.Run(context.Background()) }()
	p.expect("SUB " + c.inbox + "* 1")
	return l
}

// say writes a text, and reads all input.
func (l *live) say(text string) {
	go io.Copy(io.Discard, l.peer)
	io.WriteString(l.peer, text)
}

func TestLyingServer(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"NONSENSE\r\n", `unknown operation "NONSENSE"`},
		{"\r\n", "unknown operation"},
		{"MSG\r\n", "invalid line"},
		{"MSG a 2\r\n", "invalid line"},
		{"MSG a 2 -1\r\n", "invalid line"},
		{"MSG a -2 1\r\n", "invalid line"},
		{"MSG a x 1\r\n", "invalid line"},
		{"MSG a 2 +1\r\n", "invalid line"},
		{"MSG a 2 1 1 1\r\n", "invalid line"},
		{"MSG a 2 b c d e f 1\r\n", "invalid line"},
		{"MSG a 2 99999999999999999999\r\n", "invalid line"},
		{"MSG a 2 67108865\r\n", "invalid line"},
		{"MSG a 18446744073709551618 0\r\n\r\n", "invalid line"},
		{"HMSG a 2 12\r\n", "invalid line"},
		{"HMSG a 2 13 12\r\n", "invalid line"},
		{"HMSG a 2 -1 12\r\n", "invalid line"},
		{"HMSG a 2 r s 12 12\r\n", "invalid line"},
		{"MSG a 2 1\r\nxyz\r\n", "no end of line"},
		{"MSG a 2 1\r\nx\n\r\n", "no end of line"},
		{"MSG a 2 0\r\nx\n", "no end of line"},
		{"MSG " + strings.Repeat("a", maxLine) + " 2 0\r\n", "a line has more than"},
		{"INFO {\r\n", "invalid INFO"},
		{"-ERR 'Stale Connection'\r\n", "the server says: Stale Connection"},
		{"-ERR 'Slow Consumer Detected'\r\n", "Slow Consumer"},
		{"-ERR '\x1b[31mred \u2028text\xff'\r\n", "the server says: [31mred text"},
		{"MSG a 2 5\r\nab", "EOF"},
		{"HMSG a 1 12 30\r\nNATS/1.0\r\n\r\n", "EOF"},
		{"MSG a 9 1000\r\n", "EOF"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := start(t, Options{})
			_, err := l.Subscribe("a", "", func(m *Msg) {
				if string(m.Data) != "" {
					t.Errorf("%s", m.Data)
				}
			})
			kit.Must(t, err)
			go func() {
				l.say(c.text)
				l.peer.Close()
			}()
			if err := <-l.ended; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.60q: %v instead of %q", c.text, err, c.want)
			}
			if err := l.Publish(Out{Subject: "a"}); err == nil {
				t.Error("a message was accepted after the end")
			}
		})
	}
}

// Unexpected messages do not affect the connection.
func TestOddMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var notes []string
		note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
		l := start(t, Options{
			OnInfo:     func(i Info) { note("info %s %d %v", i.ServerID, i.MaxPayload, i.LameDuck) },
			OnDenied:   func(d *Denied) { note("denied %v %s %s", d.Publish, d.Subject, d.Queue) },
			OnError:    func(e *ServerError) { note("error %s", e.Text) },
			OnOversize: func(m *Msg, size int) { note("oversize %s %s %d %v", m.Subject, m.Reply, size, m.Sub == nil) },
			MaxMessage: 100,
		})
		_, err := l.Subscribe("a", "", func(m *Msg) {
			note("%s|%s|%q|%s", m.Subject, m.Reply, m.Header, m.Data)
		})
		kit.Must(t, err)
		inbox, err := l.Inbox(func(m *Msg, err error) {
			if err == nil {
				note("answer %s", m.Data)
			}
		})
		kit.Must(t, err)
		l.say(strings.Join([]string{
			"+OK", "PONG", "pong", "+ok",
			"MSG a 7 1", "x", // an unknown sid
			"MSG a 0 1", "x",
			"MSG other 1 1", "x", // no inbox
			"MSG " + l.inbox + " 1 1", "x",
			"MSG " + l.inbox + "*! 1 1", "x",
			"MSG " + l.inbox + "zzzz 1 1", "x",
			"MSG " + inbox.Subject + " 1 3", "yes",
			"msg \ta\t 2  r   2", "ab",
			"HMSG a 2 12 12", "NATS/1.0", "", "",
			"HMSG a 2 0 2", "cd",
			"HMSG a 2 4 6", "HTTPef", // no header block
			"HMSG a 2 r 18 20", "NATS/1.0", "x: 1", "", "gh",
			"MSG a 2 101", strings.Repeat("x", 101),
			"MSG a 9 101", strings.Repeat("x", 101),
			`INFO {"server_id":"T","max_payload":-5,"ldm":true}`,
			`INFO {"server_id":"U","max_payload":1000000000}`,
			`-ERR 'Permissions Violation for Subscription to "a.b" using queue "q"'`,
			`-ERR 'Permissions Violation for Publish to "a.c"'`,
			`-ERR 'Permissions Violation for Publish with Reply of "a.c"'`,
			`-ERR 'Permissions Violation`,
			`-ERR 'Invalid Subject'`,
			`-err 'maximum subscriptions exceeded'`,
			"MSG a 2 4", "last", "",
		}, "\r\n"))
		synctest.Wait()
		want := []string{
			"answer yes", `a|r|""|ab`, `a||"NATS/1.0\r\n"|`, `a||""|cd`, `a||""|ef`, `a|r|"NATS/1.0\r\nx: 1\r\n"|gh`,
			"oversize a  101 false", "oversize a  101 true", "info T 1048576 true", "info U 1048576 false",
			"denied false a.b q", "denied true a.c ", "denied true  ", "denied false  ", "error Invalid Subject", "error maximum subscriptions exceeded",
			`a||""|last`,
		}
		if got, want := strings.Join(notes, "\n"), strings.Join(want, "\n"); got != want {
			t.Errorf("got\n%s\ninstead of\n%s", got, want)
		}
		l.Close()
		if err := <-l.ended; err != ErrClosed {
			t.Error(err)
		}
		l.peer.Close()
	})
}
