package frame

import (
	"testing"
)

// WholeMessage reports true from the last octet of a data frame on, whatever follows.
func TestWholeMessage(t *testing.T) {
	for _, op := range []Op{Text, Binary} {
		for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
			for _, mask := range []bool{false, true} {
				b := append(AppendHead(nil, op, n == 1, n, mask, 0x01020304), make([]byte, n)...)
				if !WholeMessage(b) || !WholeMessage(append(b, 0x81)) {
					t.Errorf("%v of %d octets, mask: %v: is not whole", op, n, mask)
				}
				head := len(b) - n
				for i := range b {
					if (i <= head || i == len(b)-1) && WholeMessage(b[:i]) {
						t.Errorf("%v of %d octets, mask: %v: is whole with %d of %d octets", op, n, mask, i, len(b))
					}
				}
			}
		}
	}
}

// WholeMessage reports false for fragments, control frames and lengths that no slice can have. It does not check the rest.
func TestWholeMessageOfOtherFrames(t *testing.T) {
	for octets, want := range map[string]bool{
		"\x01\x00": false, "\x02\x00": false, "\x80\x00": false, "\x00\x00": false, // fragments
		"\x88\x00": false, "\x89\x00": false, "\x8a\x00": false, "\x83\x00": false,
		"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff": false, "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00": false,
		"\xf1\x00": true, "\x82\x7e\x00\x00": true, "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x00": true, // invalid, but whole
	} {
		if got := WholeMessage([]byte(octets)); got != want {
			t.Errorf("% x: %v", octets, got)
		}
	}
}

// The kinds of messages are named in errors.
func TestOps(t *testing.T) {
	for op, want := range map[Op]string{Text: "text", Binary: "binary", Close: "opcode 8", Continuation: "opcode 0", 3: "opcode 3"} {
		if op.String() != want {
			t.Errorf("%q, want %q", op, want)
		}
	}
}
