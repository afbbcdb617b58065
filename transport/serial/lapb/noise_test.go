package lapb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
	"runnel/transport/rawsocket"
)

// TestNoise sends messages over a noisy line, both ways at once. Each must arrive once, in order and unchanged, within one
// connection: a link that reconnected would have lost some.
func TestNoise(t *testing.T) {
	for _, c := range []struct {
		baud, info, messages int
		noise                float64
	}{
		{115200, 128, 2500, 0},
		{115200, 128, 2500, 1. / 2000},
		{115200, 128, 2500, 1. / 200},
		{9600, 128, 500, 1. / 200},
		{9600, 32, 500, 1. / 200},
		{115200, 64, 2500, 1. / 200},
		{1_000_000, 1024, 2500, 1. / 5000},
	} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%d baud, frames of %d, noise %.4f, seed %d", c.baud, c.info, c.noise, seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					exchange(t, &cable{baud: c.baud, noise: c.noise}, seed, Config{Info: c.info}, c.messages)
				})
			})
		}
	}
}

// TestNoise100000 is the same with 100,000 messages at 1 octet in 200. It takes some seconds.
func TestNoise100000(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	synctest.Test(t, func(t *testing.T) {
		exchange(t, &cable{baud: 115200, noise: 1. / 200}, rand.Uint64(), Config{}, kit.Amount(50_000))
	})
}

func TestNoiseHalfDuplex(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			exchange(t, &cable{baud: 115200, noise: 1. / 200}, seed, Config{HalfDuplex: true}, 500)
		})
	}
}

// exchange has each end send messages to the other.
func exchange(t *testing.T, line *cable, seed uint64, c Config, messages int) {
	g, d, gs, ds := up(t, line, seed, c, c)
	var server, client *rawsocket.Conn
	var hands sync.WaitGroup
	hands.Go(func() { server = shaken(t)(rawsocket.Server(gs, rawsocket.Options{})) })
	hands.Go(func() { client = shaken(t)(rawsocket.Client(ds, rawsocket.Options{})) })
	hands.Wait()
	if t.Failed() {
		return
	}
	began := time.Now()
	var all sync.WaitGroup
	for i, pair := range [...][2]*rawsocket.Conn{{server, client}, {client, server}} {
		all.Go(func() { write(t, pair[0], source(seed, i), messages) })
		all.Go(func() { read(t, pair[1], source(seed, i), messages) })
	}
	all.Wait()
	for _, s := range [...]*Station{g, d} {
		status := s.Status()
		if !status.Up || status.Link.Connections != 1 || status.Link.Resets != 0 {
			t.Errorf("%+v", status)
		}
		if line.noise > 0 && (status.Framing.Bad() == 0 || status.Link.Resent == 0) {
			t.Errorf("no noise on the line: %+v", status)
		}
		t.Logf("seed %d: %v: %+v %+v", seed, time.Since(began), status.Link, status.Framing)
	}
}

func shaken(t *testing.T) func(c *rawsocket.Conn, err error) *rawsocket.Conn {
	return func(c *rawsocket.Conn, err error) *rawsocket.Conn {
		if err != nil {
			t.Error(err)
		}
		return c
	}
}

// source makes numbered messages of various lengths. Their octets are random; octets that must be escaped are frequent.
func source(seed uint64, direction int) func(number int) []byte {
	r := rand.New(rand.NewPCG(seed, 100+uint64(direction)))
	return func(number int) []byte {
		msg := binary.BigEndian.AppendUint32(nil, uint32(number))
		for range r.IntN(40) {
			b := byte(r.Uint32())
			if r.IntN(20) == 0 {
				b = "\x7e\x7d\x11\x13"[r.IntN(4)]
			}
			msg = append(msg, b)
		}
		if r.IntN(50) == 0 {
			msg = append(msg, bytes.Repeat([]byte{byte(number)}, 500)...)
		}
		return msg
	}
}

func write(t *testing.T, c *rawsocket.Conn, message func(int) []byte, messages int) {
	for i := range messages {
		msg := message(i)
		if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...), true); err != nil {
			t.Errorf("message %d: %v", i, err)
			return
		}
	}
}

func read(t *testing.T, c *rawsocket.Conn, message func(int) []byte, messages int) {
	for i := range messages {
		got, _, err := c.ReadMessage()
		if err != nil {
			t.Errorf("message %d: %v", i, err)
			c.Close()
			return
		}
		if want := message(i); !bytes.Equal(got, want) {
			t.Errorf("message %d is %x, want %x", i, got, want)
			c.Close()
			return
		}
	}
}
