package hdlc

import (
	"bytes"
	"testing"
)

// TestLimits: the longest frame arrives. A longer frame is counted, and so is the longest frame that is too short.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream []byte
		want   Counters
	}{
		{"longest", Append(nil, Frame{3, 0, bytes.Repeat([]byte{1}, 8)}), Counters{Frames: 1}},
		{"longer", Append(nil, Frame{3, 0, bytes.Repeat([]byte{1}, 9)}), Counters{Long: 1}},
		{"without info", Append(nil, Frame{3, 0, nil}), Counters{Frames: 1}},
		{"one octet short", []byte{Flag, 1, 2, 3, 4, 5, Flag}, Counters{Short: 1}},
		{"as long as a frame", []byte{Flag, 1, 2, 3, 4, 5, 6, Flag}, Counters{FCS: 1}},
		{"flags only", []byte{Flag, Flag, Flag}, Counters{}},
		{"given up", []byte{Flag, 1, escape, Flag}, Counters{Aborted: 1}},
		{"escape twice", []byte{Flag, 1, escape, escape, Flag}, Counters{Short: 1}},
		{"outside", []byte{1, 2, 3, Flag}, Counters{Skipped: 3}},
		{"flow control outside", []byte{xon, xoff, Flag}, Counters{}},
	} {
		d := NewDecoder(8)
		for _, b := range c.stream {
			d.Push(b)
		}
		got := d.Counters()
		if c.want.Long > 0 {
			got.Skipped = 0 // the rest of the long frame
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
