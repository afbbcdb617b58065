package buffers

import "testing"

// The list of a size returns empty buffers. It is bounded, and holds buffers of that size only.
func TestStock(t *testing.T) {
	for _, s := range []*Stock{&Tiny, &Small, &Medium, &Large} {
		b := s.Take()
		if len(b.Bytes) != 0 || cap(b.Bytes) != s.Size {
			t.Errorf("a buffer of %d of %d bytes, not 0 of %d", len(b.Bytes), cap(b.Bytes), s.Size)
		}
		b.Bytes = append(b.Bytes, 1)
		Give(b)
		if again := s.Take(); again != b || len(again.Bytes) != 0 {
			t.Errorf("size %d: the buffer that was given back does not come back empty", s.Size)
		}
		Give(&Buffer{Bytes: make([]byte, 0, s.Size+1)})
		for range s.max + 1 {
			Give(&Buffer{Bytes: make([]byte, 0, s.Size)})
		}
		if len(s.free) != s.max {
			t.Errorf("size %d: %d unused buffers are kept, not %d", s.Size, len(s.free), s.max)
		}
	}
}
