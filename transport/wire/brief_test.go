//go:build unix

package wire

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
)

// TestFlood: a peer that sends without a pause does not keep other goroutines from running, even on a single processor.
func TestFlood(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	kit.Must(t, err)
	near, far := os.NewFile(uintptr(pair[0]), "near"), os.NewFile(uintptr(pair[1]), "far")
	conn, err := net.FileConn(near)
	kit.Must(t, err)
	near.Close()
	// The flood comes from another process after a pause, so that the scheduler's monitor thread sleeps when it begins.
	flood := exec.Command("sh", "-c", "sleep 0.3; exec cat /dev/zero")
	flood.Stdout = far
	kit.Must(t, flood.Start())
	far.Close()
	t.Cleanup(func() { flood.Wait() })

	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := New(conn, nil)
	defer c.Close()
	kit.Must(t, c.Fill(1))
	ran := make(chan struct{})
	go close(ran)
	for range 100 {
		for until := time.Now().Add(20 * time.Millisecond); time.Now().Before(until); { // the work of a turn
		}
		c.Discard(len(c.Buffered()))
		kit.Must(t, c.Fill(1))
		select {
		case <-ran:
			return
		default:
		}
	}
	t.Error("the reader of a flood lets no other goroutine run")
}
