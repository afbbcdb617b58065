package federation

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"runnel/edge/client"
)

// line is a TCP proxy in front of a router. It can be slow, limited in bandwidth, halting, cut or silent. Its address stays the
// same when that of the router changes.
type line struct {
	listener net.Listener
	work     sync.WaitGroup

	mu sync.Mutex
	// Guarded by mu.
	to      string
	quality quality
	closed  bool
	conns   map[net.Conn]bool
	hush    chan struct{} // closed while octets pass
}

// quality describes the faults of a line. The zero value has none.
type quality struct {
	delay  time.Duration // of everything, each way
	stalls float64       // the share of pieces that are delayed, together with all later ones
	stall  time.Duration // for how long at most
	rate   int           // octets a second, each way; 0: any
	cut    bool          // no octet gets through
}

func newLine(t *testing.T) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, conns: make(map[net.Conn]bool), hush: make(chan struct{})}
	close(l.hush)
	l.work.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

func (l *line) address() string { return l.listener.Addr().String() }

// leadTo sets the address of the router.
func (l *line) leadTo(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = address
}

func (l *line) become(q quality) {
	l.mu.Lock()
	l.quality = q
	l.mu.Unlock()
	if q.cut {
		l.cut()
	}
}

// cut ends all connections.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		conn.Close()
	}
}

// silence blocks all data without closing the connections.
func (l *line) silence(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if on {
		l.hush = make(chan struct{})
	} else {
		close(l.hush)
	}
}

func (l *line) close() {
	l.mu.Lock()
	l.closed = true
	select {
	case <-l.hush:
	default:
		close(l.hush)
	}
	l.mu.Unlock()
	l.listener.Close()
	l.cut()
	l.work.Wait()
}

func (l *line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		to, q := l.to, l.quality
		l.mu.Unlock()
		if q.cut {
			near.Close()
			continue
		}
		far, err := net.Dial("tcp", to)
		if err != nil || !l.keep(near, far) {
			near.Close()
			if far != nil {
				far.Close()
			}
			continue
		}
		l.work.Go(func() { l.carry(near, far) })
	}
}

func (l *line) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.conns[c] = true
	}
	return !l.closed
}

// carry copies in both directions until one end is closed.
func (l *line) carry(near, far net.Conn) {
	var both sync.WaitGroup
	end := func() { near.Close(); far.Close() }
	both.Go(func() { l.pass(near, far); end() })
	both.Go(func() { l.pass(far, near); end() })
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, near)
	delete(l.conns, far)
}

// piece is the data of one read, and the time at which it is forwarded.
type piece struct {
	octets []byte
	due    time.Time
}

func (l *line) pass(from, to net.Conn) {
	pieces := make(chan piece, 64)
	var out sync.WaitGroup
	out.Go(func() { l.deliver(to, pieces) })
	b := make([]byte, 4<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			l.mu.Lock()
			due := time.Now().Add(l.quality.delay)
			l.mu.Unlock()
			pieces <- piece{append([]byte(nil), b[:n]...), due}
		}
		if err != nil {
			break
		}
	}
	close(pieces)
	out.Wait()
}

func (l *line) deliver(to net.Conn, pieces <-chan piece) {
	broken := false
	for p := range pieces {
		if !broken {
			broken = l.write(to, p) != nil
		}
	}
}

func (l *line) write(to net.Conn, p piece) error {
	l.mu.Lock()
	q, hush := l.quality, l.hush
	l.mu.Unlock()
	<-hush
	time.Sleep(time.Until(p.due))
	if rand.Float64() < q.stalls {
		time.Sleep(rand.N(q.stall))
	}
	for len(p.octets) > 0 {
		n := len(p.octets)
		if q.rate > 0 {
			n = min(n, max(q.rate/20, 1))
			time.Sleep(time.Duration(n) * time.Second / time.Duration(q.rate))
		}
		if _, err := to.Write(p.octets[:n]); err != nil {
			return err
		}
		p.octets = p.octets[n:]
	}
	return nil
}

func asError(err error, e **client.Error) bool { return errors.As(err, e) }
