package kit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
)

var (
	portsMu sync.Mutex
	ports   = map[int]bool{} // given out, never twice
)

// FreePort finds a TCP port of 127.0.0.1 on which nothing listens, for a program that can't choose one, and for one that binds it
// later. It is not one of those that the system hands out, so that no connection takes it in between. FreePort does not bind
// the port itself: a process that a parallel test starts at that moment would keep it bound until its exec.
func FreePort(t testing.TB) int {
	t.Helper()
	portsMu.Lock()
	defer portsMu.Unlock()
	for range 1000 {
		port := 15_000 + rand.IntN(15_000)
		if ports[port] {
			continue
		}
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if errors.Is(err, syscall.ECONNREFUSED) {
			ports[port] = true
			return port
		}
		if err == nil {
			conn.Close()
		}
	}
	t.Fatal("no port is free")
	return 0
}
