package rawsocket

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/wire"
)

// pair makes a client's and a server's Conn.
func pair(t testing.TB, network string) (client, server *Conn) {
	t.Helper()
	a, b := networks[network](t)
	done := make(chan error, 1)
	go func() {
		var err error
		server, err = Server(b, Options{})
		done <- err
	}()
	client, err := Client(a, Options{})
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

const batchSize = 1000

// exchange returns a function that writes a batch of 1000 messages and waits until all are read.
func exchange(t testing.TB, network string) (do func(), octets int) {
	client, server := pair(t, network)
	batch := []byte(strings.Repeat(frame(0, strings.Repeat("e", 150)), batchSize))
	read := make(chan bool)
	go func() {
		defer close(read)
		for n := 1; ; n++ {
			if _, _, err := server.ReadMessage(); err != nil {
				return
			}
			if n%batchSize == 0 {
				read <- true
			}
		}
	}()
	t.Cleanup(func() {
		client.Close()
		for range read {
		}
	})
	return func() {
		for b, wait := batch, false; len(b) > 0; wait = true {
			n, err := client.Write(b, wait)
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		<-read
	}, len(batch)
}

func BenchmarkBatch(b *testing.B) {
	for _, network := range []string{"tcp", "unix", "pipe"} {
		b.Run(network, func(b *testing.B) {
			do, octets := exchange(b, network)
			b.SetBytes(int64(octets))
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}

// BenchmarkOne sends one message at a time back and forth.
func BenchmarkOne(b *testing.B) {
	client, server := pair(b, "tcp")
	go func() {
		for {
			msg, _, err := server.ReadMessage()
			if err != nil {
				return
			}
			server.Write([]byte(frame(0, string(msg))), false)
		}
	}()
	call := []byte(frame(0, strings.Repeat("c", 150)))
	for b.Loop() {
		client.Write(call, false)
		if _, _, err := client.ReadMessage(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations: a message costs no allocation.
func TestAllocations(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		do, _ := exchange(t, network)
		do()
		if n := testing.AllocsPerRun(50, do); n > batchSize/20 {
			t.Errorf("%s: %v allocations for %d messages", network, n, batchSize)
		}
	}
}

// TestIdleMemory: a connection that waits holds no buffer, even if it was busy before.
func TestIdleMemory(t *testing.T) {
	const conns = 100
	fillPool()
	for _, network := range []string{"tcp", "unix"} {
		sockets := make([]io.Closer, 0, 2*conns)
		ends := make([][2]io.ReadWriteCloser, conns)
		for j := range ends {
			a, b := networks[network](t)
			ends[j] = [2]io.ReadWriteCloser{a, b}
			sockets = append(sockets, a, b)
		}
		before := memory()
		done := make(chan bool)
		ready := make(chan bool)
		for _, e := range ends {
			go func() {
				defer func() { done <- true }()
				c, err := Server(e[1], Options{})
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, err := c.ReadMessage(); err != nil {
					t.Error(err)
				}
				ready <- true
				c.ReadMessage()
			}()
			e[0].Write([]byte("\x7f\xf3\x00\x00" + frame(0, strings.Repeat("m", 5000))))
		}
		for range ends {
			<-ready
		}
		const limit = 8 << 10
		grown := (memory() - before) / conns
		for end := time.Now().Add(time.Minute); grown > limit && !kit.Race && time.Now().Before(end); { // until the readers wait
			time.Sleep(10 * time.Millisecond)
			grown = (memory() - before) / conns
		}
		t.Logf("%s: %d bytes for an idle connection and its reader", network, grown)
		if grown > limit && !kit.Race {
			t.Errorf("%s: an idle connection needs %d bytes, want at most %d", network, grown, limit)
		}
		for _, s := range sockets {
			s.Close()
		}
		for range ends {
			<-done
		}
	}
}

// fillPool makes the pool of buffers keep as many as it ever keeps, so that they do not look like the connections'.
func fillPool() {
	var loans [64]wire.Loan
	var buffers [len(loans)][]byte
	for i := range loans {
		buffers[i] = loans[i].Take()
	}
	for i := range loans {
		loans[i].Return(buffers[i])
	}
}

// memory returns the size of the heap and the stacks.
func memory() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}
