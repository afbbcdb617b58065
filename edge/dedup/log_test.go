package dedup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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

// A publication that is recorded is known after a restart. One that was pending is not.
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

// A log that cannot be written holds up no publication, and is complete once it can be written again.
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
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, record []byte) {
		key, routed, ok := decode(record)
		if !ok {
			return
		}
		again, same, ok := decode(encode(key, routed))
		if !ok || again != key || fmt.Sprint(same) != fmt.Sprint(routed) {
			t.Errorf("%+v %+v became %+v %+v", key, routed, again, same)
		}
	})
}
