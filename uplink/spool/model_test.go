package spool

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/codec"
	"runnel/edge/journal"
	"runnel/edge/wamp"
)

// model is the simplest description of a spool's content: a list of events.
type model struct {
	*bench
	r     *rand.Rand
	o     Options
	facts []*fact        // in the order of Put
	seen  uint64         // after what number the drain asks for events
	bad   []bool         // topics that the far side currently rejects; empty: each event has its own topic
	sent  map[string]int // by topic: the number of the last event returned in this attempt
	lives int            // how many times the spool was opened

	faultMu sync.Mutex // a disk and its copy after a power cut share the random numbers
	faults  *rand.Rand // guarded by faultMu
}

// fact is an event that was put, and its known state.
type fact struct {
	number int
	topic  string
	class  Class
	put    time.Time
	stored bool // its callback was called with nil
	acked  bool
	had    bool // the far side has had it at some time
	gone   bool // missing after a crash, which was allowed
}

func (m *model) step() {
	m.consistent()
	switch n := m.r.IntN(100); {
	case n < 45:
		m.add()
	case n < 70:
		m.drain()
	case n < 75:
		m.begin() // a new session at the centre
		if m.r.IntN(2) == 0 {
			m.Retry()
		}
		if len(m.bad) > 0 {
			m.bad[m.r.IntN(len(m.bad))] = m.r.IntN(3) == 0
		}
	case n < 95:
		time.Sleep(time.Duration(m.r.IntN(400)) * time.Millisecond)
	case n < 97:
		m.reopen(m.disk.kill(), false)
	case n < 99:
		m.reopen(m.disk.cut(m.r), false)
	default:
		m.stop()
		synctest.Wait()
		m.reopen(m.disk, true)
	}
}

func (m *model) add() {
	f := &fact{number: len(m.facts), class: Class(m.r.IntN(3)), put: time.Now()}
	m.facts = append(m.facts, f)
	e := event(f.class, strconv.Itoa(f.number))
	if n := len(m.bad); n > 0 {
		e.Topic = "com.example.topic" + strconv.Itoa(m.r.IntN(n))
	}
	f.topic = e.Topic
	if f.class != Memory && m.r.IntN(20) == 0 { // a large one, which its name does not show
		e.Options = bytes.Repeat(e.Options, 2000)
	}
	life := m.lives
	m.Put(e, func(err error) {
		if life != m.lives {
			return // the process that called this is dead
		}
		if err != nil && err != ErrClosed && m.faults == nil {
			m.Errorf("event %d: %v", f.number, err)
		}
		f.stored = err == nil
	})
	synctest.Wait()
}

// drain takes some events, and answers some of these in any order.
func (m *model) drain() {
	ctx, cancel := context.WithTimeout(m.Context(), time.Millisecond)
	defer cancel()
	events, err := m.Next(ctx, m.seen, 1+m.r.IntN(20))
	if err != nil {
		return
	}
	for _, e := range events {
		f := m.fact(e)
		if m.faults != nil && f.had && !f.acked {
			continue // from a file that reappeared
		}
		if last, ok := m.sent[m.order(f)]; f.acked || f.gone && m.faults == nil || ok && f.number <= last {
			m.Fatalf("%d came again, or out of order, after %d: %+v", f.number, last, f)
		}
		m.sent[m.order(f)] = f.number
		if !e.Held {
			m.seen = max(m.seen, e.Sequence)
		}
	}
	m.r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for _, e := range events[:m.r.IntN(len(events)+1)] {
		m.answer(e)
	}
}

// answer acknowledges or rejects an event, as the far side does.
func (m *model) answer(e Event) {
	f := m.fact(e)
	if m.rejects(f) && m.Hold(e.Sequence, "wamp.error.not_authorized") {
		m.sent[f.topic] = min(m.sent[f.topic], f.number-1)
		return
	}
	f.acked, f.had = true, true
	m.Ack(e.Sequence)
}

func (m *model) rejects(f *fact) bool {
	for i, bad := range m.bad {
		if bad && f.topic == "com.example.topic"+strconv.Itoa(i) {
			return true
		}
	}
	return false
}

// order returns the group of events that an event is in order with: all, or those of its topic.
func (m *model) order(f *fact) string {
	if len(m.bad) == 0 {
		return ""
	}
	return f.topic
}

func (m *model) begin() {
	m.seen = 0
	m.Rewind()
	clear(m.sent)
}

func (m *model) fact(e Event) *fact {
	if e.Gap != nil {
		m.Fatalf("a gap: %+v\n%s", e.Gap, &m.log)
	}
	n, err := strconv.Atoi(string(e.Payload.Raw[1:]))
	if err != nil || n >= len(m.facts) || !bytes.HasPrefix(e.Options, []byte("o"+strconv.Itoa(n))) || e.Topic != m.facts[n].topic {
		m.Fatalf("an event that was never put: %+v", e)
	}
	return m.facts[n]
}

// reopen continues with the disk that a crash or a regular end has left.
func (m *model) reopen(disk *flash, orderly bool) {
	now := time.Now()
	m.lives++
	if m.faults != nil {
		disk.setFault(m.fault)
	}
	m.bench = open(m.T, disk, m.o)
	m.begin()
	there := make(map[int]bool)
	last := make(map[string]int)
	for _, e := range m.Peek(1 << 20) {
		f := m.fact(e)
		before, some := last[m.order(f)]
		if some && f.number <= before && (m.faults == nil || !f.had) {
			m.Fatalf("%d comes after %d", f.number, before)
		}
		if f.acked && orderly && !some && len(m.bad) == 0 && m.faults == nil {
			m.Errorf("%d was acknowledged, like all before it, and then the spool ended properly", f.number)
		}
		last[m.order(f)] = f.number
		there[f.number] = true
		if f.class == Memory && !e.Held {
			m.Errorf("%d survived, but is of class memory", f.number)
		}
	}
	for _, f := range m.facts {
		must := f.class == Durable && f.stored && (m.faults == nil || !f.had) ||
			f.class == Disk && m.faults == nil && (orderly || now.Sub(f.put) > m.o.SpillAfter+100*time.Millisecond)
		switch {
		case there[f.number]:
			f.acked = false // it is returned again
		case must && !f.acked && !f.gone:
			m.Fatalf("%d is lost: %+v\n%s", f.number, f, &m.log)
		case !f.acked: // an acknowledged event may return with a file whose removal was not synced
			f.gone = true
		}
	}
}

// finish makes the far side accept all events.
func (m *model) finish() {
	clear(m.bad)
	m.begin()
	m.Retry()
	for m.State().Events > 0 {
		ctx, cancel := context.WithTimeout(m.Context(), time.Hour)
		events, err := m.Next(ctx, m.seen, 1+m.r.IntN(20))
		cancel()
		if err != nil {
			m.Fatalf("%d events never come: %+v\n%s", m.State().Events, m.State(), &m.log)
		}
		for _, e := range events {
			f := m.fact(e)
			if last, ok := m.sent[m.order(f)]; ok && f.number <= last {
				m.Fatalf("%d comes after %d", f.number, last)
			}
			m.sent[m.order(f)] = f.number
			if !e.Held {
				m.seen = max(m.seen, e.Sequence)
			}
			m.answer(e)
		}
	}
	for _, f := range m.facts {
		if !f.acked && !f.gone {
			m.Errorf("%d never came: %+v", f.number, f)
		}
	}
	if st := m.State(); st.Held.Topics > 0 || st.Octets != 0 {
		m.Errorf("something is left: %+v", st)
	}
}

// The spool behaves as a list does. The far side rejects some topics for a while. At any moment the process is killed or
// ends regularly, or the power is cut.
func TestModel(t *testing.T) {
	for i := range 25 {
		seed := uint64(i)
		if text := os.Getenv("RUNNEL_SEED"); text != "" {
			seed, _ = strconv.ParseUint(text, 10, 64)
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				o := Options{MaxMemory: 1 << (15 + r.IntN(5)), SpillAfter: time.Duration(1+r.IntN(1000)) * time.Millisecond, Sync: time.Duration(1+r.IntN(100)) * time.Millisecond}
				o.MaxOctets = 1 << 30
				if r.IntN(2) == 0 {
					o.MaxOctets = 8 << 20 // makes segments shorter
				}
				m := &model{bench: open(t, newFlash(), o), r: r, o: o, sent: make(map[string]int)}
				if seed%2 == 1 {
					m.bad = make([]bool, 1+r.IntN(8))
				}
				for range 600 {
					room, cancel := context.WithTimeout(t.Context(), time.Minute)
					m.WaitForRoom(room)
					cancel()
					m.step()
				}
				m.finish()
			})
		})
	}
}

// fault makes some operations fail in every other period of five seconds.
func (m *model) fault(op string) error {
	m.faultMu.Lock()
	defer m.faultMu.Unlock()
	if op == "truncate" || time.Now().Unix()/5%2 == 0 || m.faults.IntN(4) > 0 {
		return nil
	}
	return syscall.EIO
}

// On a disk that fails now and then, stored events survive a power cut, and no event is lost by being written again.
// Failures leave nothing that looks like damage.
func TestModelOnFaultyDisk(t *testing.T) {
	for i := range 60 {
		seed := uint64(i)
		if text := os.Getenv("RUNNEL_SEED"); text != "" {
			seed, _ = strconv.ParseUint(text, 10, 64)
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 2))
				o := Options{MaxMemory: 4 << 20, MaxOctets: 4 << 20, SpillAfter: 300 * time.Millisecond, Sync: 20 * time.Millisecond}
				m := &model{r: r, o: o, sent: make(map[string]int), faults: rand.New(rand.NewPCG(seed, 4))}
				disk := newFlash()
				disk.setFault(m.fault)
				m.bench = open(t, disk, o)
				for range 600 {
					m.step()
				}
			})
		})
	}
}

// Open succeeds for any content of the files. The events before the damage remain, and the spool works.
func FuzzRecovery(f *testing.F) {
	f.Add([]byte{}, uint(0), true)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0}, uint(100), false)
	f.Add([]byte("RUNNELJ1"), uint(8), true)
	f.Add(bytes.Repeat([]byte{0xff}, 300), uint(60), false)
	f.Fuzz(func(t *testing.T, damage []byte, at uint, insert bool) {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{})
			b.put(Disk, all10("d")...)
			for _, name := range all10("s") {
				b.store(name)
			}
			b.stop()
			disk := b.disk.kill()
			names := disk.files()
			target := disk.names[names[int(at)%len(names)]]
			place := int(at) % (len(target.data) + 1)
			rest := slices.Clone(target.data[place:])
			if !insert {
				rest = rest[min(len(damage), len(rest)):]
			}
			target.data = slices.Concat(target.data[:place], damage, rest)
			b = open(t, disk, Options{})
			if err := b.store("new"); err != nil {
				t.Fatal(err)
			}
			last := uint64(0)
			for _, e := range b.Peek(1000) {
				if e.Sequence <= last {
					t.Fatalf("%d after %d", e.Sequence, last)
				}
				last = e.Sequence
			}
			b.again(Options{})
		})
	})
}

func FuzzRecord(f *testing.F) {
	e := &entry{Event: event(Disk, "a"), at: 5}
	e.Epoch, e.Sequence, e.Time = 1<<52, 77, time.UnixMicro(1e15)
	f.Add(appendEvent(nil, e, 70))
	f.Add(appendGap(nil, &entry{Event: Event{Sequence: 9, Gap: &Gap{Reason: ByAge, First: 1, Last: 9, Count: 8}}}, 2))
	f.Add(appendHead(nil, markRecord, 1, 2, 2, 3))
	f.Add(appendHeld(nil, &heldEvent{item: item{Event: e.Event, at: 5}, reason: "refused"}, 90))
	f.Add(appendGone(nil, "com.example.weather", 1, 77, 90, 5))
	e.limit, e.until = 1000, 1e12
	f.Add(appendEvent(nil, e, 70))
	f.Add(appendHeld(nil, &heldEvent{item: item{Event: e.Event, at: 5}, reason: "refused"}, 90))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, ok := decode(data, "")
		if !ok {
			return
		}
		again := &entry{Event: r.Event, at: r.at}
		var text []byte
		switch r.kind {
		case eventRecord:
			text = appendEvent(nil, again, r.acked)
		case gapRecord:
			text = appendGap(nil, again, r.acked)
		case markRecord:
			text = appendHead(nil, markRecord, r.Epoch, r.Sequence, r.acked, r.at)
		case heldRecord:
			text = appendHeld(nil, &heldEvent{item: item{Event: r.Event, at: r.at}, reason: r.reason}, r.acked)
		case goneRecord:
			text = appendGone(nil, r.Topic, r.Epoch, r.Sequence, r.acked, r.at)
		}
		back, ok := decode(text, "")
		if !ok || back.kind != r.kind || back.Sequence != r.Sequence || back.acked != r.acked || back.at != r.at ||
			back.Topic != r.Topic || back.reason != r.reason || !bytes.Equal(back.Payload.Raw, r.Payload.Raw) || back.limit != r.limit || back.until != r.until {
			t.Errorf("%+v became %+v", r, back)
		}
	})
}

// A damaged segment is renamed once its intact events have been forwarded, and the far side gets a gap.
func TestDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		for _, name := range all10("s") {
			b.store(name)
		}
		b.stop()
		disk := b.disk.kill()
		data := disk.names[disk.files()[0]].data
		data[bytes.Index(data, []byte("com.example.s4"))] ^= 1
		b = open(t, disk, Options{})
		b.holds(append(slices.Delete(all10("s"), 4, 5), "gap:damage:0")...)
		if b.State().Dropped.Runs != 1 || !bytes.Contains([]byte(b.log.String()), []byte("damaged")) {
			t.Errorf("%+v\n%s", b.State(), &b.log)
		}
		b.ack(b.next(0, 100)...)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		var left []string
		for name := range disk.names {
			left = append(left, filepath.Ext(name))
		}
		if !slices.Equal(left, []string{".bad"}) {
			t.Errorf("left: %v", left)
		}
	})
}

func BenchmarkPutNextAck(b *testing.B) {
	s, err := Open(Options{})
	if err != nil {
		b.Fatal(err)
	}
	e := Event{Topic: "com.example.weather", Payload: codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: make([]byte, 128)}, Options: make([]byte, 60)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Put(e, nil)
		if i%64 == 63 {
			events, _ := s.Next(b.Context(), 0, 64)
			for _, e := range events {
				s.Ack(e.Sequence)
			}
		}
	}
}

// BenchmarkDurable commits events of 1000 waiting publishers on the disk of this machine.
func BenchmarkDurable(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir(), Sync: time.Millisecond, MinFree: -1, disk: journal.Machine})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	e := Event{Class: Durable, Topic: "com.example.weather", Payload: codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: make([]byte, 128)}}
	waiting := make(chan struct{}, 1000)
	b.ReportAllocs()
	for b.Loop() {
		waiting <- struct{}{}
		s.Put(e, func(error) { <-waiting })
	}
	cancel()
	<-ended
}
