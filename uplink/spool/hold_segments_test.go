package spool

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
)

// heldFiles returns the number of files of held events.
func (b *bench) heldFiles() (n int) {
	for _, name := range b.disk.files() {
		if strings.Contains(name, "held") {
			n++
		}
	}
	return n
}

// Events are dropped across files of different sizes, each once, and the ones that stay are delivered in order.
func TestDiscardAcrossHeldFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxOctets: 64 << 10}) // files of 4 KiB
		b.hold("a.long", 2, 3000, true)
		b.hold("a.short", 1, 299, true)
		var want []int
		for size := 300; size < 340; size++ {
			b.Put(of(Disk, "a.short", size), nil)
			if want = append(want, size); size%10 == 9 {
				b.poll(10)
				time.Sleep(5 * time.Second)
			}
		}
		if b.heldFiles() < 3 {
			t.Fatalf("too few files: %q", b.disk.files())
		}
		const dropped = 30
		if n := b.Discard(dropped); n != dropped || b.heldEvents("a.long") != 0 || b.heldEvents("a.short") != 43-dropped {
			t.Errorf("%d dropped, %+v", n, b.HeldTopics(9))
		}
		b.consistent()
		b.Retry()
		b.ack(b.poll(1)...)
		var got []int
		for _, e := range b.poll(100) {
			if e.Gap == nil {
				got = append(got, len(e.Payload.Raw))
			}
		}
		if want = want[dropped-3+1:]; !slices.Equal(got, want) { // the first was the probe
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// A file in the middle without held events is deleted before older files.
func TestHeldFileInTheMiddleIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxOctets: 64 << 10}) // files of 4 KiB
		for _, topic := range []string{"a.first", "a.middle", "a.last"} {
			b.hold(topic, 5, 1000, true)
		}
		if n := b.heldFiles(); n != 3 {
			t.Fatalf("%d files", n)
		}
		middle := b.disk.files()[1]
		b.DiscardHeld("a.middle")
		time.Sleep(10 * time.Second)
		b.consistent()
		if files := b.disk.files(); strings.Contains(strings.Join(files, " "), middle) {
			t.Errorf("%q are left", files)
		}
		killed := open(t, b.disk.kill(), Options{MaxOctets: 64 << 10})
		if killed.heldEvents("a.first") != 5 || killed.heldEvents("a.middle") != 0 || killed.heldEvents("a.last") != 5 {
			t.Errorf("after a crash: %+v", killed.HeldTopics(9))
		}
	})
}

// Files that could not be deleted cause an alarm, and are deleted later.
func TestHeldFilesAreDeletedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxOctets: 64 << 10}) // files of 4 KiB
		for _, topic := range []string{"a.one", "a.two", "a.three"} {
			b.hold(topic, 5, 1000, true)
		}
		n := b.heldFiles()
		b.disk.setFault(func(op string) error {
			if op == "remove" {
				return syscall.EIO
			}
			return nil
		})
		b.Discard(15)
		time.Sleep(10 * time.Second)
		if st := b.State(); !strings.Contains(st.Alarm, syscall.EIO.Error()) || b.heldFiles() < n {
			t.Errorf("%d files are left, %+v", b.heldFiles(), st)
		}
		b.disk.setFault(nil)
		time.Sleep(2 * lastPause)
		if st := b.State(); st.Alarm != "" || b.heldFiles() > 0 {
			t.Errorf("%q are left, %+v", b.disk.files(), st)
		}
		b.consistent()
	})
}

// A file is not read if none of its events can be sent.
func TestHeldFilesAreReadOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxOctets: 64 << 10}) // files of 4 KiB
		for _, topic := range []string{"a.one", "a.two", "a.three"} {
			b.hold(topic, 5, 1000, true)
		}
		for _, e := range b.poll(10) {
			t.Fatalf("%+v is sent without a retry", e)
		}
		b.Retry()
		probes := b.poll(10)
		for _, e := range probes {
			if e.Topic != "a.two" {
				b.Hold(e.Sequence, rejected)
			}
		}
		before := b.disk.opened
		b.ack(probes[1])
		if events := b.poll(4); len(events) != 4 || events[0].Topic != "a.two" {
			t.Fatalf("%+v", events)
		}
		if n := b.disk.opened - before; n > 1 {
			t.Errorf("%d files were read for the events of one", n)
		}
	})
}

// The events after a record that becomes unreadable are delivered, although others of the file were sent before.
func TestHeldFileIsDamagedWhileItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxOctets: 64 << 10}) // files of 4 KiB
		b.hold("a.other", 5, 1000, true)
		for size := 300; size < 310; size++ {
			b.Put(of(Disk, "a.b", size), nil)
		}
		for _, e := range b.poll(100) {
			b.Hold(e.Sequence, rejected)
		}
		b.poll(1)
		time.Sleep(5 * time.Second)
		b.Retry()
		for _, e := range b.poll(2) {
			if e.Topic == "a.b" {
				b.Ack(e.Sequence)
			}
		}
		b.ack(b.poll(3)...)
		files := b.disk.files()
		b.disk.mu.Lock()
		file := b.disk.names[files[len(files)-1]]
		file.data[200] ^= 1 // in the first record, which was sent
		b.disk.mu.Unlock()
		if n := b.Discard(1); n != 1 { // it reads the first file, so the last one has to be read again
			t.Fatalf("%d dropped", n)
		}
		var got []int
		for _, e := range b.poll(7) { // with the gap
			if e.Topic == "a.b" {
				got = append(got, len(e.Payload.Raw))
			}
			b.Ack(e.Sequence)
		}
		if !slices.Equal(got, []int{304, 305, 306, 307, 308, 309}) {
			t.Errorf("%v", got)
		}
		b.consistent()
	})
}

// Events that are written to a damaged file of held events while it is read are not lost with the damaged record.
func TestHeldFileGrowsWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.hold("a.b", 5, 100, true)
		b.disk.mu.Lock()
		b.disk.names[b.disk.held()].data[200] ^= 1 // in the second record
		b.disk.opening = func() { time.Sleep(5 * time.Second) }
		b.disk.mu.Unlock()
		b.Put(of(Disk, "a.b", 101), nil)
		b.poll(1) // it is held, too, and written in a second
		b.Retry()
		b.ack(b.poll(1)...)
		var got []int
		for _, e := range b.poll(5) { // with the gap
			if e.Gap == nil {
				got = append(got, len(e.Payload.Raw))
			} else if e.Gap.Count != 1 {
				t.Errorf("the gap is of %d events", e.Gap.Count)
			}
			b.Ack(e.Sequence)
		}
		if !slices.Equal(got, []int{100, 100, 100, 101}) {
			t.Errorf("%v", got)
		}
		b.consistent()
	})
}

// An acknowledged gap is not delivered again after a crash, although it is still on disk.
func TestAcknowledgedGapAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.put(Disk, "a")
		b.Discard(1)
		time.Sleep(5 * time.Second)
		before := b.disk.kill()
		gap := b.poll(1)
		if len(gap) != 1 || gap[0].Gap == nil {
			t.Fatalf("%+v", gap)
		}
		b.ack(gap...)
		kit.Must(t, b.store("b"))
		after := b.disk.kill()
		for name, f := range before.names {
			if strings.Contains(name, "gaps") {
				after.names[name] = f
			}
		}
		killed := open(t, after, Options{})
		killed.holds("b")
		killed.consistent()
	})
}

// Held events with a long reason, which their records repeat, go to the files that they are counted in: all are read back.
func TestHeldRecordsLongerThanTheirEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxOctets: 1 << 20}) // files of 64 KiB
		const n = 900
		for i := range n {
			b.Put(of(Disk, "a.long", i), nil)
		}
		for _, e := range b.poll(n) {
			b.Hold(e.Sequence, strings.Repeat("x", 300))
		}
		b.poll(1)
		time.Sleep(5 * time.Second)
		if b.heldEvents("a.long") != n || b.heldFiles() < 2 {
			t.Fatalf("%+v in %q", b.HeldTopics(9), b.disk.files())
		}
		b.Retry()
		b.ack(b.poll(1)...)
		events := b.poll(n - 1)
		for i, e := range events {
			if e.Gap != nil || len(e.Payload.Raw) != i+1 {
				t.Fatalf("event %d has %d bytes, gap %+v", i+1, len(e.Payload.Raw), e.Gap)
			}
		}
		if b.consistent(); len(events) != n-1 {
			t.Errorf("%d events, want %d", len(events), n-1)
		}
	})
}

// A few events may keep many files alive. The oldest are dropped once the files together exceed MaxOctets, and not before.
func TestHeldFilesAtTheirLimit(t *testing.T) {
	const most = 64 << 10 // files of 4 KiB
	for beyond, want := range map[int]bool{0: true, 1: false} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{MaxOctets: most})
			size := func() (sum int) {
				b.disk.mu.Lock()
				defer b.disk.mu.Unlock()
				for name, file := range b.disk.names {
					if strings.Contains(name, "held") {
						sum += len(file.data)
					}
				}
				return sum
			}
			for n := 0; size() < most-6000; n++ {
				b.hold("a.kept"+strings.Repeat("x", n), 1, 100, true)
				b.hold("a.gone", 1, 3700, true)
				b.DiscardHeld("a.gone")
				time.Sleep(3 * time.Second)
			}
			before := size()
			b.hold("a.rest1", 1, 500, true)
			record := size() - before - 500 // of the same topic length
			b.hold("a.rest2", 1, most-size()-record+beyond, true)
			octets, kept := size(), b.heldEvents("a.kept") == 1
			if kept != want || want && octets != most {
				t.Errorf("files of %d bytes: the oldest event is kept: %v, want %v", octets, kept, want)
			}
			b.consistent()
		})
	}
}
