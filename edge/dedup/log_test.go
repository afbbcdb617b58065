package dedup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/journal"
)

// logged is a table with a log, and the marks and errors that the log has reported.
type logged struct {
	Table[int]
	mu       sync.Mutex
	client   Client[int]
	recorded chan int // Mark.Waiting, one for each
	reports  chan error
	stop     chan struct{}
	done     sync.WaitGroup
}

func open(t *testing.T, dir string) *logged {
	t.Helper()
	l := &logged{recorded: make(chan int, 10_000), reports: make(chan error, 10_000), stop: make(chan struct{})}
	log, found, unusable, err := Open(&l.Table, dir, Config[int]{
		Mutex: &l.mu, Interval: time.Hour, Report: func(err error) { l.reports <- err },
		Recorded: func(batch []*Mark[int]) {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, m := range batch {
				m.Done(true)
				l.recorded <- m.Waiting
			}
		},
	})
	if err != nil || unusable > 0 || len(found.Bad) > 0 {
		t.Fatalf("open: %v, %d records unusable, %v", err, unusable, found)
	}
	l.done.Go(func() { log.Run(l.stop) })
	return l
}

func (l *logged) begin(t *testing.T, node string, number int) (*Mark[int], State) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	m, state, err := l.Begin(&l.client, Key{"a", node, 1}, uint64(number))
	if err != nil {
		t.Fatal(err)
	}
	if m != nil {
		m.Waiting = number
		m.Sent()
	}
	return m, state
}

// publish records a publication, and waits until it is on disk.
func (l *logged) publish(t *testing.T, node string, number int) {
	t.Helper()
	m, state := l.begin(t, node, number)
	l.mu.Lock()
	ok := state == New && m.Record()
	l.mu.Unlock()
	if !ok {
		t.Fatalf("%d is not recorded: %v", number, state)
	}
	if got := <-l.recorded; got != number {
		t.Fatalf("%d was recorded, not %d", got, number)
	}
}

func (l *logged) close() {
	close(l.stop)
	l.done.Wait()
}

// After a restart, a recorded publication is known, and a pending one is not.
func TestLogOverARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, dir)
	l.publish(t, "n", 1)
	l.begin(t, "n", 2)
	l.publish(t, "n", 3)
	l.publish(t, "other", 1000)
	l.close()

	l = open(t, dir)
	defer l.close()
	for number, want := range map[int]State{1: Routed, 2: New, 3: Routed, 4: New} {
		if _, state := l.begin(t, "n", number); state != want {
			t.Errorf("%d is %v after a restart", number, state)
		}
	}
	if _, state := l.begin(t, "other", 999); state != New {
		t.Errorf("a gap is %v after a restart", state)
	}
}

// A publication of a numbering with many gaps costs a short record, and all gaps are known after a restart.
func TestLogOfManyGaps(t *testing.T) {
	const gaps = 3000
	dir := t.TempDir()
	l := open(t, dir)
	for i := range gaps {
		l.publish(t, "n", 2*i+2)
	}
	l.mu.Lock()
	octets := l.log.journal.Octets()
	l.mu.Unlock()
	l.close()
	if octets > 100*gaps {
		t.Errorf("%d publications take %d bytes", gaps, octets)
	}
	l = open(t, dir)
	defer l.close()
	for i := range gaps {
		if _, state := l.begin(t, "n", 2*i+2); state != Routed {
			t.Fatalf("%d is %v after a restart", 2*i+2, state)
		}
		if m, state := l.begin(t, "n", 2*i+1); state != New {
			t.Fatalf("%d is %v after a restart", 2*i+1, state)
		} else {
			l.mu.Lock()
			m.Done(false)
			l.mu.Unlock()
		}
	}
}

// A log that has grown is rewritten, and holds the same.
func TestLogIsCompacted(t *testing.T) {
	const all = 2500
	dir, node := t.TempDir(), strings.Repeat("n", 250) // so that the log grows soon
	l := open(t, dir)
	for i := range all {
		l.publish(t, node, i+1)
	}
	l.close()
	size := int64(0)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size == 0 || size > 2*fewBytes {
		t.Errorf("%d bytes on disk", size)
	}
	l = open(t, dir)
	defer l.close()
	if n := l.numberings[Key{"a", node, 1}]; n == nil || n.routed.highest != all || len(n.routed.open) > 0 {
		t.Errorf("after a restart it is %+v", n)
	}
}

// A log of many numberings is rewritten while others publish. It has all of them.
func TestLogIsCompactedMeanwhile(t *testing.T) {
	const nodes = 3000
	dir, name := t.TempDir(), strings.Repeat("n", 100)
	l := open(t, dir)
	l.client.Internal = true // it may have many
	for number := range 3 {
		for i := range nodes {
			l.publish(t, fmt.Sprint(name, i), number+1)
		}
	}
	l.close()
	l = open(t, dir)
	defer l.close()
	for i := range nodes {
		n := l.numberings[Key{"a", fmt.Sprint(name, i), 1}]
		if n == nil || n.routed.highest != 3 || len(n.routed.open) > 0 {
			t.Fatalf("after a restart, numbering %d is %+v", i, n)
		}
	}
}

// A log that cannot be written does not delay publications. It is complete once it can be written again.
func TestLogWithoutADisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, dir)
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // where the directory belongs
		t.Fatal(err)
	}
	l.publish(t, "n", 1)
	if err := <-l.reports; err == nil {
		t.Error("no error was reported")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	l.publish(t, "n", 2)
	if err := <-l.reports; err != nil {
		t.Error(err)
	}
	l.close()
	l = open(t, dir)
	defer l.close()
	if _, state := l.begin(t, "n", 1); state != Routed {
		t.Errorf("what was published without a disk is %v after a restart", state)
	}
}

// A damaged log is rewritten at once, without the damaged records. Invalid records are counted.
func TestDamagedLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := open(t, dir)
	for i := range 3 {
		l.publish(t, fmt.Sprint("node-", i), 1)
	}
	l.close()
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data[bytes.Index(data, []byte("node-1"))] ^= 1
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		l := logged{stop: make(chan struct{})}
		reports := make(chan error, 10)
		log, found, unusable, err := Open(&l.Table, dir, Config[int]{Mutex: &l.mu, Interval: time.Hour, Report: func(err error) { reports <- err }})
		if err != nil || unusable != 0 || len(found.Bad) != 1 || len(l.numberings) != 2 {
			t.Fatalf("%v, %d, %+v, %d numberings", err, unusable, found, len(l.numberings))
		}
		l.done.Go(func() { log.Run(l.stop) })
		synctest.Wait()
		if len(reports) != 1 || <-reports != nil {
			t.Error("the log is not rewritten")
		}
		again, found, err := journal.Open(dir, segmentBytes, func([]byte) {})
		if err != nil || len(found.Bad) > 0 || found.Records != 2 {
			t.Errorf("%+v, %v", found, err)
		}
		again.Close()
		l.close()
	})
	j, _, err := journal.Open(dir, segmentBytes, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(slices.Values([][]byte{[]byte("nonsense")})); err != nil {
		t.Fatal(err)
	}
	j.Close()
	var table Table[int]
	if _, _, unusable, err := Open(&table, dir, Config[int]{}); unusable != 1 || len(table.numberings) != 2 || err != nil {
		t.Errorf("%d records unusable, %d numberings, %v", unusable, len(table.numberings), err)
	}
}

// The log is synced at intervals while there are publications, and again after a sync that failed.
func TestLogIsSynced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir)
		after := func(d time.Duration, want ...bool) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if len(l.reports) != len(want) {
				t.Fatalf("%d reports, not %d", len(l.reports), len(want))
			}
			for _, fine := range want {
				if err := <-l.reports; (err == nil) != fine {
					t.Errorf("%v", err)
				}
			}
		}
		l.publish(t, "n", 1)
		after(0, true) // it is written
		l.publish(t, "n", 2)
		after(time.Minute, true)
		after(time.Hour, true) // both are synced
		after(3 * time.Hour)
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		l.mu.Lock()
		l.log.rewrite = true // as after a failed sync
		l.mu.Unlock()
		l.publish(t, "n", 3)
		after(0, false)
		after(time.Hour, false)
		after(time.Hour, false)
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		after(time.Hour, true)
		after(3 * time.Hour)
		l.close()
	})
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var table Table[int]
	log, _, _, err := Open(&table, file, Config[int]{})
	if err == nil || log != nil || table.log != nil {
		t.Errorf("a file is opened as a log: %v", err)
	}
	if errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(encode(Key{"a", "b", 7}, sequences{9, []span{{2, 3}, {5, 5}}}))
	f.Add(encodeMore(Key{"a", "b", 7}, []uint64{9, 3, 2}))
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, record []byte) {
		key, routed, more, ok := decode(record)
		if !ok {
			return
		}
		written := encode(key, routed)
		if more != nil {
			written = encodeFields(more, formMore, []byte(key.Authid), []byte(key.Node), key.Epoch)
		}
		again, same, others, ok := decode(written)
		if !ok || again != key || fmt.Sprint(same, others) != fmt.Sprint(routed, more) {
			t.Errorf("%+v %+v %+v became %+v %+v %+v", key, routed, more, again, same, others)
		}
	})
}
