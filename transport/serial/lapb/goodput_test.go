package lapb

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/transport/rawsocket"
)

// TestGoodput measures the share of a line that the link leaves to a stream, and how long a call and its result take, both in
// simulated time. Run it with -v for the figures.
func TestGoodput(t *testing.T) {
	t.Logf("%7s %5s %8s   %9s %9s   %9s", "baud", "", "noise", "one way", "both ways", "echo of 64")
	for _, c := range []struct {
		baud  int
		noise float64
		bare  bool
		c     Config
		name  string
		floor [2]float64 // the least share, one way and both ways, in percent
	}{
		{baud: 9600, bare: true, name: "bare", floor: [2]float64{99, 99}},
		{baud: 9600, name: "hdlc", floor: [2]float64{92, 90}},
		{baud: 9600, noise: 1. / 10000, name: "hdlc", floor: [2]float64{85, 80}},
		{baud: 9600, noise: 1. / 2000, name: "hdlc", floor: [2]float64{65, 60}},
		{baud: 9600, noise: 1. / 200, name: "hdlc", floor: [2]float64{15, 10}},
		{baud: 115200, bare: true, name: "bare", floor: [2]float64{99, 99}},
		{baud: 115200, name: "hdlc", floor: [2]float64{92, 90}},
		{baud: 115200, noise: 1. / 10000, name: "hdlc", floor: [2]float64{85, 80}},
		{baud: 115200, noise: 1. / 2000, name: "hdlc", floor: [2]float64{65, 60}},
		{baud: 115200, noise: 1. / 200, name: "hdlc", floor: [2]float64{15, 10}},
		{baud: 115200, name: "rs485", c: Config{HalfDuplex: true}, floor: [2]float64{60, 30}},
	} {
		synctest.Test(t, func(t *testing.T) {
			line := &cable{baud: c.baud, noise: c.noise}
			near, far := connect(t, line, c.bare, c.c)
			one := goodput(near, far, false, line) * 100
			both := goodput(near, far, true, line) * 100
			t.Logf("%7d %5s %8.4f   %8.0f%% %8.0f%%   %9v", c.baud, c.name, c.noise, one, both, echo(t, near, far).Round(100*time.Microsecond))
			if one < c.floor[0] || both < c.floor[1] {
				t.Errorf("less than %v is left", c.floor)
			}
		})
	}
}

// connect returns the two ends of a stream over the line.
func connect(t *testing.T, line *cable, bare bool, c Config) (near, far io.ReadWriteCloser) {
	if !bare {
		_, _, near, far := up(t, line, 1, c, c)
		return near, far
	}
	a, b := line.plugs(1)
	t.Cleanup(func() { line.cut(a, b) })
	return a, b
}

// goodput returns the share of the line's octets that a stream gets, or each of two streams.
func goodput(near, far io.ReadWriter, both bool, line *cable) float64 {
	octets := line.baud / 10 * 20 // 20 s of the line
	began := time.Now()
	var all sync.WaitGroup
	send := func(from io.Writer, to io.Reader) {
		all.Go(func() { io.CopyN(from, rand.NewChaCha8([32]byte{}), int64(octets)) })
		all.Go(func() { io.CopyN(io.Discard, to, int64(octets)) })
	}
	send(near, far)
	if both {
		send(far, near)
	}
	all.Wait()
	return float64(octets) / time.Since(began).Seconds() / float64(line.baud/10)
}

// echo returns the usual time for a message of 64 octets and an answer of the same length.
func echo(t *testing.T, near, far io.ReadWriteCloser) time.Duration {
	var server, client *rawsocket.Conn
	var hands sync.WaitGroup
	hands.Go(func() { server = shaken(t)(rawsocket.Server(near, rawsocket.Options{})) })
	hands.Go(func() { client = shaken(t)(rawsocket.Client(far, rawsocket.Options{})) })
	hands.Wait()
	if t.Failed() {
		return 0
	}
	const rounds = 100
	hands.Go(func() {
		for range rounds {
			msg, _, err := server.ReadMessage()
			if err != nil {
				t.Error(err)
				return
			}
			server.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...), true)
		}
	})
	batch := append(binary.BigEndian.AppendUint32(nil, 64), fmt.Sprintf("%64d", 0)...)
	var times []time.Duration
	for range rounds {
		began := time.Now()
		client.Write(batch, true)
		if _, _, err := client.ReadMessage(); err != nil {
			t.Error(err)
			break
		}
		times = append(times, time.Since(began))
		time.Sleep(100 * time.Millisecond)
	}
	hands.Wait()
	slices.Sort(times)
	return times[len(times)/2]
}
