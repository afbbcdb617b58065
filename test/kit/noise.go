package kit

import (
	"io"
	"math/rand/v2"
	"sync/atomic"
)

// Noise disturbs the data that it carries over a line. The zero value is silent. Any goroutine may call its methods.
type Noise struct {
	one atomic.Uint32
}

// Set corrupts, repeats or drops one octet in so many; 0: none.
func (n *Noise) Set(one uint32) { n.one.Store(one) }

// Carry copies from one end of a line to the other until an end is closed.
func (n *Noise) Carry(to io.Writer, from io.Reader) {
	buf := make([]byte, 256)
	for {
		got, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := to.Write(n.disturb(buf[:got])); err != nil {
			return
		}
	}
}

func (n *Noise) disturb(p []byte) (out []byte) {
	one := n.one.Load()
	for _, b := range p {
		if one == 0 || rand.Uint32N(one) != 0 {
			out = append(out, b)
			continue
		}
		switch rand.IntN(3) {
		case 0:
			out = append(out, b^1<<rand.IntN(8))
		case 1:
			out = append(out, b, b)
		}
	}
	return out
}
