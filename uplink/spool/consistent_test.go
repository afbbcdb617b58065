package spool

import (
	"testing/synctest"
)

// consistent checks that all totals of a spool are those of its events. Run must be idle.
func (b *bench) consistent() {
	b.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	depth, octets, inMemory, memoryOnly := 0, int64(0), int64(0), int64(0)
	for _, l := range b.lanes {
		if l.busy {
			b.Error("a lane is busy")
		}
		for _, seg := range l.segments {
			depth += seg.live
			octets += seg.liveOctets
			if seg.live <= 0 && (seg.sealed || l.class == Disk) || seg.first > seg.last {
				b.Errorf("segment %+v", seg)
			}
		}
		for e := l.front; e != nil; e = e.next {
			inMemory += e.octets
			if e.state != written {
				depth++
				octets += e.octets
				memoryOnly += e.octets
			}
			if (l.nextRead == e) != (e.Sequence > b.returned && (e.prev == nil || e.prev.Sequence <= b.returned)) {
				b.Errorf("nextRead is wrong at %d, up to %d were returned", e.Sequence, b.returned)
			}
		}
	}
	h := &b.held
	held, heldOctets, callbacks := 0, int64(0), 0
	for _, in := range h.tail {
		if in.gone {
			continue
		}
		held++
		heldOctets += in.octets
		inMemory += in.octets
		memoryOnly += in.octets
		if !in.copied {
			depth++
			octets += in.octets
		}
		if in.stored != nil {
			callbacks++
		}
	}
	if len(h.tail) > 0 && h.tail[0].gone && !h.tail[0].writing {
		b.Error("an event that is gone is kept in memory")
	}
	for i, seg := range h.segments {
		depth += seg.live
		octets += seg.liveOctets
		held += seg.live
		heldOctets += seg.liveOctets
		events, size := 0, int64(0)
		for _, n := range seg.tallies {
			events += n.events
			size += n.octets
		}
		if events != seg.live || size != seg.liveOctets || seg.live <= 0 && (i == 0 || i < len(h.segments)-1) || seg.records < seg.live {
			b.Errorf("held segment %+v has %d events of %d bytes", seg, events, size)
		}
	}
	if depth != b.depth || octets != b.octets || inMemory != b.inMemory || memoryOnly != b.memoryOnly {
		b.Errorf("%d events of %d bytes, %d in memory, %d in memory only; the spool counts %d, %d, %d, %d",
			depth, octets, inMemory, memoryOnly, b.depth, b.octets, b.inMemory, b.memoryOnly)
	}
	if held != h.events || heldOctets != h.octets || callbacks != h.callbacks {
		b.Errorf("%d events of %d bytes are held, with %d callbacks; the spool counts %d, %d, %d", held, heldOctets, callbacks, h.events, h.octets, h.callbacks)
	}
	b.consistentTopics()
}

func (b *bench) consistentTopics() {
	b.Helper()
	h := &b.held
	topics, events, octets, sendable, names := 0, 0, int64(0), 0, 0
	var prev *heldTopic
	for t := h.front; t != nil; prev, t = t, t.next {
		topics++
		events += t.events
		octets += t.octets
		names += len(t.name)
		if t.canSend() {
			sendable++
		}
		if h.topics[t.name] != t || t.prev != prev || t.inFlight < 0 || t.inFlight > t.events || t.before < 0 {
			b.Errorf("topic %+v", t)
		}
	}
	if topics != len(h.topics) || h.back != prev || events != h.events || octets != h.octets || sendable != h.sendable || names != h.names {
		b.Errorf("%d topics, %d events, %d bytes, %d to send, names of %d bytes; the spool counts %d, %d, %d, %d, %d",
			topics, events, octets, sendable, names, len(h.topics), h.events, h.octets, h.sendable, h.names)
	}
}
