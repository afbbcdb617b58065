package lapb

import (
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// fifo is how many octets a simulated UART gives to the processor, or takes from it, at once.
const fifo = 16

// cable is a simulated serial line. Its time is a test's fake clock. Octets arrive at the baud rate, and noise disturbs them.
type cable struct {
	baud  int
	noise float64 // part of the octets that are flipped, dropped, doubled or delayed, in equal shares

	busy sync.WaitGroup
}

// plugs are a cable's two ends.
func (c *cable) plugs(seed uint64) (a, b *plug) {
	there, back := newDirection(), newDirection()
	a, b = &plug{out: there, in: back}, &plug{out: back, in: there}
	for i, d := range [...]*direction{there, back} {
		c.busy.Add(1)
		go func() {
			defer c.busy.Done()
			c.carry(d, rand.New(rand.NewPCG(seed, uint64(i))))
		}()
	}
	return a, b
}

// direction is one of the two directions: the octets that are not on the wire yet, and those that arrived and were not read.
// Both buffers are as large as Linux makes them.
type direction struct {
	mu       sync.Mutex
	changed  sync.Cond
	written  []byte
	arrived  []byte
	on       int // octets on the wire
	cut      bool
	overflow int // octets lost because they were not read in time
}

const kernelBuffer = 4096

func newDirection() *direction {
	d := &direction{}
	d.changed.L = &d.mu
	return d
}

// carry moves octets over the wire.
func (c *cable) carry(d *direction, r *rand.Rand) {
	buf := make([]byte, fifo)
	for {
		d.mu.Lock()
		for len(d.written) == 0 && !d.cut {
			d.changed.Wait()
		}
		if d.cut {
			d.mu.Unlock()
			return
		}
		n := copy(buf, d.written)
		d.written = d.written[:copy(d.written, d.written[n:])]
		d.on += n
		d.changed.Broadcast()
		d.mu.Unlock()

		time.Sleep(time.Duration(n) * 10 * time.Second / time.Duration(c.baud))
		came, late := c.addNoise(buf[:n], r)
		if late > 0 {
			time.Sleep(late)
		}

		d.mu.Lock()
		fits := min(len(came), kernelBuffer-len(d.arrived))
		d.arrived = append(d.arrived, came[:fits]...)
		d.overflow += len(came) - fits
		d.changed.Broadcast()
		d.mu.Unlock()
	}
}

// addNoise returns octets as they arrive after the noise of the wire.
func (c *cable) addNoise(p []byte, r *rand.Rand) (came []byte, late time.Duration) {
	if c.noise == 0 {
		return p, 0
	}
	for _, b := range p {
		if r.Float64() >= c.noise {
			came = append(came, b)
			continue
		}
		switch r.IntN(4) {
		case 0:
			came = append(came, b^1<<r.IntN(8))
		case 1:
		case 2:
			came = append(came, b, b)
		case 3:
			came = append(came, b)
			late += time.Duration(r.IntN(int(20 * time.Millisecond)))
		}
	}
	return came, late
}

// plug is one end of a cable, as a port.
type plug struct {
	out, in *direction

	mu     sync.Mutex
	closed bool
}

func (p *plug) Read(b []byte) (int, error) {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	for len(p.in.arrived) == 0 || p.isClosed() {
		if p.isClosed() {
			return 0, io.ErrClosedPipe
		}
		p.in.changed.Wait()
	}
	n := copy(b, p.in.arrived)
	p.in.arrived = p.in.arrived[:copy(p.in.arrived, p.in.arrived[n:])]
	return n, nil
}

func (p *plug) Write(b []byte) (n int, err error) {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	for {
		if p.isClosed() {
			return n, io.ErrClosedPipe
		}
		fits := min(len(b)-n, kernelBuffer-len(p.out.written))
		p.out.written = append(p.out.written, b[n:n+fits]...)
		p.out.changed.Broadcast()
		if n += fits; n == len(b) {
			return n, nil
		}
		p.out.changed.Wait()
	}
}

func (p *plug) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Close closes the port; the cable stays.
func (p *plug) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for _, d := range [...]*direction{p.out, p.in} {
		d.mu.Lock()
		d.changed.Broadcast()
		d.mu.Unlock()
	}
	return nil
}

// reopen opens the same end for another program. Opening a port flushes it.
func (p *plug) reopen() *plug {
	p.in.mu.Lock()
	p.in.arrived = p.in.arrived[:0]
	p.in.mu.Unlock()
	p.out.mu.Lock()
	p.out.written = p.out.written[:0]
	p.out.mu.Unlock()
	return &plug{out: p.out, in: p.in}
}

// cut ends the cable.
func (c *cable) cut(ends ...*plug) {
	for _, p := range ends {
		p.Close()
		p.out.mu.Lock()
		p.out.cut = true
		p.out.changed.Broadcast()
		p.out.mu.Unlock()
	}
	c.busy.Wait()
}

// up starts a station at either end of a cable, and returns their first streams. All ends with the test.
func up(t testing.TB, c *cable, seed uint64, gateway, device Config) (g, d *Station, gs, ds *Stream) {
	t.Helper()
	a, b := c.plugs(seed)
	gateway.Role, device.Role = Gateway, Device
	gateway.Baud, device.Baud = c.baud, c.baud
	g, d = start(t, a, gateway), start(t, b, device)
	t.Cleanup(func() {
		var both sync.WaitGroup
		both.Go(func() { g.Close() })
		both.Go(func() { d.Close() })
		both.Wait()
		c.cut(a, b)
	})
	return g, d, accept(t, g), accept(t, d)
}

func start(t testing.TB, p *plug, c Config) *Station {
	t.Helper()
	s, err := New(p, c, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	go s.Run()
	return s
}

func accept(t testing.TB, s *Station) *Stream {
	t.Helper()
	stream, err := s.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}
