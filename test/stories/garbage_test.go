package stories

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
)

// hello is RawSocket's handshake, by serializer.
func hello(serializer byte) []byte { return []byte{0x7f, 0xf0 | serializer, 0, 0} }

// frame is a RawSocket message.
func frame(payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

// garbage lists input of broken, misdirected or hostile peers.
func garbage() map[string][]byte {
	random := make([]byte, 64<<10)
	for i, r := 0, rand.New(rand.NewPCG(3, 4)); i < len(random); i++ {
		random[i] = byte(r.Uint32())
	}
	deep := bytes.Repeat([]byte("["), 1<<19)
	return map[string][]byte{
		"nothing":                 nil,
		"half a handshake":        {0x7f, 0xf3},
		"unknown serializer":      hello(9),
		"reserved octets":         {0x7f, 0xf3, 1, 2},
		"random octets":           random,
		"random after handshake":  append(hello(3), random...),
		"random CBOR message":     append(hello(3), frame(random[:1000])...),
		"random MsgPack message":  append(hello(2), frame(random[:1000])...),
		"random JSON message":     append(hello(1), frame(random[:1000])...),
		"half a message":          append(hello(3), 0, 0, 1, 0, 0x83),
		"huge length":             append(hello(3), 0, 0xff, 0xff, 0xff),
		"huger length":            append(hello(3), 0x08, 0, 0, 0, 0, 0, 0, 0),
		"reserved frame type":     append(hello(3), 7, 0, 0, 0),
		"deep JSON":               append(hello(1), frame(deep)...),
		"deep CBOR":               append(hello(3), frame(bytes.Repeat([]byte{0x81}, 1<<19))...),
		"deep MsgPack":            append(hello(2), frame(bytes.Repeat([]byte{0x91}, 1<<19))...),
		"array of 2^32 in CBOR":   append(hello(3), frame([]byte{0x9a, 0xff, 0xff, 0xff, 0xff})...),
		"text of 2^63 in CBOR":    append(hello(3), frame([]byte{0x83, 0x01, 0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})...),
		"not HELLO":               append(hello(1), frame([]byte(`[16,1,{},"a"]`))...),
		"HELLO without roles":     append(hello(1), frame([]byte(`[1,"realm1",{}]`))...),
		"two HELLOs":              append(hello(1), append(frame([]byte(helloJSON)), frame([]byte(helloJSON))...)...),
		"broken payload":          append(hello(1), append(frame([]byte(helloJSON)), frame([]byte(`[16,1,{},"story.work",[1,}]`))...)...),
		"HTTP":                    []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"HTTP without end":        append([]byte("GET /ws HTTP/1.1\r\n"), bytes.Repeat([]byte("X-A: b\r\n"), 1<<16)...),
		"WebSocket without a key": []byte("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
	}
}

const helloJSON = `[1,"realm1",{"roles":{"publisher":{}}}]`

// The router survives any input: its memory stays bounded, and a working session continues.
func TestGarbage(t *testing.T) {
	r := serve(t, "")
	heard := make(chan int, 1)
	listening, talking := connect(t, r.unix), connect(t, r.tcp)
	_, err := listening.Subscribe(t.Context(), "story.work", client.SubscribeOptions{}, func(e *client.Event) {
		n, _ := e.Args()[0].(int64)
		heard <- int(n)
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, network := range []string{"tcp", "unix"} {
		address := r.address()
		if network == "unix" {
			address = strings.TrimPrefix(r.unix, "unix://")
		}
		for name, octets := range garbage() {
			pour(t, network, address, octets)
			n++
			if err := talking.Publish(t.Context(), "story.work", client.PublishOptions{}, client.Args(n)); err != nil {
				t.Fatalf("after %s over %s: %v", name, network, err)
			}
			select {
			case got := <-heard:
				if got != n {
					t.Fatalf("after %s over %s: heard %d, not %d", name, network, got, n)
				}
			case <-time.After(kit.Patience):
				t.Fatalf("after %s over %s the router is deaf\n%s", name, network, r.Stderr.Text())
			}
		}
	}
	if strings.Contains(r.Stderr.Text(), "panic") {
		t.Errorf("%s", r.Stderr.Text())
	}
	if octets := resident(t, r); octets > 256<<20 {
		t.Errorf("%d octets resident", octets)
	}
}

// pour sends octets and waits for the router to close the connection. If the router would wait for more, pour closes it.
func pour(t *testing.T, network, address string, octets []byte) {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(kit.Patience))
	c.Write(octets) // the router may hang up in the middle
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.Copy(io.Discard, c)
}

// More silent connections than the router accepts: existing sessions continue, other listeners have room, and memory stays
// bounded. The router closes the silent connections after a while.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	r := serve(t, "")
	talking := connect(t, r.tcp)
	work := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
		defer cancel()
		if err := talking.Publish(ctx, "story.work", client.PublishOptions{Acknowledge: true}, client.Payload{}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range silent(t) {
		c, err := net.Dial("tcp", r.address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n%1000 == 0 {
			work()
		}
	}
	work()
	runnel(t, "pub", "story.work", "--ack", "--url", r.unix).expect(t, 0, "", "")
	if octets := resident(t, r); octets > 256<<20 {
		t.Errorf("%d octets resident", octets)
	}
	kit.Eventually(t, "a place", func() bool {
		return runnel(t, "pub", "story.work", "--ack", "--url", r.tcp).status == 0
	})
	if text := r.Stderr.Text(); !strings.Contains(text, "too many connections") && !strings.Contains(text, "the peer sent nothing") {
		t.Errorf("no word of it: %s", text)
	}
}

// silent returns the number of connections to open: 10,000 if this process may open as many files.
func silent(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(min(10_200, limit.Max)) - 200
}

// resident returns the resident memory of a router.
func resident(t *testing.T, r *router) int {
	t.Helper()
	octets := program.Resident(r.PID())
	if octets == 0 {
		t.Skip("no /proc here")
	}
	return octets
}
