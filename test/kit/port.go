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

// The ports that FreePort gives out come in blocks, so that test processes that run at the same time never share one. A process
// owns a block while it listens on the block's first port. The blocks lie below the ports that the system hands out, so no
// outgoing connection takes one of their ports.
const (
	firstBlock, blocks = 15_000, 150
	blockSize          = 100
)

var (
	portsMu  sync.Mutex
	owners   []net.Listener // of the blocks; never closed
	nextPort int
	blockEnd int
)

// FreePort returns a TCP port of 127.0.0.1 on which nothing listens, for a program that can't choose one, and for one that
// listens later or again. No other call returns it, in this process or in another. FreePort does not bind
// the port itself: a process that a parallel test starts at that moment would keep it bound until its exec.
func FreePort(t testing.TB) int {
	t.Helper()
	portsMu.Lock()
	defer portsMu.Unlock()
	for range 1000 {
		if nextPort == blockEnd && !takeBlock() {
			continue
		}
		port := nextPort
		nextPort++
		conn, err := net.Dial("tcp", address(port))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return port
		}
		if err == nil {
			conn.Close()
		}
	}
	t.Fatal("no port is free")
	return 0
}

// takeBlock tries to own a block chosen at random.
func takeBlock() bool {
	first := firstBlock + blockSize*rand.IntN(blocks)
	owner, err := net.Listen("tcp", address(first))
	if err != nil {
		return false
	}
	owners = append(owners, owner)
	nextPort, blockEnd = first+1, first+blockSize
	return true
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
