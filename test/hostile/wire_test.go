package hostile

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/test/say"
	"runnel/test/stage"
)

// wire is a connection that cases read and write octet by octet.
type wire struct {
	*testing.T
	net.Conn
	speaks wamp.Serializer
}

func open(t *testing.T, w stage.Way) *wire {
	t.Helper()
	conn, err := house.Dial(context.Background(), w, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(kit.Patience))
	shorten(conn)
	t.Cleanup(func() { conn.Close() })
	return &wire{t, conn, w.Serializer}
}

// shorten makes the socket's receive buffer small, so that a peer that does not read is noticed soon.
func shorten(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if socket, ok := conn.(interface{ SetReadBuffer(int) error }); ok {
		socket.SetReadBuffer(4 << 10)
	}
}

// raw is a connection with a session over RawSocket. It reads only as much as a case asks for.
func raw(t *testing.T, w stage.Way, hello string) *wire {
	t.Helper()
	c := open(t, w)
	if err := stage.Handshake(c, w.Serializer); err != nil {
		t.Fatal(err)
	}
	c.say(strings.ReplaceAll(hello, "@", w.Realm()))
	c.hear("[2,")
	return c
}

func (w *wire) encode(texts ...string) (octets []byte) {
	w.Helper()
	for _, text := range texts {
		data, err := say.Names{}.Encode(w.speaks, text)
		if err != nil {
			w.Fatalf("say %s: %v", text, err)
		}
		octets = append(octets, stage.Frame(0, data)...)
	}
	return octets
}

func (w *wire) say(texts ...string) {
	w.Helper()
	if _, err := w.Write(w.encode(texts...)); err != nil {
		w.Fatal(err)
	}
}

// hear reads messages until one begins with the given prefix, and returns that message.
func (w *wire) hear(prefix string) string {
	w.Helper()
	for {
		kind, data, err := stage.ReadFrame(w)
		if err != nil {
			w.Fatalf("waiting for %s: %v", prefix, err)
		}
		text := ""
		if kind == 0 {
			if text, err = say.Decode(w.speaks, data); err != nil {
				w.Fatal(err)
			}
		}
		if strings.HasPrefix(text, prefix) {
			return text
		}
	}
}

// expectClosed reads and ignores messages until the router has closed the connection.
func (w *wire) expectClosed() {
	w.Helper()
	if _, err := io.Copy(io.Discard, w); errors.Is(err, os.ErrDeadlineExceeded) {
		w.Fatal("the router does not hang up")
	}
}

// mark is a position in the router's log.
func mark() int { return len(house.Stderr.Text()) }

// logged checks that the log contains a text after the mark.
func logged(t *testing.T, mark int, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	kit.Eventually(t, "the log tells of "+pattern, func() bool { return re.MatchString(house.Stderr.Text()[mark:]) },
		func() string { return fmt.Sprintf("%.2000s", house.Stderr.Text()[mark:]) })
}

// modest checks that the router's memory is bounded, after it has released the memory of an attack.
func modest(t *testing.T) {
	t.Helper()
	limit := 96 << 20
	if kit.Race {
		limit = 1 << 30
	}
	var octets int
	for end := time.Now().Add(kit.Patience / 2); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if octets = program.Resident(house.PID()); octets < limit {
			t.Logf("%d MiB resident", octets>>20)
			return
		}
	}
	t.Errorf("the router has %d MiB resident", octets>>20)
}
