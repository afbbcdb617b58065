package conn_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/uplink/nats/conn"
)

// These tests run the client against real servers.

func TestMain(m *testing.M) { kit.Leakproof(m) }

// open opens a connection and runs it until the test's end.
func open(t testing.TB, address string, opts conn.Options) *conn.Conn {
	t.Helper()
	c, err := tryOpen(t, address, opts)
	kit.Must(t, err)
	return run(t, c)
}

// run runs a connection until the test's end.
func run(t testing.TB, c *conn.Conn) *conn.Conn {
	kit.Background(t, func() { c.Run(context.Background()) }, c.Close)
	return c
}

func tryOpen(t testing.TB, address string, opts conn.Options) (*conn.Conn, error) {
	t.Helper()
	ctx, cancel := patience()
	defer cancel()
	raw, err := net.Dial("tcp", address)
	kit.Must(t, err)
	return conn.Open(ctx, raw, opts)
}

func patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), kit.Patience)
}

// flush waits until the server has handled everything.
func flush(t testing.TB, c *conn.Conn) {
	t.Helper()
	ctx, cancel := patience()
	defer cancel()
	kit.Must(t, c.Flush(ctx))
}

// subscribe subscribes, and waits until the server has the subscription. The channel gets copies of the messages.
func subscribe(t testing.TB, c *conn.Conn, subject, queue string) (<-chan *conn.Msg, *conn.Sub) {
	t.Helper()
	messages := make(chan *conn.Msg, 1000)
	s, err := c.Subscribe(subject, queue, func(m *conn.Msg) { kit.Send(t, messages, m.Clone()) })
	kit.Must(t, err)
	flush(t, c)
	return messages, s
}

func login(l conn.Login) func() (conn.Login, error) {
	return func() (conn.Login, error) { return l, nil }
}

func TestPublish(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, "")
		a, b := open(t, s.Address, conn.Options{Name: "a", Agent: "runnel/1.2.3"}), open(t, s.Address, conn.Options{})
		exact, _ := subscribe(t, b, "plant.1.temperature", "")
		wild, _ := subscribe(t, b, "plant.*.temperature", "")
		rest, gone := subscribe(t, b, "plant.>", "")
		header := conn.Header(nil).Add("Nats-Msg-Id", "gw-1:7").Add("Text", "two\r\nlines")
		kit.Must(t, a.Publish(conn.Out{Subject: "plant.1.temperature", Data: []byte("21.5")}))
		kit.Must(t, a.Publish(conn.Out{Subject: "plant.1.temperature", Reply: "answers.here", Header: header, Data: []byte("22\r\n")}))
		kit.Must(t, a.Publish(conn.Out{Subject: "plant.1.temperature", Header: header}))
		for _, c := range []<-chan *conn.Msg{exact, wild, rest} {
			first, second, third := kit.Receive(t, "message", c), kit.Receive(t, "message", c), kit.Receive(t, "message", c)
			if string(first.Subject) != "plant.1.temperature" || string(first.Data) != "21.5" || len(first.Header) > 0 || len(first.Reply) > 0 {
				t.Errorf("%+v", first)
			}
			if string(second.Data) != "22\r\n" || string(second.Reply) != "answers.here" || string(second.Header.Get("nats-msg-id")) != "gw-1:7" ||
				string(second.Header.Get("Text")) != "two  lines" {
				t.Errorf("%+v", second)
			}
			if len(third.Data) != 0 || len(third.Reply) > 0 || string(third.Header.Get("Nats-Msg-Id")) != "gw-1:7" {
				t.Errorf("%+v", third)
			}
		}
		gone.Unsubscribe()
		gone.Unsubscribe() // a second call has no effect
		kit.Must(t, a.Publish(conn.Out{Subject: "plant.2.temperature"}))
		kit.Receive(t, "message", wild)
		flush(t, b)
		if len(rest) > 0 {
			t.Error("a message after Unsubscribe")
		}
		own, _ := subscribe(t, a, "plant.3.temperature", "")
		kit.Must(t, a.Publish(conn.Out{Subject: "plant.3.temperature"}))
		flush(t, a)
		if len(own) > 0 {
			t.Error("the connection got its own message")
		}
		if info := a.Info(); info.MaxPayload != 1<<20 || !info.Headers || info.ServerID == "" {
			t.Errorf("%+v", info)
		}
		if a.RoundTrip() == 0 {
			t.Error("no round trip was measured")
		}
	})
}

// A message of any size arrives complete, whether it fits into the reader's buffer or not.
func TestSizes(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, "max_payload: 200000")
		oversize := make(chan int, 10)
		a, b := open(t, s.Address, conn.Options{}), open(t, s.Address, conn.Options{MaxMessage: 150_000, OnOversize: func(m *conn.Msg, size int) {
			if string(m.Subject) != "size" || m.Data != nil || m.Sub == nil {
				t.Errorf("%+v", m)
			}
			oversize <- size
		}})
		messages, _ := subscribe(t, b, "size", "")
		header := conn.Header(nil).Add("a", "b")
		for _, size := range []int{0, 1, 32<<10 - 3, 32<<10 - 2, 32<<10 - 1, 32 << 10, 70_000, 150_000 - len(header) - 2} {
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(i * 7)
			}
			kit.Must(t, a.Publish(conn.Out{Subject: "size", Header: header, Data: data}))
			if m := kit.Receive(t, "message", messages); string(m.Data) != string(data) || string(m.Header.Get("a")) != "b" {
				t.Errorf("%d bytes came as %d, header %q", size, len(m.Data), m.Header)
			}
		}
		kit.Must(t, a.Publish(conn.Out{Subject: "size", Data: make([]byte, 150_001)}))
		kit.Must(t, a.Publish(conn.Out{Subject: "size", Data: []byte("after")}))
		if m := kit.Receive(t, "message", messages); string(m.Data) != "after" {
			t.Errorf("%d bytes", len(m.Data))
		}
		if size := kit.Receive(t, "oversize", oversize); size != 150_001 {
			t.Error(size)
		}
		var large *conn.TooLarge
		if err := a.Publish(conn.Out{Subject: "size", Data: make([]byte, 200_001)}); !errors.As(err, &large) || large.Size != 200_001 || large.Limit != 200_000 {
			t.Error(err)
		}
		if err := a.Publish(conn.Out{Subject: "size", Header: header, Data: make([]byte, 200_000)}); !errors.As(err, &large) {
			t.Error(err)
		}
		kit.Must(t, a.Publish(conn.Out{Subject: "size", Data: make([]byte, 200_000)}))
		flush(t, a) // the server has accepted it
	})
}

func TestRequest(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, "")
		a, b := open(t, s.Address, conn.Options{}), open(t, s.Address, conn.Options{Inbox: "_INBOX_b"})
		ctx, cancel := patience()
		defer cancel()
		_, err := b.Subscribe("echo", "workers", func(m *conn.Msg) {
			b.Publish(conn.Out{Subject: string(m.Reply), Header: conn.Header(nil).Add("Kind", "first"), Data: m.Data})
			b.Publish(conn.Out{Subject: string(m.Reply), Data: []byte("second")})
		})
		kit.Must(t, err)
		flush(t, b)
		m, err := a.Request(ctx, conn.Out{Subject: "echo", Data: []byte("hello")})
		if err != nil || string(m.Data) != "hello" || string(m.Header.Get("Kind")) != "first" {
			t.Errorf("%+v %v", m, err)
		}
		if _, err := a.Request(ctx, conn.Out{Subject: "nothing.here"}); err != conn.ErrNoResponders {
			t.Error(err)
		}
		short, stop := context.WithTimeout(context.Background(), time.Millisecond)
		defer stop()
		silent, _ := subscribe(t, b, "silent", "")
		if _, err := a.Request(short, conn.Out{Subject: "silent"}); err != context.DeadlineExceeded {
			t.Error(err)
		}
		kit.Receive(t, "request", silent)
		failures := make(chan error, 1)
		kit.Must(t, a.Send(conn.Out{Subject: "silent"}, time.Millisecond, func(m *conn.Msg, err error) { failures <- err }))
		if err := kit.Receive(t, "timeout", failures); err != conn.ErrTimeout {
			t.Error(err)
		}
		answers := make(chan string, 10)
		kit.Must(t, a.Send(conn.Out{Subject: "echo", Data: []byte("async")}, kit.Patience, func(m *conn.Msg, err error) { answers <- string(m.Data) }))
		if text := kit.Receive(t, "answer", answers); text != "async" {
			t.Error(text)
		}
		inbox, err := a.Inbox(func(m *conn.Msg, err error) {
			switch {
			case err != nil:
				answers <- err.Error()
			case m.NoResponders():
				answers <- "no responders"
			default:
				answers <- string(m.Data)
			}
		})
		kit.Must(t, err)
		kit.Must(t, a.Publish(conn.Out{Subject: "echo", Reply: inbox.Subject, Data: []byte("many")}))
		for _, want := range []string{"many", "second", "no responders"} {
			if want == "no responders" {
				kit.Must(t, a.Publish(conn.Out{Subject: "nothing", Reply: inbox.Subject}))
			}
			if text := kit.Receive(t, "answer", answers); text != want {
				t.Errorf("%q instead of %q", text, want)
			}
		}
		inbox.Close()
		other, err := a.Inbox(func(m *conn.Msg, err error) { answers <- fmt.Sprint(m == nil, err) })
		kit.Must(t, err)
		if !strings.HasPrefix(other.Subject, "_INBOX.") {
			t.Error(other.Subject)
		}
		a.Close()
		if text := kit.Receive(t, "end", answers); text != "true nats: the connection is closed" {
			t.Error(text)
		}
		if _, err := a.Request(ctx, conn.Out{Subject: "echo"}); err != conn.ErrClosed {
			t.Error(err)
		}
	})
}

func TestQueueGroup(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, "")
		a := open(t, s.Address, conn.Options{})
		var count [2]atomic.Int64
		for i := range count {
			b := open(t, s.Address, conn.Options{})
			_, err := b.Subscribe("work.>", "group", func(m *conn.Msg) { count[i].Add(1) })
			kit.Must(t, err)
			flush(t, b)
		}
		const n = 200
		for range n {
			kit.Must(t, a.Publish(conn.Out{Subject: "work.item"}))
		}
		kit.Eventually(t, "all messages", func() bool { return count[0].Load()+count[1].Load() == n })
		flush(t, a)
		if count[0].Load() == 0 || count[1].Load() == 0 || count[0].Load()+count[1].Load() != n {
			t.Error(count[0].Load(), count[1].Load())
		}
	})
}

func TestLogin(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = 7
	key := ed25519.NewKeyFromSeed(seed)
	config := map[string]string{
		"user":  `authorization { user: gw, password: "s p\"q" }`,
		"token": `authorization { token: "t0k" }`,
		"nkey":  fmt.Sprintf(`authorization { users: [ { nkey: %s } ] }`, conn.PublicKey(key)),
	}
	good := map[string]conn.Login{"user": {User: "gw", Password: `s p"q`}, "token": {Token: "t0k"}, "nkey": {Key: key}}
	bad := map[string]conn.Login{"user": {User: "gw", Password: "x"}, "token": {}, "nkey": {Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}}
	kit.EachNATS(t, func(t *testing.T, binary string) {
		for kind, text := range config {
			s := kit.StartNATS(t, binary, text)
			flush(t, open(t, s.Address, conn.Options{Login: login(good[kind])}))
			_, err := tryOpen(t, s.Address, conn.Options{Login: login(bad[kind])})
			var refused *conn.ServerError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), "Authorization Violation; check credentials") {
				t.Errorf("%s: %v", kind, err)
			}
		}
		plain := kit.StartNATS(t, binary, "")
		if _, err := tryOpen(t, plain.Address, conn.Options{Login: login(good["nkey"])}); err == nil || !strings.Contains(err.Error(), "no nonce") {
			t.Error(err)
		}
		failed := errors.New("no such file")
		if _, err := tryOpen(t, plain.Address, conn.Options{Login: func() (l conn.Login, err error) { return l, failed }}); !errors.Is(err, failed) {
			t.Error(err)
		}
	})
}

func TestPermissions(t *testing.T) {
	const config = `authorization { users: [ { user: gw, password: x, permissions {
		publish: ["plant.>", "_INBOX.>"], subscribe: ["plant.>", "_INBOX.>"], allow_responses: true } }, { user: all, password: x } ] }`
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, config)
		denied := make(chan *conn.Denied, 10)
		a := open(t, s.Address, conn.Options{Login: login(conn.Login{User: "gw", Password: "x"}), OnDenied: func(d *conn.Denied) { denied <- d }})
		good, sub := subscribe(t, a, "plant.1", "")
		_, refused := subscribe(t, a, "secret.>", "")
		_, group := subscribe(t, a, "secret.1", "q")
		if sub.Denied() != nil || refused.Denied() == nil || group.Denied() == nil {
			t.Error(sub.Denied(), refused.Denied(), group.Denied())
		}
		for _, want := range []conn.Denied{{Subject: "secret.>"}, {Subject: "secret.1", Queue: "q"}} {
			d := *kit.Receive(t, "violation", denied)
			if !strings.Contains(d.Error(), "Permissions Violation for Subscription to") {
				t.Error(d.Error())
			}
			if d.Text = ""; d != want {
				t.Errorf("%+v instead of %+v", d, want)
			}
		}
		kit.Must(t, a.Publish(conn.Out{Subject: "secret.2"}))
		if d := kit.Receive(t, "violation", denied); !d.Publish || d.Subject != "secret.2" {
			t.Errorf("%+v", d)
		}
		ctx, cancel := patience()
		defer cancel()
		_, err := a.Request(ctx, conn.Out{Subject: "secret.3"})
		var d *conn.Denied
		if !errors.As(err, &d) || d.Subject != "secret.3" {
			t.Error(err)
		}
		// An inbox learns that its request was denied; one that waits for another request does not.
		ended := make(chan error, 10)
		for _, request := range []string{"plant.4", "secret.4"} {
			box, err := a.Inbox(func(m *conn.Msg, err error) {
				if err != nil || !m.NoResponders() {
					ended <- err
				}
			})
			kit.Must(t, err)
			defer box.Close()
			box.Await(request)
			kit.Must(t, a.Publish(conn.Out{Subject: request, Reply: box.Subject}))
		}
		if err := kit.Receive(t, "end of the inbox", ended); !errors.As(err, &d) || d.Subject != "secret.4" {
			t.Error(err)
		}
		flush(t, a)
		if len(ended) > 0 {
			t.Errorf("the other inbox has ended: %v", <-ended)
		}
		b := open(t, s.Address, conn.Options{Login: login(conn.Login{User: "all", Password: "x"})})
		// A subject of its own is new each time, and messages arrive there only by its subscription.
		one, other := b.NewInbox(), b.NewInbox()
		atOne, _ := subscribe(t, b, one, "")
		kit.Must(t, a.Publish(conn.Out{Subject: other}))
		kit.Must(t, a.Publish(conn.Out{Subject: one, Data: []byte("1")}))
		if m := kit.Receive(t, "message", atOne); one == other || string(m.Subject) != one {
			t.Errorf("%s at %s, not %s", m.Data, m.Subject, one)
		}
		kit.Must(t, b.Publish(conn.Out{Subject: "plant.1"}))
		kit.Receive(t, "message after the violations", good)
	})
}

// certificates returns the directory with an authority and certificates of a server and a client.
func certificates(t *testing.T) (dir string, authority *x509.CertPool) {
	dir = t.TempDir()
	kit.Certificates(t, dir, "127.0.0.1", "server", "client")
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	kit.Must(t, err)
	authority = x509.NewCertPool()
	authority.AppendCertsFromPEM(pem)
	return dir, authority
}

func TestTLS(t *testing.T) {
	dir, authority := certificates(t)
	config := func(more string) string {
		return fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, timeout: 60, %s }", filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"), filepath.Join(dir, "ca.pem"), more)
	}
	good := &tls.Config{RootCAs: authority, ServerName: "127.0.0.1"}
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, config(""))
		flush(t, open(t, s.Address, conn.Options{TLS: good}))
		if _, err := tryOpen(t, s.Address, conn.Options{}); err == nil || !strings.Contains(err.Error(), "requires TLS; write tls+nats://") {
			t.Error(err)
		}
		if _, err := tryOpen(t, s.Address, conn.Options{TLS: &tls.Config{ServerName: "127.0.0.1"}}); err == nil || !strings.Contains(err.Error(), "tls handshake") {
			t.Error(err)
		}
		if _, err := tryOpen(t, s.Address, conn.Options{TLS: &tls.Config{RootCAs: authority, ServerName: "other.example"}}); err == nil {
			t.Error("a certificate for another name was accepted")
		}
		both := kit.StartNATS(t, binary, config("")+"\nallow_non_tls: true")
		flush(t, open(t, both.Address, conn.Options{TLS: good}))
		flush(t, open(t, both.Address, conn.Options{}))
		plain := kit.StartNATS(t, binary, "")
		if _, err := tryOpen(t, plain.Address, conn.Options{TLS: good}); err == nil || !strings.Contains(err.Error(), "offers no TLS") {
			t.Error(err)
		}
		clients := kit.StartNATS(t, binary, config("verify: true"))
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
		kit.Must(t, err)
		flush(t, open(t, clients.Address, conn.Options{TLS: &tls.Config{RootCAs: authority, ServerName: "127.0.0.1", Certificates: []tls.Certificate{pair}}}))
		if _, err := tryOpen(t, clients.Address, conn.Options{TLS: good}); err == nil {
			t.Error("a client without a certificate was accepted")
		}
		if strings.HasPrefix(open(t, plain.Address, conn.Options{}).Info().Version, "2.9.") {
			return // handshake_first needs 2.10
		}
		first := kit.StartNATS(t, binary, config("handshake_first: true"))
		flush(t, open(t, first.Address, conn.Options{TLS: good, TLSFirst: true}))
	})
}

// A server that ends sends the reason, or the client notices the end.
func TestEnd(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, "max_connections: 2\nmax_control_line: 4096\nlame_duck_duration: 30s\nlame_duck_grace_period: 1s")
		infos := make(chan conn.Info, 10)
		// The server may still count the connection that StartNATS has closed.
		enter := func(opts conn.Options) (c *conn.Conn) {
			kit.Eventually(t, "a connection", func() bool {
				var err error
				c, err = tryOpen(t, s.Address, opts)
				return err == nil
			})
			return run(t, c)
		}
		a := enter(conn.Options{OnInfo: func(i conn.Info) { infos <- i }})
		enter(conn.Options{})
		if _, err := tryOpen(t, s.Address, conn.Options{}); err == nil || !strings.Contains(strings.ToLower(err.Error()), "maximum connections exceeded; raise") {
			t.Error(err)
		}
		long := strings.Repeat("a", conn.MaxSubject)
		kit.Must(t, a.Publish(conn.Out{Subject: long, Reply: long}))
		flush(t, a)
		if err := a.Publish(conn.Out{Subject: long + "a"}); err != conn.ErrSubject {
			t.Error(err)
		}
		s.LameDuck(t)
		for !kit.Receive(t, "INFO of a lame duck", infos).LameDuck {
		}
		s.Kill()
		<-a.Done()
		if a.Err() == nil {
			t.Error("no reason")
		}
	})
}
