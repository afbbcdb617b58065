package lapb

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/serial/hdlc"
)

// TestModel connects two links over a line that is modelled frame by frame, in a time of its own. Frames are lost or late, and
// the programs at both ends restart, close their streams, and stop reading or writing. All this is random, and much more
// frequent than in practice. In each connection, an end must read one stream of the other end, from its first octet on.
func TestModel(t *testing.T) {
	for range kit.Amount(300) {
		seed := rand.Uint64()
		model(t, seed, seed%4 == 3)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// flight is a frame on the line.
type flight struct {
	frame hdlc.Frame
	at    time.Time
}

// modelEnd is a link and its program.
type modelEnd struct {
	t    *testing.T
	link *Link
	c    Config

	boots, streams uint32
	wrote          int // octets of the stream; every four hold its name and their number
	got            []byte
	held           int

	line []flight // towards this end
}

func (e *modelEnd) boot(now time.Time) {
	e.boots++
	e.link = NewLink(e.c, e, now)
	e.held = 0
	e.got = nil
}

func (e *modelEnd) Up() {
	e.streams++
	e.wrote, e.got, e.held = 0, nil, 0
}

func (e *modelEnd) Receive(p []byte) {
	e.held += len(p)
	if len(e.got) < 1<<12 {
		e.got = append(e.got, p...)
	}
	e.check()
}

// check verifies that all octets received since Up are one stream. Every eight octets name the stream and their position.
func (e *modelEnd) check() {
	for i := 0; i+8 <= len(e.got); i += 8 {
		if !bytes.Equal(e.got[i:i+4], e.got[:4]) || binary.BigEndian.Uint32(e.got[i+4:]) != uint32(i) {
			e.t.Errorf("octet %d of stream %x is of %x", i, e.got[:4], e.got[i:i+8])
			return
		}
	}
}

func (e *modelEnd) Down(error) { e.got = nil }
func (e *modelEnd) Log([]byte) {}

// write writes up to n times eight octets of the stream, as far as there is room.
func (e *modelEnd) write(n int) {
	for range n {
		word := binary.BigEndian.AppendUint32(nil, e.boots<<20|e.streams)
		word = binary.BigEndian.AppendUint32(word, uint32(e.wrote&^7))
		sent := e.link.Send(word[e.wrote&7:])
		e.wrote += sent
		if sent == 0 {
			return
		}
	}
}

func model(t *testing.T, seed uint64, halfDuplex bool) {
	r := rand.New(rand.NewPCG(seed, 0))
	now := time.Unix(0, 0)
	c := Config{Window: 1 + r.IntN(7), Info: 32, HalfDuplex: halfDuplex, NoXID: r.IntN(2) == 0}
	if halfDuplex {
		c.Window = 0
	}
	loss := [...]int{0, 2, 10, 40}[r.IntN(4)] // percent
	ends := [2]*modelEnd{{t: t, c: c}, {t: t, c: c}}
	ends[1].c.Role = Device
	for _, e := range ends {
		e.boot(now)
	}
	d := hdlc.NewDecoder(1024)
	for range 2000 {
		i := r.IntN(2)
		e, other := ends[i], ends[1-i]
		switch action := r.IntN(400); {
		case action < 60:
			e.write(1 + r.IntN(8))
		case action < 120:
			n := r.IntN(e.held + 1)
			e.held -= n
			e.link.Free(n)
		case action < 123 && now.Sub(e.link.lastSetup) > e.link.c.T1:
			// No sooner after its last SABM: a UA does not say what it answers, and one that finds another program at its
			// goal is taken for the answer to that one's.
			e.boot(now)
			if r.IntN(2) == 0 {
				e.line = nil // its UART is reset as well
			}
		case action < 126:
			e.link.Finish(now)
		}
		now = now.Add(time.Duration(r.IntN(int(5 * time.Millisecond))))
		for len(e.line) > 0 && !e.line[0].at.After(now) {
			f := e.line[0]
			e.line = e.line[1:]
			e.link.Frame(f.frame, f.at)
		}
		for _, b := range e.link.Append(nil, now) {
			f, ok := d.Push(b)
			if !ok || r.IntN(100) < loss {
				continue
			}
			f.Info = bytes.Clone(f.Info)
			at := now.Add(time.Duration(r.IntN(int(e.link.c.T1 / 4))))
			if n := len(other.line); n > 0 {
				at = latest(at, other.line[n-1].at) // octets on a wire keep their order
			}
			other.line = append(other.line, flight{f, at})
		}
	}
}
