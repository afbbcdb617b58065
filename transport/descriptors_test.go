package transport

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"runnel/edge/wamp"
)

func TestDescriptorShares(t *testing.T) {
	for _, c := range []struct{ limit, all, far int }{
		{1024, 896, 840},
		{524288, 523264, 490560},
		{64, 16, 8}, // a quarter at least
		{0, 0, 0},
	} {
		if d := NewDescriptors(c.limit); d.all != c.all || d.remote != c.far {
			t.Errorf("of %d there are %d for connections, %d for remote ones; want %d, %d", c.limit, d.all, d.remote, c.all, c.far)
		}
	}
	var none *Descriptors
	if !none.take(false) {
		t.Error("without shares there is a bound")
	}
	none.release()
}

// When strangers hold all descriptors available to them, a program of this machine can still connect by the Unix
// socket. Another stranger gets a descriptor that one releases.
func TestStrangersLeaveDescriptors(t *testing.T) {
	shared := &Descriptors{all: 6, remote: 4}
	unix := "unix://" + filepath.Join(t.TempDir(), "s")
	served := make(chan Conn, 10)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for _, url := range []string{"tcp://127.0.0.1:0", unix} {
		l, err := Listen(url, ListenOptions{Descriptors: shared})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.Run(ctx, func(c Conn) { served <- c; c.ReadMessage() })
		}()
		defer func() { stop(); <-done }()
		if l.network == "tcp" {
			var all []net.Conn
			for range 4 {
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.Write([]byte{0x7F, 0xF0 | byte(wamp.CBOR), 0, 0})
				<-served
				all = append(all, conn)
			}
			if _, err := Dial(ctx, l.URL(), DialOptions{}); err == nil {
				t.Error("a fifth stranger gets in")
			}
			all[0].Close()
			for { // until the router has noticed
				if c, err := Dial(ctx, l.URL(), DialOptions{}); err == nil {
					defer c.Close()
					<-served
					break
				}
			}
			continue
		}
		for range 2 {
			c, err := Dial(ctx, unix, DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			<-served
		}
		if _, err := Dial(ctx, unix, DialOptions{}); err == nil {
			t.Error("there are more than all")
		}
	}
}
