package durable

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/edge/codec"
	"runnel/edge/journal"
	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// block returns the record of events whose positions begin with this one.
func block(position uint64, events ...Publication) []byte {
	var k packer
	for i := range events {
		k.event(position+uint64(i), &events[i])
	}
	return k.data
}

func gapOf(position uint64, g loss) []byte {
	var k packer
	k.gap(position, time.UnixMilli(1_700_000_000_123), g)
	return k.data
}

// first returns the only event or gap of a record.
func first(t *testing.T, record []byte) (first head) {
	t.Helper()
	n := 0
	new(unpacker).each(record, place{}, place{}, func(h *head, _, _ place) bool {
		first = *h
		n++
		return true
	})
	if n != 1 {
		t.Fatalf("%d events or gaps in %x", n, record)
	}
	return first
}

// manyShapes returns events that share shapes, options and times with others, or do not.
func manyShapes(n int) (events []Publication) {
	at := int64(1_700_000_000_000)
	for i := range n {
		at += []int64{0, 1, 3, -4, -3, 1000, -1 << 40, 1 << 40}[i%8]
		e := &store.Event{
			ID: wamp.MaxID - uint64(i), Topic: fmt.Appendf(nil, "com.t%d", i*i%23), Trusted: i%5 == 0, Disclosed: i%7 == 0, Forwarded: i%3 == 0,
			Payload: codec.Payload{Serializer: wamp.CBOR, Items: i % 2, Raw: bytes.Repeat([]byte{byte(i)}, i)},
		}
		if e.Trusted {
			e.Trust = i % 2
		}
		if e.Disclosed {
			e.Publisher = store.Publisher{ID: 7, Authid: "joe", Authrole: "r"}
		}
		if i%4 != 0 {
			e.Dict = codec.Dict{Serializer: wamp.JSON, Raw: fmt.Appendf(nil, `{"n":%d}`, i/40)}
		}
		if i%6 == 0 {
			e.TTL = time.Duration(i+1) * time.Second
		}
		events = append(events, Publication{Event: e, Anonymous: i%9 == 0, At: time.UnixMilli(at)})
	}
	return events
}

// Events that share a block are read back unchanged, with the position of their block, whatever they have in common.
// The size of an event is the size of its own bytes.
func TestBlock(t *testing.T) {
	events := manyShapes(300)
	var k packer
	for i := range events {
		k.event(uint64(i+1), &events[i])
	}
	if len(k.ends) < 3 {
		t.Fatalf("%d blocks", len(k.ends))
	}
	at, n, start := place{1, 0}, 0, 0
	var u unpacker
	for i, end := range k.ends {
		next, size, last := place{1, int64(i + 1)}, 0, place{}
		record := append(bytes.Clone(k.data[start:end]), bytes.Repeat([]byte{padding}, i)...)
		u.each(record, at, next, func(h *head, from, to place) bool {
			want := events[n]
			n++
			if from != at || to != at && to != next || h.position != uint64(n) {
				t.Errorf("event %d: position %d at %v, then %v", n, h.position, from, to)
			}
			size, last = size+int(h.size), to
			var e store.Event
			got, err := h.stored(&e, func(*store.Event) error { return nil })
			kit.Must(t, err)
			if want.TTL > 0 {
				want.End = want.At.Add(want.TTL)
			}
			event := *want.Event
			event.TTL, want.Event, want.Position = 0, nil, uint64(n)
			if got.Event = nil; !reflect.DeepEqual(e, event) || !reflect.DeepEqual(got, want) {
				t.Errorf("event %d: %+v %+v, want %+v %+v", n, e, got, event, want)
			}
			return true
		})
		if head := len(block(uint64(n))) + end - start - size; last != next || size > end-start || head > 20 {
			t.Errorf("block %d: events of %d bytes in %d, then %v", i, size, end-start, last)
		}
		if end-start > maxBlock+400 {
			t.Errorf("block %d has %d bytes", i, end-start)
		}
		at, start = next, end
	}
	if n != len(events) {
		t.Errorf("%d events", n)
	}
}

// The bytes of a block are these. A log of another form must be refused, so they change together with the kind of the record.
func TestBlockBytes(t *testing.T) {
	event := func(id wamp.ID, topic string, at int64) Publication {
		return Publication{Event: &store.Event{ID: id, Topic: []byte(topic), Payload: codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: []byte("pay")}}, At: time.UnixMilli(at)}
	}
	events := []Publication{event(1, "com.t", 300), event(2, "com.t", 301), event(3, "com.u", 301), event(4, "com.t", 200)}
	want := strings.Join([]string{
		"03 07 ac02",
		"10 80 05636f6d2e74 0d 01000000000000 03706179",
		"40 02000000000000 03706179",
		"10 80 05636f6d2e75 0d 03000000000000 03706179",
		"e0 c901 04000000000000 03706179",
	}, "")
	if got := hex.EncodeToString(block(7, events...)); got != strings.ReplaceAll(want, " ", "") {
		t.Errorf("%s, want %s", got, want)
	}
}

// Reading a truncated record returns the events before the cut, without a panic. A record of another kind or without a
// position has no events.
func TestShortRecord(t *testing.T) {
	options := func(*store.Event) error { return nil }
	for _, record := range [][]byte{block(300, manyShapes(20)...), gapOf(300, loss{300, "disk", 300})} {
		whole := 0
		for n := range len(record) + 1 {
			found := 0
			new(unpacker).each(record[:n], place{}, place{}, func(h *head, _, _ place) bool {
				if _, err := h.event(new(store.Event), options); err == nil {
					found++
				} else if _, err := h.loss(); err == nil {
					found++
				}
				return true
			})
			if found < whole || found > whole+1 || n == len(record) && found == 0 {
				t.Errorf("the first %d bytes have %d events, after %d", n, found, whole)
			}
			whole = found
		}
		for _, other := range [][]byte{append([]byte{eventRecord}, record[1:]...), {blockRecord, 0, 1, 0}, {gapRecord, 0, 1, 0, 1, 0, 0}, append([]byte{blockRecord, 7, 7}, 5)} {
			new(unpacker).each(other, place{}, place{}, func(h *head, _, _ place) bool {
				t.Errorf("%x is read: %+v", other, h)
				return true
			})
		}
	}
}

// A reader that has enough gets no further event.
func TestStopWithinABlock(t *testing.T) {
	n := 0
	if new(unpacker).each(block(1, manyShapes(5)...), place{}, place{}, func(*head, place, place) bool { n++; return n < 3 }) || n != 3 {
		t.Errorf("%d events", n)
	}
}

// A log of an earlier version is refused, and stays as it is.
func TestOtherVersion(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	s.create(Rule{Name: "d", URI: "com.t"})
	kit.Must(t, s.put("com.t", 1, 10))
	s.close()
	log, _, err := journal.Open(dir+"/log", 1<<20, func([]byte) {})
	kit.Must(t, err)
	_, err = log.Append(func(yield func([]byte) bool) { yield([]byte{eventRecord, 7, 1, 5, 'c', 'o', 'm', '.', 't'}) })
	kit.Must(t, err)
	kit.Must(t, log.Close())
	for range 2 {
		if _, err := Open(s.Config); err == nil || !strings.Contains(err.Error(), "another version of runnel") || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v", err)
		}
	}
}
