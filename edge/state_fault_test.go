package edge

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/journal"
	"runnel/edge/wamp"
)

// platter is a disk with a copy of what a power cut would leave: each file as of its last sync. After a failed sync,
// nothing more of that file reaches the copy, even if later syncs succeed.
type platter struct {
	journal.Disk
	from, to string

	mu     sync.Mutex
	fails  bool // syncs of files fail
	failed int
	doomed map[string]bool
}

func (d *platter) Append(name string, create bool) (journal.File, error) {
	f, err := d.Disk.Append(name, create)
	if err != nil {
		return nil, err
	}
	return platterFile{f, name, d}, nil
}

func (d *platter) left(name string) string { return d.to + strings.TrimPrefix(name, d.from) }

func (d *platter) Remove(name string) error {
	os.Remove(d.left(name))
	return d.Disk.Remove(name)
}

func (d *platter) fail(fails bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = fails
}

type platterFile struct {
	journal.File
	name string
	disk *platter
}

func (f platterFile) Sync() error {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails {
		d.failed++
		d.doomed[f.name] = true
		return syscall.EIO
	}
	if d.doomed[f.name] {
		return nil
	}
	data, err := os.ReadFile(f.name)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(d.left(f.name)), 0o700)
	}
	if err == nil {
		err = os.WriteFile(d.left(f.name), data, 0o600)
	}
	return err
}

// Data that a failed sync may have lost is written again: retained events, a history and the record of routed events
// survive a power cut after that.
func TestStateAfterAFailedSync(t *testing.T) {
	realm := forwarding()
	realm.History = withHistory(HistoryRule{URI: "com.", Match: wamp.Prefix}).History
	realm.State = filepath.Join(t.TempDir(), "state")
	disk := &platter{Disk: journal.Machine, from: realm.State, to: filepath.Join(t.TempDir(), "left"), doomed: make(map[string]bool)}
	journal.Machine = disk
	defer func() { journal.Machine = disk.Disk }()
	tell(t, Options{}, realm, func(s *story) {
		gateway := s.gateway("gw-1")
		for i, value := range []string{"1", "2", "3"} {
			disk.fail(i == 1)
			s.join(hello).publish(`"retain":true`, "com.kept", value)
			gateway.say(sends(i+1, "a", 1, i+1))
			gateway.hear(`[17,"*","*"]`)
			time.Sleep(8 * time.Second)
			synctest.Wait()
			if i == 1 && disk.failed < 3 {
				t.Errorf("%d syncs have failed, expected one of each log", disk.failed)
			}
			if i == 1 {
				disk.fail(false)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
			}
		}
		left := realm
		left.State = disk.to
		s.restart(Options{}, left)
		p := s.join(hello)
		p.retains("com.kept=3")
		p.findsHistory("sub", "com.", wamp.Prefix)
		p.past(`{}`, "1", "a 1 1", "2", "a 1 2", "3", "a 1 3")
		gateway = s.gateway("gw-1")
		for i := range 3 {
			gateway.say(sends(i+1, "a", 1, i+1))
			gateway.hear(`[17,"*","*"]`)
		}
		p.past(`{}`, "1", "a 1 1", "2", "a 1 2", "3", "a 1 3")
	})
}

// A flipped bit in the length of a record loses only that record, in each log of a realm.
func TestStateWithADamagedLength(t *testing.T) {
	realm := keptRealm(t, HistoryRule{URI: "com.", Match: wamp.Prefix})
	tell(t, Options{}, realm, func(s *story) {
		for _, value := range []string{"-1-", "-2-", "-3-"} {
			s.join(hello).publish(`"retain":true`, "com."+value[1:2], value)
			time.Sleep(2 * time.Second)
		}
		s.stop()
		for _, file := range files(t, realm.State) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			start := bytes.LastIndex(data[:bytes.Index(data, []byte("-2-"))], []byte("\n")) // the end of the record before
			data[start+2] ^= 1
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.restart(Options{}, realm)
		p := s.join(hello)
		p.retains("com.1=-1-", "com.3=-3-")
		p.findsHistory("sub", "com.", wamp.Prefix)
		p.past(`{}`, "-1-", "-3-")
	})
}

// brokenLog is a disk that syncs no file of the log of durable events.
type brokenLog struct{ journal.Disk }

type brokenFile struct{ journal.File }

func (d brokenLog) Append(name string, create bool) (journal.File, error) {
	f, err := d.Disk.Append(name, create)
	if err == nil && strings.Contains(name, "durable") && !create {
		f = brokenFile{f}
	}
	return f, err
}

func (brokenFile) Sync() error { return syscall.EIO }

// Events that the log of durable events loses by the sync at the router's end are written to the history's own files.
func TestHistoryOutlivesTheLastSync(t *testing.T) {
	disk := journal.Machine
	defer func() { journal.Machine = disk }()
	for range 5 {
		journal.Machine = disk
		realm := durableRealm(t, DurableRule{Name: "d", URI: "com.t"})
		realm.History = []HistoryRule{{URI: "com.t"}}
		tell(t, Options{}, realm, func(s *story) {
			s.join(hello).numbered("com.t", 1, 2)
			time.Sleep(2 * time.Second)
			journal.Machine = brokenLog{disk}
			s.restart(Options{}, realm)
			s.join(hello).sayAll(`[16,1,{},"com.t",["3"]]`, `[16,2,{},"com.t",["4"]]`)
			synctest.Wait()
			s.stop()
			journal.Machine = disk
			s.restart(Options{}, realm)
			s.finds("com.t", wamp.Exact, 1, 4)
		})
	}
}
