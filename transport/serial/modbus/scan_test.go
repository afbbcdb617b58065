package modbus

import (
	"bytes"
	"testing"
)

// frames are whole frames of every kind that Scan knows, with their description.
var frames = []struct {
	name  string
	frame []byte
	want  string
}{
	{"read request", request(1, readHolding, 100, 2), "slave 1 function 3: read 2 from 100"},
	{"read request from 3 coils on", request(1, readCoils, 0x0102, 3), "slave 1 function 1: read 3 from 258"},
	{"read request of an input register", request(1, readInput, 100, 2), "slave 1 function 4: read 2 from 100"},
	{"answer with one register", seal([]byte{1, readInput, 2, 0x12, 0x34}), "slave 1 function 4: 021234"},
	{"answer as long as a request", seal([]byte{1, readCoils, 3, 1, 2, 3}), "slave 1 function 1: 03010203"},
	{"answer with nothing", seal([]byte{1, readInput, 0}), "slave 1 function 4: 00"},
	{"write of a register", request(247, writeRegister, 7, 0xabcd), "slave 247 function 6: 0007abcd"},
	{"write of several registers", requestMany(2, writeMany, 1, 2, []byte{1, 2, 3, 4}), "slave 2 function 16: 000100020401020304"},
	{"write of several coils", requestMany(2, writeCoils, 1, 3, []byte{5}), "slave 2 function 15: 000100030105"},
	{"exception", seal([]byte{3, readHolding | failed, 2}), "slave 3 function 3: exception 2: illegal address"},
	{"to all slaves", request(0, writeCoil, 0, 0xff00), "slave 0 function 5: 0000ff00"},
}

func TestScan(t *testing.T) {
	for _, c := range frames {
		if got := Describe(c.frame); got != c.want {
			t.Errorf("%s: described as %q, want %q", c.name, got, c.want)
		}
		if n := Scan(c.frame); n != len(c.frame) {
			t.Errorf("%s alone: %d octets, want %d", c.name, n, len(c.frame))
		}
		followed := append(bytes.Clone(c.frame), 0x55)
		if n := Scan(followed); n != len(c.frame) {
			t.Errorf("%s: %d octets, want %d", c.name, n, len(c.frame))
		}
		for n := range len(c.frame) {
			if got := Scan(c.frame[:n:n]); got != 0 {
				t.Errorf("%s: %d octets of it are a frame of %d", c.name, n, got)
			}
		}
		broken := bytes.Clone(c.frame)
		broken[len(broken)-1] ^= 1
		if n := Scan(broken); n != 0 {
			t.Errorf("%s: a frame of %d octets despite a wrong CRC", c.name, n)
		}
	}
	for name, frame := range map[string][]byte{
		"reserved slave":   request(248, readHolding, 0, 1),
		"unknown function": request(1, 7, 0, 1),
	} {
		if n := Scan(frame); n != 0 {
			t.Errorf("%s: a frame of %d octets", name, n)
		}
	}
}

func TestExceptionNames(t *testing.T) {
	for e, want := range map[Exception]string{1: "exception 1: illegal function", 7: "exception 7", 11: "exception 11: gateway target does not respond", 12: "exception 12", 255: "exception 255"} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
