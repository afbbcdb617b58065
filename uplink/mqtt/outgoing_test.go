package mqtt

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"runnel/transport/mqtt/packet"
)

// room waits while more than fullMark bytes are left to write, flush while any queued before are. The end of the connection
// ends both with its error.
func TestOutgoingWaits(t *testing.T) {
	ended := errors.New("ended")
	const size = fullMark / 4
	message := newPublish("a", make([]byte, size-1-2-2-1), 0) // size bytes on the wire
	for _, c := range []struct {
		name    string
		packets int
		wait    func(*outgoing) error
		read    int // bytes read after which the wait is over; 0: it does not wait
	}{
		{"room for more", 3, (*outgoing).room, 0},
		{"just so much", 4, (*outgoing).room, 0},
		{"full", 5, (*outgoing).room, size},
		{"nothing to flush", 0, (*outgoing).flush, 0},
		{"something to flush", 2, (*outgoing).flush, 2 * size},
	} {
		for _, fails := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				o := newOutgoing(near, packet.V311)
				for range c.packets {
					o.send(message)
				}
				if sent := o.sent(); sent != uint64(c.packets*size) {
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
				go func() { written <- o.run() }()
				if fails {
					synctest.Wait()
					o.close(ended)
					o.close(io.EOF) // the first reason is kept
					near.Close()
					if synctest.Wait(); !over || c.read > 0 && err != ended || o.room() != ended || o.flush() != ended {
						t.Errorf("%s: after the end: over %v, %v, %v", c.name, over, err, o.room())
					}
					if err := <-written; err != ended {
						t.Errorf("%s: run ends with %v", c.name, err)
					}
					sent := o.sent()
					if o.send(message); o.sent() != sent {
						t.Errorf("%s: bytes are queued after the end", c.name)
					}
					return
				}
				io.ReadFull(far, make([]byte, c.packets*size))
				if synctest.Wait(); !over || err != nil {
					t.Errorf("%s: all is written: over %v, %v", c.name, over, err)
				}
				pingreq := packet.Ping{Type: packet.TypePingreq}
				o.send(pingreq)
				ping := make([]byte, 2)
				if _, err := io.ReadFull(far, ping); err != nil || ping[0] != byte(packet.TypePingreq)<<4 {
					t.Errorf("%s: then %x, %v", c.name, ping, err)
				}
				near.Close()
				o.send(pingreq)
				if err := <-written; !errors.Is(err, io.ErrClosedPipe) || o.room() != err {
					t.Errorf("%s: run ends with %v, room with %v", c.name, err, o.room())
				}
			})
		}
	}
}
