package edge

import (
	"math/rand/v2"
	"testing"
)

func TestSeats(t *testing.T) {
	var c seats
	var all []*seat
	for range 3*seatChunk + 1 {
		s := &seat{}
		all = append(all, s)
		c = c.with(s)
	}
	before := c
	r := rand.New(rand.NewPCG(5, 6))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i, s := range all {
		if c = c.without(s); c.count() != len(all)-i-1 {
			t.Fatalf("%d seats left after %d left", c.count(), i+1)
		}
	}
	if len(c) != 0 || before.count() != len(all) {
		t.Error("chunks are left over, or an old version changed")
	}
}

func (c seats) count() (n int) {
	for _, chunk := range c {
		n += len(chunk)
	}
	return n
}
