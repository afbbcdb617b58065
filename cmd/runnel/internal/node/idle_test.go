package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
)

// say sends a message as JSON, and waits for the answer.
func say(t *testing.T, conn transport.Conn, text string) {
	t.Helper()
	_, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...), true)
	kit.Must(t, err)
	_, _, err = conn.ReadMessage()
	kit.Must(t, err)
}

// An idle session needs a stack of 4 KiB, whatever its transport. The runtime halves a stack of 8 KiB only if less than a quarter
// is in use, so the session has to wait in few and small frames.
func TestIdleStacks(t *testing.T) {
	if kit.Race {
		t.Skip("the race detector needs larger frames")
	}
	const sessions, most = 400, 5 << 10
	n := site(t, "x")
	kit.Certificates(t, n.dir, "127.0.0.1", "node")
	trust, err := transport.ClientFiles(filepath.Join(n.dir, "ca.pem"), "", "")
	kit.Must(t, err)
	plain, secure := fmt.Sprintf("://127.0.0.1:%d", kit.FreePort(t)), fmt.Sprintf("://127.0.0.1:%d", kit.FreePort(t))
	n.start(listenAt("tcp"+plain) + listenAt("tls"+secure) + "certificate = \"node.pem\"\nkey = \"node.key\"\n")
	for _, url := range []string{"tcp" + plain, "ws" + plain, "tls" + secure, "wss" + secure} {
		none := runtime.NumGoroutine()
		runtime.GC() // frees the stacks of goroutines that have ended
		before := stacks()
		conns := make([]transport.Conn, sessions)
		for i := range conns {
			ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
			conn, err := transport.Dial(ctx, url, transport.DialOptions{Serializer: wamp.JSON, TLS: trust})
			cancel()
			kit.Must(t, err)
			conns[i] = conn
			say(t, conns[i], `[1,"realm1",{"roles":{"subscriber":{}}}]`)
			say(t, conns[i], `[32,1,{},"com.a"]`)
		}
		each := func() int { return (stacks() - before) / sessions }
		kit.Eventually(t, url+": idle sessions have small stacks", func() bool {
			runtime.GC() // halves stacks
			return each() <= most
		}, func() string { return fmt.Sprintf("each has %d bytes", each()) })
		for _, conn := range conns {
			conn.Close()
		}
		few := none + sessions/20 // a listener may have started some of its own since
		kit.Eventually(t, url+": the sessions have ended", func() bool { return runtime.NumGoroutine() <= few })
	}
}

// stacks returns the memory of all stacks in bytes.
func stacks() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.StackInuse)
}
