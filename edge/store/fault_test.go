package store

import (
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/journal"
)

// failing is a disk whose files cannot be synced, or not be removed. It counts the failed syncs.
type failing struct {
	journal.Disk
	fails, keeps atomic.Bool
	failed       atomic.Int64
	created      atomic.Int64 // files
}

// failOn replaces the machine's disk until the end of the test.
func failOn(t *testing.T) *failing {
	disk := &failing{Disk: journal.Machine}
	journal.Machine = disk
	t.Cleanup(func() { journal.Machine = disk.Disk })
	return disk
}

func (d *failing) Remove(name string) error {
	if d.keeps.Load() {
		return fs.ErrInvalid
	}
	return d.Disk.Remove(name)
}

type failingFile struct {
	journal.File
	disk *failing
}

func (d *failing) Append(name string, create bool) (journal.File, error) {
	f, err := d.Disk.Append(name, create)
	if create {
		d.created.Add(1)
	}
	return failingFile{f, d}, err
}

func (f failingFile) Sync() error {
	if f.disk.fails.Load() {
		f.disk.failed.Add(1)
		return fs.ErrInvalid
	}
	return f.File.Sync()
}

// After a failed sync the logs are rewritten, in other files.
func TestSyncFails(t *testing.T) {
	disk := failOn(t)
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		k.keep("com.a", "1")
		k.record(k.histories[0], "1")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		disk.fails.Store(true)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if disk.failed.Load() < 2 || k.disk.Trouble().String() == "" {
			t.Errorf("%d syncs have failed, trouble: %s", disk.failed.Load(), k.disk.Trouble())
		}
		disk.fails.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if trouble := k.disk.Trouble().String(); trouble != "" {
			t.Errorf("still in trouble: %s", trouble)
		}
		before := disk.created.Load()
		k.keep("com.a", "2")
		k.record(k.histories[0], "2")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := disk.created.Load() - before; n > 0 {
			t.Errorf("the logs are rewritten again, in %d files", n)
		}
		k = open(t, k.copied(), 1<<20, Rule{URI: "com.a"})
		k.retains("com.a=2")
		k.holds(k.histories[0], "1 2")
	})
}

// The trouble is reported for as long as it lasts: a log that cannot be rewritten is no log that works.
func TestTroubleLasts(t *testing.T) {
	for what, change := range map[string]func(k *kept){
		"retained": func(k *kept) { k.keep("com.a", "1") },
		"history":  func(k *kept) { k.record(k.histories[0], "1") },
	} {
		t.Run(what, func(t *testing.T) {
			disk := failOn(t)
			story(t, func(t *testing.T, dir string) {
				k := open(t, dir, 1<<20, Rule{URI: "com.a"})
				disk.fails.Store(true)
				change(k)
				time.Sleep(10 * time.Second)
				for range 100 {
					if synctest.Wait(); k.disk.Trouble().String() == "" {
						t.Fatal("no trouble is reported while no sync succeeds")
					}
					time.Sleep(time.Second)
				}
				disk.fails.Store(false)
			})
		})
	}
}

// A history is reported if its old events cannot be removed from disk, or if it ends with events that are not on disk.
func TestHistoryIsNotAsItShould(t *testing.T) {
	disk := failOn(t)
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a", Age: time.Minute})
		disk.keeps.Store(true)
		k.record(k.histories[0], "1")
		time.Sleep(2 * time.Minute)
		if synctest.Wait(); k.disk.Trouble().String() == "" {
			t.Error("no trouble is reported while an expired event stays on disk")
		}
		disk.keeps.Store(false)
		time.Sleep(2 * time.Minute)
		if synctest.Wait(); k.disk.Trouble().String() != "" {
			t.Error(k.disk.Trouble())
		}
		disk.fails.Store(true)
		k.record(k.histories[0], "2")
		k.disk.DropHistory(k.histories[0])
		if !strings.Contains(k.log.String(), "history is not completely on disk") {
			t.Error(k.log)
		}
		disk.fails.Store(false)
	})
}

// Changes that cannot be written at the end are reported.
func TestEndWhileDiskFails(t *testing.T) {
	disk := failOn(t)
	story(t, func(t *testing.T, dir string) {
		for _, fails := range []bool{false, true} {
			k := open(t, dir, 1<<20)
			k.keep("com.a", "1")
			disk.fails.Store(fails)
			k.close()
			disk.fails.Store(false)
			if strings.Contains(k.log.String(), "state is not completely on disk") != fails {
				t.Errorf("the disk fails: %v: %s", fails, k.log)
			}
		}
	})
}

func TestEarliest(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		times []time.Time
		want  time.Time
	}{
		{nil, time.Time{}},
		{[]time.Time{{}, now, {}}, now},
		{[]time.Time{now.Add(1), now, now.Add(2)}, now},
	} {
		if got := earliest(c.times...); !got.Equal(c.want) {
			t.Errorf("%v: %v", c.times, got)
		}
	}
}
