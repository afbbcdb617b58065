package conn

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"runnel/transport/batch"
)

// reading returns a connection that reads a text and discards its output.
func reading(r io.Reader, opts Options) *Conn {
	orDefault(&opts.MaxMessage, defaultMaxMessage)
	a, b := net.Pipe()
	a.Close()
	b.Close()
	c := &Conn{opts: opts, conn: a, done: make(chan struct{}), began: time.Now(), inbox: "_INBOX.X.", subs: map[uint64]*Sub{}, inboxes: map[uint64]*Inbox{}, sids: 1}
	c.out = writer{batch.New(a), 1 << 30}
	c.in = bufio.NewReaderSize(r, maxLine)
	c.info.Store(&Info{MaxPayload: 1 << 20})
	return c
}

// FuzzRead: reading any input ends with an error. The messages do not depend on how the bytes are split.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"MSG a 2 5\r\nhello\r\n", "HMSG a 2 r 18 20\r\nNATS/1.0\r\nx: 1\r\n\r\ngh\r\n", "MSG _INBOX.X.1 1 2\r\nok\r\n", "PING\r\nPONG\r\n+OK\r\n",
		"-ERR 'Permissions Violation for Publish to \"a\"'\r\n", "INFO {\"ldm\":true}\r\nMSG a 2 0\r\n\r\n", "MSG a 2 -1\r\n", "HMSG a 2 12 12\r\nNATS/1.0 503\r\n\r\n",
		"MSG a 9 40000\r\n", "MSG a 2 40000\r\n" + strings.Repeat("x", 40000) + "\r\nMSG a 2 1\r\nx\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) > batch.FullMark {
			return // so many answers would wait for a writer
		}
		whole, err := messages(t, bytes.NewReader(sent))
		cut, again := messages(t, iotest.OneByteReader(bytes.NewReader(sent)))
		if whole != cut || fmt.Sprint(err) != fmt.Sprint(again) {
			t.Errorf("%q: %q, %v; in single bytes %q, %v", sent, whole, err, cut, again)
		}
	})
}

// messages returns all messages of the reader, as a text.
func messages(t *testing.T, r io.Reader) (string, error) {
	var got strings.Builder
	c := reading(r, Options{
		MaxMessage: 50_000,
		OnOversize: func(m *Msg, size int) { fmt.Fprintf(&got, "oversize %s %d\n", m.Subject, size) },
		OnDenied:   func(d *Denied) { fmt.Fprintf(&got, "denied %+v\n", *d) },
		OnInfo:     func(i Info) { fmt.Fprintf(&got, "info %+v\n", i) },
		OnError:    func(e *ServerError) { fmt.Fprintln(&got, e) },
	})
	_, err := c.Subscribe("a", "", func(m *Msg) {
		fmt.Fprintf(&got, "%q %q %q %q\n", m.Subject, m.Reply, m.Header, m.Data)
		if len(m.Header)+len(m.Data) > 50_000 {
			t.Errorf("%d bytes", len(m.Data))
		}
		m.Header.All(func(k, v []byte) bool { fmt.Fprintf(&got, "%q=%q\n", k, v); return true })
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Inbox(func(m *Msg, err error) {
		fmt.Fprintln(&got, m.NoResponders(), string(m.Data), m.Header.Status(), m.Header.Description())
	})
	err = c.read()
	if err == nil {
		t.Error("reading has ended without an error")
	}
	return got.String(), err
}

// repeated is an endless stream of a text.
type repeated struct {
	text []byte
	at   int
	left int // bytes; then io.EOF
}

func (r *repeated) Read(b []byte) (n int, err error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	for n < len(b) && r.left > 0 {
		m := copy(b[n:], r.text[r.at:])
		r.at = (r.at + m) % len(r.text)
		n += m
		r.left -= m
	}
	return n, nil
}

const (
	plainMessage  = "MSG com.example.plant.1.temperature 2 24\r\n{\"args\":[21.5],\"t\":12.5}\r\n"
	headerMessage = "HMSG com.example.plant.1.temperature 2 _INBOX.AAAAAAAAAAAAAAAAAAAAAA.17 38 62\r\nNATS/1.0\r\nNats-Msg-Id: gw-001:1:77\r\n\r\n{\"args\":[21.5],\"t\":12.5}\r\n"
)

// Reading a message and sending one allocate nothing.
func TestAllocs(t *testing.T) {
	for _, text := range []string{plainMessage, headerMessage, "MSG a 9 5\r\nabcde\r\n", "MSG a 2 40000\r\n" + strings.Repeat("x", 40000) + "\r\n"} {
		c := reading(&repeated{text: []byte(text), left: 1 << 40}, Options{})
		count := 0
		c.Subscribe("com.example.>", "", func(m *Msg) {
			count++
			if text == headerMessage && string(m.Header.Get("Nats-Msg-Id")) != "gw-001:1:77" {
				t.Errorf("%q", m.Header)
			}
		})
		one := func() {
			line, err := c.readLine()
			if err == nil {
				err = c.handle(line)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := testing.AllocsPerRun(1000, one); n > 0 {
			t.Errorf("%.20s: %v allocations a message", text, n)
		}
		if strings.Contains(text, " 2 ") && count != 1001 {
			t.Error(count)
		}
	}
	c := reading(nil, Options{})
	m := Out{Subject: "a.b", Reply: "c", Header: Header(nil).Add("a", "b"), Data: make([]byte, 100)}
	if n := testing.AllocsPerRun(1000, func() { c.Publish(m) }); n > 0 {
		t.Errorf("%v allocations a publication", n)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, text := range []string{plainMessage, headerMessage} {
		b.Run(strings.Fields(text)[0], func(b *testing.B) {
			c := reading(&repeated{text: []byte(text), left: b.N * len(text)}, Options{})
			count := 0
			c.Subscribe("com.example.>", "", func(m *Msg) { count++ })
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			b.ResetTimer()
			if c.read(); count != b.N {
				b.Errorf("%d of %d messages", count, b.N)
			}
		})
	}
}

func BenchmarkPublish(b *testing.B) {
	c := reading(nil, Options{})
	c.out = writer{batch.New(nowhere{}), 1 << 30}
	written := make(chan error, 1)
	go func() { written <- c.out.Run() }()
	m := Out{Subject: "com.example.plant.1.temperature", Header: Header(nil).Add("Nats-Msg-Id", "gw-001:1:77"), Data: make([]byte, 24)}
	b.ReportAllocs()
	for b.Loop() {
		c.Publish(m)
		c.Room(b.Context())
	}
	c.out.Close(ErrClosed)
	<-written
}

// nowhere accepts and discards all writes.
type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error)      { return len(p), nil }
func (nowhere) SetWriteDeadline(time.Time) error { return nil }

// FuzzLogin: any text is either credentials or an error. The nkey of a parsed key's public half has the usual length.
func FuzzLogin(f *testing.F) {
	f.Add([]byte(userCreds))
	f.Add([]byte(userSeed))
	f.Fuzz(func(t *testing.T, text []byte) {
		if l, err := ParseCredentials(text); err == nil && (l.JWT == "" || PublicKey(l.Key) == "") {
			t.Errorf("%q", text)
		}
		if key, err := ParseSeed(text); err == nil && len(PublicKey(key)) != len(userPublic) {
			t.Errorf("%q", text)
		}
	})
}

// FuzzHeader: a header block can be read back, and its values cannot add another line.
func FuzzHeader(f *testing.F) {
	f.Add("a", "b\r\nc: d")
	f.Fuzz(func(t *testing.T, one, two string) {
		h := Header(nil).Add("One", one).Add("Two", two)
		block := ParseHeader(append(bytes.Clone(h), "\r\n"...))
		fields := 0
		block.All(func(k, v []byte) bool { fields++; return true })
		if fields != 2 || !bytes.Equal(block, h) || block.Get("Two") == nil {
			t.Errorf("%q", h)
		}
		ParseHeader([]byte(one)).All(func(k, v []byte) bool { return true })
	})
}
