package modbus

import (
	"testing"
)

// TestCRC checks vectors of the specification and of common manuals.
func TestCRC(t *testing.T) {
	for _, frame := range []string{"\x02\x07\x41\x12", "\x01\x03\x00\x00\x00\x0a\xc5\xcd", "\x11\x03\x00\x6b\x00\x03\x76\x87", "\x01\x06\x00\x01\x00\x03\x98\x0b"} {
		if !Sealed([]byte(frame)) {
			t.Errorf("% x is refused: %04x", frame, CRC([]byte(frame[:len(frame)-2])))
		}
	}
	if Sealed([]byte("\x02\x07\x41\x13")) || Sealed([]byte("\xff\xff")) || Sealed(nil) {
		t.Error("a wrong CRC is taken")
	}
}

// TestAnswerSize checks that the beginning of an answer determines its size.
func TestAnswerSize(t *testing.T) {
	for head, want := range map[string]int{
		"": 0, "\x01": 0, "\x01\x03": 0, "\x01\x03\x02": 7, "\x01\x04\xfa": 255, "\x01\x05": 8, "\x01\x06": 8, "\x01\x10": 8, "\x01\x83": 5, "\x01\x85": 5,
	} {
		if got := answerSize([]byte(head)); got != want {
			t.Errorf("% x: %d octets, want %d", head, got, want)
		}
	}
}

// FuzzAnswer: for any input, the result is a whole frame of the requested slave.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x01\x03\x02\x00\xd7\xf8\x1a"), true)
	f.Add(seal([]byte{1, 0x83, 2}), false)
	f.Fuzz(func(t *testing.T, octets []byte, echo bool) {
		r := expecting(request(1, readHolding, 0, 1))
		r.echoes = echo
		for len(octets) > 0 {
			n := min(len(octets), 1+int(octets[0])%7)
			r.push(octets[:n])
			octets = octets[n:]
			for answer := r.next(len(octets) == 0); answer != nil; answer = r.next(len(octets) == 0) {
				if !Sealed(answer) || answer[0] != 1 {
					t.Errorf("% x", answer)
				}
			}
		}
		if len(r.buf) > 0 {
			t.Errorf("left behind: % x", r.buf)
		}
	})
}
