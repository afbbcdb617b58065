package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"runnel/test/kit"
)

// appendLegacy appends a record in the legacy format.
func appendLegacy(dst []byte, record string) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(record)))
	sum := crc32.Update(crc32.Checksum(dst[at:], castagnoli), castagnoli, []byte(record))
	return append(binary.LittleEndian.AppendUint32(dst, sum), record...)
}

func legacySegment(records ...string) []byte {
	data := []byte(legacyMagic)
	for _, r := range records {
		data = appendLegacy(data, r)
	}
	return data
}

func appendHere(data []byte, record string) []byte {
	return appendRecord(data, newPlace(1), int64(len(data)), []byte(record))
}

func segmentOf(records ...string) []byte {
	data := appendHeader(nil, 1, predecessor{})
	for _, r := range records {
		data = appendHere(data, r)
	}
	return data
}

func scanned(data []byte) (read []string, r result) {
	r = scan(bytes.NewReader(data), 1, int64(len(data)), func(b []byte) { read = append(read, string(b)) })
	return read, r
}

var sample = []string{"first", "", "the third one", strings.Repeat("long ", 40), "\x00\x00\x00\x00", "the last\x00"}

// Each flipped bit costs one record at most, and a lost record always makes the segment bad.
func TestEveryBit(t *testing.T) {
	flipEachBit(t, segmentOf(sample...), func(read []string, condition condition) bool {
		return len(read) == len(sample) || condition == bad
	})
}

// The same for the legacy format, where damage to the last record cannot be told from an interrupted write.
func TestEveryBitOfLegacy(t *testing.T) {
	flipEachBit(t, legacySegment(sample...), func(read []string, condition condition) bool {
		lost := len(read) < len(sample)
		hasLast := len(read) > 0 && read[len(read)-1] == sample[5]
		return !lost || condition != whole && (condition == bad || !hasLast)
	})
}

// flipEachBit scans a segment with each of its bits flipped. At most one record may be lost, and the segment's condition must be
// right.
func flipEachBit(t *testing.T, whole []byte, right func(read []string, condition condition) bool) {
	t.Helper()
	for i := range whole {
		for bit := range 8 {
			data := bytes.Clone(whole)
			data[i] ^= 1 << bit
			read, r := scanned(data)
			if !almost(read, sample) {
				t.Fatalf("bit %d of byte %d: read %q", bit, i, read)
			}
			if !right(read, r.condition) {
				t.Fatalf("bit %d of byte %d: %d of %d records, and the segment is %v", bit, i, len(read), len(sample), r.condition)
			}
		}
	}
}

// almost reports whether read equals records, with one record missing at most.
func almost(read, records []string) bool {
	if slices.Equal(read, records) {
		return true
	}
	for i := range records {
		if slices.Equal(read, slices.Concat(records[:i], records[i+1:])) {
			return true
		}
	}
	return false
}

// A file that was cut anywhere is torn, and all records before the cut are read.
func TestEveryCut(t *testing.T) {
	for name, data := range map[string][]byte{"now": segmentOf(sample...), "legacy": legacySegment(sample...)} {
		for n := range data {
			for _, zeros := range []int{0, 1, len(data) - n, 5000} {
				cut := append(bytes.Clone(data[:n]), make([]byte, zeros)...)
				read, r := scanned(cut)
				if !slices.Equal(read, sample[:len(read)]) || r.condition == bad && n >= headerSize {
					t.Fatalf("%s: %d bytes and %d zeros: read %q, %v", name, n, zeros, read, r.condition)
				}
				if n < headerSize && zeros > headerSize && r.condition != bad && name == "now" {
					t.Fatalf("%s: %d bytes and %d zeros are not damage", name, n, zeros)
				}
				good, again := scanned(cut[:r.good])
				if r.condition != bad && (again.condition != whole || len(good) != len(read)) {
					t.Fatalf("%s: %d bytes and %d zeros: the good part %d is %v", name, n, zeros, r.good, again.condition)
				}
			}
		}
	}
}

// A segment inside the payload of a record is not part of the log. Neither is a segment with another number.
func TestOnlyWhatWasAppended(t *testing.T) {
	inner := string(segmentOf("forged", "forged"))
	data := segmentOf("one", inner, "two")
	data[bytes.Index(data, []byte(inner))-headSize] ^= 1 // its length
	if read, r := scanned(data); !slices.Equal(read, []string{"one", "two"}) || r.condition != bad {
		t.Errorf("read %q, %v", read, r.condition)
	}
	read := 0
	if r := scan(bytes.NewReader(data), 2, int64(len(data)), func([]byte) { read++ }); read > 0 || r.condition != bad {
		t.Errorf("%d records of another segment, %v", read, r.condition)
	}
}

// counter counts the bytes that are read.
type counter struct {
	*bytes.Reader
	octets int64
}

func (c *counter) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.Reader.ReadAt(b, at)
	c.octets += int64(n)
	return n, err
}

// The work to read garbage is proportional to its size, whatever lengths it seems to contain. A record after it is
// found.
func TestGarbage(t *testing.T) {
	if kit.Race {
		t.Skip("one goroutine reads much")
	}
	const size = 8 << 20
	random := rand.NewChaCha8([32]byte{})
	for name, fill := range map[string]func(b []byte){
		"random":     func(b []byte) { random.Read(b) },
		"zeros":      func([]byte) {},
		"ones":       func(b []byte) { copy(b, bytes.Repeat([]byte{0xff}, len(b))) },
		"small":      func(b []byte) { copy(b, bytes.Repeat([]byte{1, 0, 0, 0}, len(b)/4)) },
		"large":      func(b []byte) { copy(b, bytes.Repeat([]byte{0, 0, 0x20, 0}, len(b)/4)) },
		"text":       func(b []byte) { copy(b, bytes.Repeat([]byte("what is this? "), len(b)/14)) },
		"old heads":  func(b []byte) { copy(b, bytes.Repeat(appendLegacy(nil, "")[:7], len(b)/7)) },
		"real heads": func(b []byte) { copy(b, bytes.Repeat(segmentOf("")[headerSize:], len(b)/headSize/2)) },
	} {
		for _, start := range []string{"", legacyMagic, magic, string(segmentOf("one"))} {
			data := make([]byte, size)
			fill(data)
			copy(data, start)
			data = appendHere(data, "behind")
			c := &counter{Reader: bytes.NewReader(data)}
			var read []string
			r := scan(c, 1, int64(len(data)), func(b []byte) { read = append(read, string(b)) })
			if limit := 2*int64(legacyWork) + 16*size; c.octets > limit {
				t.Errorf("%s after %.8q: read %d bytes of %d", name, start, c.octets, size)
			}
			found := len(read) > 0 && read[len(read)-1] == "behind"
			if start != legacyMagic && (!found || r.condition != bad) {
				t.Errorf("%s after %.8q: read %d records, %v", name, start, len(read), r.condition)
			}
		}
	}
}

// The records before and after any damage are found.
func FuzzScan(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte{3, 0, 0, 0, 1, 2, 3, 4, 'a', 'b', 'c'}, true)
	f.Add(appendHere(make([]byte, 20), "after"), false)
	f.Add(append(bytes.Repeat([]byte{0xff}, 12), appendHere(nil, "after")...), false)
	f.Add(append(bytes.Repeat([]byte{0xff}, 12), appendLegacy(nil, "after")...), true)
	f.Fuzz(func(t *testing.T, damage []byte, old bool) {
		data, then := segmentOf("one", "two"), appendHere
		if old {
			data, then = legacySegment("one", "two"), appendLegacy
		}
		start := int64(len(data))
		data = append(data, damage...)
		end := len(data)
		for _, data := range [][]byte{data, then(bytes.Clone(data), "three"), then(then(bytes.Clone(data), "three"), "four")} {
			read, r := scanned(data)
			if len(read) < 2 || read[0] != "one" || read[1] != "two" || r.good < start {
				t.Fatalf("read %q, %+v", read, r)
			}
			if len(data) > end && !old && !headIn(damage, start) && read[len(read)-1] != "three" && read[len(read)-1] != "four" {
				t.Fatalf("the record after the damage was not found: %q", read)
			}
			if r.good > int64(len(data)) || (r.condition == whole) != (r.good == int64(len(data))) {
				t.Fatalf("%+v of %d bytes", r, len(data))
			}
			again, good := scanned(data[:r.good])
			if good.good != r.good || good.condition != whole || !slices.Equal(again, read[:len(again)]) {
				t.Fatalf("the good part: %+v of %+v", good, r)
			}
		}
		r := scan(bytes.NewReader(damage), 1, int64(len(damage)), func([]byte) {}) // without a header
		if r.good > int64(len(damage)) || r.condition == whole && r.good != int64(len(damage)) {
			t.Fatalf("%+v of %d bytes", r, len(damage))
		}
	})
}

// headIn reports whether the damage contains an intact head. The record of that head may extend beyond the damage.
func headIn(damage []byte, start int64) bool {
	p := newPlace(1)
	for i := 0; i+headSize <= len(damage); i++ {
		if p.checksum(start+int64(i), binary.LittleEndian.Uint32(damage[i:])) == binary.LittleEndian.Uint32(damage[i+4:]) {
			return true
		}
	}
	return false
}

func BenchmarkScan(b *testing.B) {
	data := segmentOf()
	for i := range 2000 {
		data = appendHere(data, fmt.Sprint(i, strings.Repeat("x", 100)))
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		scanned(data)
	}
}

func BenchmarkGarbage(b *testing.B) {
	data := make([]byte, 64<<20)
	rand.NewChaCha8([32]byte{}).Read(data)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		scanned(data)
	}
}
