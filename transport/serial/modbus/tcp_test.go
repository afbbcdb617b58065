package modbus

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/transport/serial/reading"
)

// serveTCP answers the requests of a connection as a Modbus TCP server does; it may change the head of an answer, and send
// the answer as often as change says.
func serveTCP(conn net.Conn, r *registers, change func(head []byte) int) {
	defer conn.Close()
	for {
		head := make([]byte, mbapSize)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		body := make([]byte, int(head[5])-1)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		answer := r.answer(seal(append([]byte{head[6]}, body...)))
		answer = answer[1 : len(answer)-crcSize]
		head[5] = byte(len(answer) + 1)
		for range change(head) {
			if _, err := conn.Write(append(append([]byte(nil), head...), answer...)); err != nil {
				return
			}
		}
	}
}

// TestTCP polls units 0 and 255, which only TCP has. The server answers under another unit, sometimes twice, and
// sometimes with an unrequested answer.
func TestTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		n := 0
		go serveTCP(far, newRegisters(7, 8, 9), func(head []byte) int {
			n++
			if head[6] == 255 {
				head[6] = 1
			}
			switch n % 5 {
			case 1:
				return 2
			case 3:
				head[0] ^= 0x55 // the number of no request
			}
			return 1
		})
		at := topic(t, "com.{slave}")
		m, err := New(Config{TCP: true, Points: []Point{
			{Slave: 0, Address: 0, Every: time.Second, Always: true, Topic: at}, {Slave: 255, Address: 1, Every: time.Second, Always: true, Topic: at},
		}})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		done := make(chan error)
		go func() {
			done <- m.Run(TCP(near), func(e reading.Event) {
				if want := map[string]int64{"com.0": 7, "com.255": 8}[e.Topic]; e.Kwargs["value"] != want {
					t.Errorf("%s: %v", e.Topic, e.Kwargs["value"])
				}
				seen[e.Topic]++
			})
		}()
		time.Sleep(time.Minute)
		if err := m.Write(t.Context(), 0, int64(42)); err != nil && !errors.Is(err, ErrSilent) {
			t.Error(err)
		}
		near.Close()
		<-done
		if seen["com.0"] < 8 || seen["com.255"] < 8 {
			t.Errorf("%v, %+v", seen, m.State())
		}
	})
}

// TestTCPFrames checks the sent and received octets.
func TestTCPFrames(t *testing.T) {
	var out bytes.Buffer
	in := "\x00\x01\x00\x00\x00\x05\x11\x03\x02\x00\xd7" + // the answer
		"\x00\x01\x00\x00\x00\x05\x11\x03\x02\x00\xd8" + // once more
		"\x00\x02\x00\x00\x00\x03\x00\x83\x02" // an exception, under another unit
	conn := TCP(struct {
		io.Reader
		io.Writer
		io.Closer
	}{bytes.NewReader([]byte(in + "\x00\x00\x00\x01\x00\x03\x00\x83\x02")), &out, nil})
	for range 2 {
		if n, err := conn.Write(request(0x11, readHolding, 0x6b, 1)); n != 8 || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := "\x00\x01\x00\x00\x00\x06\x11\x03\x00\x6b\x00\x01\x00\x02\x00\x00\x00\x06\x11\x03\x00\x6b\x00\x01"; out.String() != want {
		t.Errorf("% x", out.Bytes())
	}
	got, err := io.ReadAll(conn)
	if want := string(seal([]byte("\x11\x03\x02\x00\xd7"))) + string(seal([]byte("\x11\x83\x02"))); string(got) != want || !errors.Is(err, errMBAP) {
		t.Errorf("% x, %v; want % x", got, err, want)
	}
}

// TestTCPLimits: the longest and the shortest frames, and those beyond.
func TestTCPLimits(t *testing.T) {
	answer := func(length int) string {
		return string([]byte{0, 1, 0, 0, byte(length >> 8), byte(length)}) + strings.Repeat("\x11", length)
	}
	for length, want := range map[int]error{1: errMBAP, 2: nil, maxFrame - crcSize: nil, maxFrame - crcSize + 1: errMBAP} {
		conn := TCP(struct {
			io.Reader
			io.Writer
			io.Closer
		}{strings.NewReader(answer(length)), io.Discard, nil})
		if _, err := conn.Write(request(0x11, readHolding, 0x6b, 1)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(make([]byte, maxFrame))
		if err != want || want == nil && n != length+crcSize {
			t.Errorf("an answer of %d octets: %d, %v", length, n, err)
		}
		for size, valid := range map[int]bool{minFrame - 1: false, minFrame: true} {
			if _, err := conn.Write(make([]byte, size)); (err == nil) != valid {
				t.Errorf("a request of %d octets: %v", size, err)
			}
		}
	}
}

// TestTCPWriteFails: an error of the connection is the write's.
func TestTCPWriteFails(t *testing.T) {
	near, far := net.Pipe()
	far.Close()
	if n, err := TCP(near).Write(request(0x11, readHolding, 0x6b, 1)); n != 0 || err == nil {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// FuzzTCP: for any input from a server, the decoded frames are complete.
func FuzzTCP(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x00\x00\x05\x11\x03\x02\x00\xd7"))
	f.Fuzz(func(t *testing.T, in []byte) {
		conn := TCP(struct {
			io.Reader
			io.Writer
			io.Closer
		}{bytes.NewReader(in), io.Discard, nil})
		conn.Write(request(0x11, readHolding, 0x6b, 1))
		b := make([]byte, maxFrame)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			if !Sealed(b[:n]) || b[0] != 0x11 {
				t.Errorf("% x", b[:n])
			}
		}
	})
}
