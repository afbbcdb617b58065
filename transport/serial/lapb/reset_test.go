package lapb

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
)

// TestResets restarts one end, or both, at random moments while both send, a thousand times. Within two seconds after both are
// running they must receive each other's data again. The octets of a stream must be one stream of the other end from its
// beginning, never a part of another.
func TestResets(t *testing.T) {
	for _, c := range []struct {
		baud   int
		noise  float64
		rounds int
		limit  time.Duration
		config Config
	}{
		{115200, 0, 1000, 2 * time.Second, Config{}},
		{115200, 1. / 2000, 300, 2 * time.Second, Config{}},
		{115200, 0, 200, 2 * time.Second, Config{HalfDuplex: true}},
		{115200, 0, 100, 2 * time.Second, Config{NoXID: true, Window: 1}},
		{1_000_000, 0, 100, 2 * time.Second, Config{Window: 7, Info: 32}},
		{9600, 0, 300, 4 * time.Second, Config{}}, // the queued data of either end alone takes 1.2 s
	} {
		t.Run(fmt.Sprintf("%d baud, noise %.4f, %+v", c.baud, c.noise, c.config), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				resets(t, &cable{baud: c.baud, noise: c.noise}, seed, c.config, kit.Amount(c.rounds), c.limit)
			})
		})
	}
}

func resets(t *testing.T, line *cable, seed uint64, c Config, rounds int, limit time.Duration) {
	r := rand.New(rand.NewPCG(seed, 1))
	a, b := line.plugs(seed)
	c.Baud = line.baud
	device := c
	device.Role = Device
	ends := [2]*program{newProgram(t, a, c, 1), newProgram(t, b, device, 2)}
	defer func() {
		for _, p := range ends {
			p.close(false)
		}
		line.cut(a, b)
	}()
	longest := time.Duration(0)
	for round := range rounds {
		began := time.Now()
		if !hear(ends, limit) {
			t.Fatalf("round %d: not up after %v\ngateway %+v\ndevice %+v", round, time.Since(began), ends[0].station.Status(), ends[1].station.Status())
		}
		longest = max(longest, time.Since(began))
		time.Sleep(time.Duration(r.IntN(int(300 * time.Millisecond))))
		which := 1 + r.IntN(3)
		polite := r.IntN(8) == 0
		for i := range ends {
			if which>>i&1 == 1 {
				ends[i].close(polite)
			}
		}
		time.Sleep(time.Duration(r.IntN(int(500 * time.Millisecond))))
		for i := range ends {
			if which>>i&1 == 1 {
				ends[i] = ends[i].reborn()
			}
		}
	}
	t.Logf("up again after %v at most", longest)
}

// hear waits until both programs have received data from each other.
func hear(ends [2]*program, limit time.Duration) bool {
	late := time.NewTimer(limit)
	defer late.Stop()
	for i, p := range ends {
		for want := ends[1-i].incarnation; ; {
			select {
			case who := <-p.heard:
				if who == want {
					break
				}
				continue
			case <-late.C:
				return false
			}
			break
		}
	}
	return true
}

// program is the program at one end between two resets.
type program struct {
	t           *testing.T
	plug        *plug
	config      Config
	incarnation uint32
	station     *Station
	heard       chan uint32 // the other end's incarnations, once their streams have worked
	all         sync.WaitGroup
}

func newProgram(t *testing.T, p *plug, c Config, incarnation uint32) *program {
	s, err := New(p, c, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	prog := &program{t: t, plug: p, config: c, incarnation: incarnation, station: s, heard: make(chan uint32, 1000)}
	prog.all.Go(func() { s.Run() })
	prog.all.Go(prog.serve)
	return prog
}

// reborn returns the same end after a reset.
func (p *program) reborn() *program {
	return newProgram(p.t, p.plug.reopen(), p.config, p.incarnation+2)
}

// close ends the program, either cleanly or as a power cut does.
func (p *program) close(polite bool) {
	if polite {
		p.station.Close()
	}
	p.plug.Close()
	p.all.Wait()
}

// serve reads and writes each stream until it ends. A program may notice the end of its stream late.
func (p *program) serve() {
	for number := uint32(0); ; number++ {
		s, err := p.station.Accept(p.t.Context())
		if err != nil {
			return
		}
		var both sync.WaitGroup
		both.Go(func() { p.talk(s, number) })
		both.Go(func() { p.listen(s) })
		both.Wait()
		s.Close()
	}
}

const proof = 64 // octets of a stream that show that it works

// voice is the content of a stream: its owner, then random octets that no other stream has.
func voice(incarnation, number uint32) io.Reader {
	var seed [32]byte
	binary.BigEndian.PutUint32(seed[:], incarnation)
	binary.BigEndian.PutUint32(seed[4:], number)
	return rand.NewChaCha8(seed)
}

func (p *program) talk(s *Stream, number uint32) {
	head := binary.BigEndian.AppendUint32(nil, p.incarnation)
	head = binary.BigEndian.AppendUint32(head, number)
	if _, err := s.Write(head); err != nil {
		return
	}
	io.Copy(s, voice(p.incarnation, number))
}

func (p *program) listen(s *Stream) {
	var head [8]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		return
	}
	incarnation, number := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
	want := voice(incarnation, number)
	var got, right [1]byte
	for n := 0; ; n++ {
		if _, err := s.Read(got[:]); err != nil {
			return
		}
		want.Read(right[:])
		if got != right {
			p.t.Errorf("octet %d of stream %d of %d is %x, want %x", n, number, incarnation, got, right)
			s.Close()
			return
		}
		if n == proof {
			p.heard <- incarnation
		}
	}
}
