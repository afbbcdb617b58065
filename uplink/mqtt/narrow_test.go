package mqtt

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A long packet may take longer than the limit for the broker's silence, as long as parts of it arrive.
func TestRestOfAPacketOnANarrowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		go func() {
			for range 10 {
				time.Sleep(20 * time.Second)
				far.Write([]byte{1})
			}
		}()
		r := &rest{Conn: near, silence: 30 * time.Second}
		if n, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Fatalf("%d octets, then %v", n, err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the silent broker: %v", err)
		}
	})
}
