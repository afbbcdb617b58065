package serial

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestResync(t *testing.T) {
	for _, c := range []struct{ name, in, head string }{
		{"at once", "\x7f\xf1\x00\x00", "\x7f\xf1\x00\x00"},
		{"in the middle of a message", "\"topic\",{}]\x7f\x13\x00\x00", "\x7f\x13\x00\x00"},
		{"boot messages", strings.Repeat("ets Jul 29 2019 12:21:46\r\n", 50) + "\x7f\x02\x00\x00", "\x7f\x02\x00\x00"},
		{"serializers we do not speak", "\x7f\xf4\x00\x00\x7f\xf0\x00\x00\x7f\xf3\x00\x00", "\x7f\xf3\x00\x00"},
		{"reserved octets are not zero", "\x7f\xf1\x00\x01\x7f\xf1\x01\x00\x7f\xf1\x00\x00", "\x7f\xf1\x00\x00"},
		{"a beginning inside a beginning", "\x7f\xf1\x00\x7f\xf1\x7f\x7f\xf2\x00\x00", "\x7f\xf2\x00\x00"},
	} {
		for _, size := range []string{"whole", "halves", "octets"} {
			var r io.Reader = strings.NewReader(c.in)
			switch size {
			case "halves":
				r = iotest.HalfReader(r)
			case "octets":
				r = iotest.OneByteReader(r)
			}
			skipped := 0
			head, err := Resync(r, func(n int) { skipped += n })
			if err != nil || string(head) != c.head || skipped != len(c.in)-len(c.head) {
				t.Errorf("%s, in %s: %x, %v, skipped %d", c.name, size, head, err, skipped)
			}
		}
	}
}

func TestResyncKeepsWhatFollows(t *testing.T) {
	head, err := Resync(strings.NewReader("x\x7f\xf1\x00\x00[1,"), func(int) {})
	if err != nil || string(head) != "\x7f\xf1\x00\x00[1," {
		t.Errorf("%x, %v", head, err)
	}
}

func TestResyncEnds(t *testing.T) {
	for _, in := range []string{"", "\x7f\xf1\x00", "nothing here"} {
		if head, err := Resync(strings.NewReader(in), func(int) {}); err != io.EOF {
			t.Errorf("%q: %x, %v", in, head, err)
		}
	}
}

func FuzzResync(f *testing.F) {
	f.Add([]byte("ab\x7f\x7f\xf1\x00\x00\x7f\xf1\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		skipped := 0
		count := func(n int) { skipped += n }
		head, err := Resync(iotest.OneByteReader(bytes.NewReader(in)), count)
		at, whole := findHandshake(in)
		switch {
		case whole && (err != nil || skipped != at || !bytes.Equal(head, in[at:at+handshakeLen])):
			t.Errorf("octet by octet: %x, %v, skipped %d, want %d", head, err, skipped, at)
		case !whole && (err != io.EOF || skipped != at):
			t.Errorf("octet by octet: %x, %v, skipped %d, want %d", head, err, skipped, at)
		}
	})
}

func TestTail(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"a", "a"}, {"a bc", "abc"}, {"abcd", "abcd"}, {"abcde", "bcde"}, {"ab cde", "bcde"},
		{"a b c d e f", "cdef"}, {"abcdefghij k", "hijk"}, {"abc defghij", "ghij"},
	} {
		var tail tail
		for _, part := range strings.Fields(c.in) {
			tail.push([]byte(part))
		}
		if got := string(tail.octets()); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// TestPlausible: the beginning of a handshake is recognized however short it is.
func TestPlausible(t *testing.T) {
	for b, want := range map[string]bool{
		"\x7f": true, "\x7e": false, "\x7f\xf3": true, "\x7f\xf0": false, "\x7f\xff": false, "\x7f\xf3\x00": true, "\x7f\xf3\x01": false,
		"\x7f\xf3\x00\x00": true, "\x7f\xf3\x00\x01": false, "\x7f\xf3\x00\x00\x01": true,
	} {
		if got := plausible([]byte(b)); got != want {
			t.Errorf("% x is plausible: %v", b, got)
		}
	}
}
