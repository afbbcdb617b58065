package packet

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// room waits while more than fullMark bytes are left to write, flush while any queued before are. The end of the connection
// ends both with its error.
func TestWriterWaits(t *testing.T) {
	ended := errors.New("ended")
	const size = fullMark / 4
	message := &Publish{Topic: "a", Payload: make([]byte, size-1-2-2-1)} // size bytes on the wire
	for _, c := range []struct {
		name    string
		packets int
		wait    func(*Writer) error
		read    int // bytes read after which the wait is over; 0: it does not wait
	}{
		{"room for more", 3, (*Writer).Room, 0},
		{"just so much", 4, (*Writer).Room, 0},
		{"full", 5, (*Writer).Room, size},
		{"nothing to flush", 0, (*Writer).Flush, 0},
		{"something to flush", 2, (*Writer).Flush, 2 * size},
	} {
		for _, fails := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				o := NewWriter(near, V311)
				for range c.packets {
					o.Send(message)
				}
				if sent := o.Sent(); sent != uint64(c.packets*size) {
					t.Fatalf("%d bytes were queued, want %d", sent, c.packets*size)
				}
				var err error
				over := false
				go func() {
					err = c.wait(o)
					over = true
				}()
				if synctest.Wait(); over != (c.read == 0) || err != nil {
					t.Errorf("%s: over at once %v, %v", c.name, over, err)
				}
				written := make(chan error, 1)
				go func() { written <- o.Run() }()
				if fails {
					synctest.Wait()
					o.Close(ended)
					o.Close(io.EOF) // the first reason is kept
					near.Close()
					if synctest.Wait(); !over || c.read > 0 && err != ended || o.Room() != ended || o.Flush() != ended {
						t.Errorf("%s: after the end: over %v, %v, %v", c.name, over, err, o.Room())
					}
					if err := <-written; err != ended {
						t.Errorf("%s: run ends with %v", c.name, err)
					}
					sent := o.Sent()
					if o.Send(message); o.Sent() != sent {
						t.Errorf("%s: bytes are queued after the end", c.name)
					}
					return
				}
				io.ReadFull(far, make([]byte, c.packets*size))
				if synctest.Wait(); !over || err != nil {
					t.Errorf("%s: all is written: over %v, %v", c.name, over, err)
				}
				pingreq := Ping{Type: TypePingreq}
				o.Send(pingreq)
				ping := make([]byte, 2)
				if _, err := io.ReadFull(far, ping); err != nil || ping[0] != byte(TypePingreq)<<4 {
					t.Errorf("%s: then %x, %v", c.name, ping, err)
				}
				near.Close()
				o.Send(pingreq)
				if err := <-written; !errors.Is(err, io.ErrClosedPipe) || o.Room() != err {
					t.Errorf("%s: run ends with %v, room with %v", c.name, err, o.Room())
				}
			})
		}
	}
}

// A long packet may take longer than the peer may accept nothing, as long as it accepts some of it.
func TestWriteOnANarrowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		go func() {
			for range 64 {
				time.Sleep(time.Second)
				io.ReadFull(far, make([]byte, 1<<10))
			}
		}()
		o := NewWriter(near, 0)
		if n, err := o.write(make([]byte, 64<<10)); n != 64<<10 || err != nil {
			t.Fatalf("%d octets, then %v", n, err)
		}
		if n, err := o.write(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the peer that takes nothing: %d, %v", n, err)
		}
	})
}
