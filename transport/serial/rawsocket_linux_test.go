package serial

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/rawsocket"
	"runnel/transport/serial/pty"
)

// echo serves a line as a router does, with RawSocket over bare octets. It sends every message back.
func echo(t *testing.T, link string) *Line {
	t.Helper()
	l := NewLine(LineConfig{Port: Config{Device: link}, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var current *rawsocket.Conn
	done := make(chan error, 1)
	go func() {
		done <- l.Run(ctx, func(rw io.ReadWriteCloser) error {
			conn, err := rawsocket.Server(rw, rawsocket.Options{MaxMessage: 16 << 20, PingInterval: 50 * time.Millisecond, PingTimeout: 200 * time.Millisecond})
			if err != nil {
				return err
			}
			defer conn.Close()
			mu.Lock()
			current = conn
			mu.Unlock()
			for ctx.Err() == nil {
				msg, _, err := conn.ReadMessage()
				if err != nil {
					return err
				}
				if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...), true); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		mu.Lock()
		if current != nil {
			current.Close() // as the router does when it stops
		}
		mu.Unlock()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	kit.Eventually(t, "open", func() bool { return l.State().Phase == Listening })
	return l
}

// answer is the router's to hello: messages up to 16 MiB, CBOR.
const answer = "\x7f\xf3\x00\x00"

// controller is a microcontroller with a RawSocket client. It keeps its input, so that timing does not matter.
type controller struct {
	*pty.Device
	mu    sync.Mutex
	heard []byte
}

func newController(t *testing.T, link string) *controller {
	c := &controller{Device: plug(t, link)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			c.mu.Lock()
			c.heard = append(c.heard, buf[:n]...)
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c
}

func (c *controller) has(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i+len(text) <= len(c.heard); i++ {
		if string(c.heard[i:i+len(text)]) == text {
			return true
		}
	}
	return false
}

func (c *controller) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = nil
}

// boot restarts the controller. It sends a handshake, and after the answer it sends a message and gets it back. Like
// any device, it starts again if that takes too long.
func (c *controller) boot(t *testing.T) {
	t.Helper()
	polls, greeted := 0, false
	kit.Eventually(t, "a message comes back", func() bool {
		if polls++; polls%500 == 1 {
			c.forget()
			send(t, c, hello)
			greeted = false
		}
		if !greeted && c.has(answer) {
			send(t, c, "\x00\x00\x00\x05hello")
			greeted = true
		}
		return greeted && c.has("\x00\x00\x00\x05hello")
	})
}

// TestRawSocketOverLine checks how RawSocket without the link handles noise and a device that restarts at any time.
func TestRawSocketOverLine(t *testing.T) {
	link := filepath.Join(t.TempDir(), "port")
	c := newController(t, link)
	l := echo(t, link)
	c.boot(t)
	for _, last := range []struct{ name, octets string }{
		{"between messages", ""},
		{"in a message's header", "\x00\x00"},
		{"in a message", "\x00\x00\x00\x50and then the pow"},
		{"with noise on the line", noise(20_000)},
	} {
		t.Run(last.name, func(t *testing.T) {
			send(t, c, last.octets)
			c.boot(t)
		})
	}
	if s := l.State(); s.Opens != 1 || s.Losses != 0 {
		t.Errorf("the port was opened again: %+v", s)
	}
}

func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}
