package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/journal"
	"runnel/edge/wamp"
)

// Disk keeps retained events and histories over a restart. Each has its own log (package journal) below Config.Directory:
//
//	retained/             a record for each change of a topic: the topic with all its events, or none if it was cleared. The
//	                      last record of a topic is valid. When more than half of the log is outdated, it is rewritten
//	history/MATCH-URI/    a record for each event of one rule, in order, except for those in the log of durable events. A segment
//	                      is deleted when all its events are dropped
//
// The state in memory is the original, and one goroutine copies it to disk without delaying the routing. Changes are written a
// second after the first of them, and synced at intervals. So a crash of the router costs at most a second of changes, and a
// power cut at most an interval. There is no queue: a topic that has changed ten times in a second is written once, and an
// event that a history has dropped is never written. A disk that is slow, full or read-only therefore costs no memory. The
// writer retries with growing delays and logs each failure. When the disk works again, it writes the current state.
type Disk struct {
	// Static after Open.
	Config
	reader   reader
	retained *journal.Journal // nil: it cannot be read, and is left alone
	trouble  Trouble

	wake  chan struct{} // is full when something has changed
	tasks chan func()   // for Run to execute
	stop  chan struct{}
	done  chan struct{}
	close func() // stops Run and waits for it

	started atomic.Bool // Run runs, is about to, or has ended

	// Owned by Run; a zero time is never.
	saveAt, syncAt, expireAt time.Time
	delay                    time.Duration // until the next attempt after a failed one; 0: the last attempt succeeded
	rewrite                  bool          // the log of retained events has a bad segment, or lacks changes
	archives                 []*archive
}

// Config configures a Disk.
type Config struct {
	Directory string // its own
	Log       *slog.Logger
	Interval  time.Duration // between syncs
	Retained  *Retained
	Histories []*History // the first ones; AddHistory adds others

	// ReadOptions sets the fields of a restored event that depend on its options (Event.Dict). Forwarded is set if the
	// event had something to pass on.
	ReadOptions func(*Event) error
}

// archive is the log of one history.
type archive struct {
	*History
	log     *journal.Journal
	rewrite bool // the log has a bad segment, has lost events, or has some twice
}

const (
	saveDelay    = time.Second // from a change to its writing
	firstDelay   = 5 * time.Second
	lastDelay    = time.Minute
	segmentBytes = 256 << 10
	fewBytes     = 256 << 10 // a log of retained events that has grown by less is not rewritten
	maxUnsaved   = 10_000    // topics; when more have changed, all are written
)

// Open restores the retained events and histories of a directory. It runs before they are used. It always succeeds, and
// logs unreadable data.
func Open(c Config) *Disk {
	d := &Disk{
		Config: c, reader: reader{c.ReadOptions},
		wake: make(chan struct{}, 1), tasks: make(chan func()), stop: make(chan struct{}), done: make(chan struct{}),
	}
	d.close = sync.OnceFunc(func() {
		close(d.stop)
		<-d.done
	})
	d.openRetained(filepath.Join(c.Directory, "retained"))
	for _, h := range c.Histories {
		if a := d.openHistory(h); a != nil {
			d.archives = append(d.archives, a)
		}
	}
	d.expireAt = d.nextExpiry()
	topics, _ := d.Retained.Size()
	d.Log.Info("state restored", "file", c.Directory, "retained_topics", topics, "events", d.pastEvents())
	return d
}

// Trouble lists the data that currently cannot be kept on disk.
func (d *Disk) Trouble() *Trouble { return &d.trouble }

// Close writes all remaining changes, and returns when they are on disk. Run must have been started.
func (d *Disk) Close() { d.close() }

// archiveName names the directory of a history: readable, and the same after a restart.
func archiveName(h *History) string {
	name := h.Match.String() + "-" + url.PathEscape(h.URI)
	if len(name) > 150 {
		sum := sha256.Sum256([]byte(h.URI))
		name = name[:100] + "~" + hex.EncodeToString(sum[:8])
	}
	return name
}

func (d *Disk) openRetained(dir string) {
	unusable := 0
	log, found, err := journal.Open(dir, segmentBytes, func(record []byte) {
		topic, list, err := d.reader.retained(record)
		if err != nil || !d.Retained.restore(topic, list) {
			unusable++
		}
	})
	unusable += d.Retained.restored()
	if d.Opened(dir, found, unusable, err) {
		d.retained, d.rewrite = log, len(found.Bad) > 0
		d.Retained.onChange(d.changed)
	}
}

// openHistory reads a history that is not in use yet. It returns nil if it cannot.
func (d *Disk) openHistory(h *History) *archive {
	dir := filepath.Join(d.Directory, "history", archiveName(h))
	unusable, twice := 0, 0
	seen := make(map[wamp.ID]struct{})
	log, found, err := journal.Open(dir, segmentBytes, func(record []byte) {
		x, err := d.reader.past(record)
		if err != nil || !h.Match.Matches(h.URI, string(x.Topic)) {
			unusable++
		} else if _, again := seen[x.ID]; again {
			twice++
		} else if seen[x.ID] = struct{}{}; x.size <= h.rule.Octets {
			h.last = max(h.last, x.order/2)
			h.insert(len(h.events), x)
		}
	})
	if !d.Opened(dir, found, unusable, err) {
		return nil
	}
	h.changed = d.changed
	return &archive{History: h, log: log, rewrite: len(found.Bad) > 0 || twice > 0}
}

// AddHistory restores a history that is not in use yet. From then on, Run writes its changes.
func (d *Disk) AddHistory(h *History) {
	if a := d.openHistory(h); a != nil {
		d.do(func() {
			d.archives = append(d.archives, a)
			d.saveAt = time.Now() // the archive may have to be rewritten
		})
	}
}

// DropHistory writes the remaining changes of a history, and then stops writing it. Its files stay.
func (d *Disk) DropHistory(h *History) {
	d.do(func() {
		i := slices.IndexFunc(d.archives, func(a *archive) bool { return a.History == h })
		if i < 0 {
			return
		}
		a := d.archives[i]
		d.archives = slices.Delete(d.archives, i, i+1)
		if err := errors.Join(a.save(), a.log.Sync(), a.log.Close()); err != nil {
			d.Log.Warn("history is not completely on disk", "match", h.Match.String(), "uri", h.URI, "err", err)
		}
		d.expireAt = d.nextExpiry()
	})
}

// Begin announces that Run is about to run. Until then, only one goroutine may use the disk.
func (d *Disk) Begin() { d.started.Store(true) }

// do passes a task to Run. It returns when the task is done, or Run has ended. Before Begin, the caller's goroutine executes
// the task.
func (d *Disk) do(task func()) {
	if !d.started.Load() {
		task()
		return
	}
	done := make(chan struct{})
	select {
	case d.tasks <- func() { defer close(done); task() }:
		<-done
	case <-d.done:
	}
}

// Opened logs the state of a log of the realm, and records an error in Trouble. It reports whether the log is usable.
func (d *Disk) Opened(dir string, found journal.Found, unusable int, err error) bool {
	if err != nil {
		d.trouble.Set(filepath.Base(dir), err)
		d.Log.Error("cannot read state; it will not be kept on disk", "file", dir, "err", err)
		return false
	}
	if found.Torn > 0 {
		d.Log.Warn("state ends within a record, as after a power cut", "file", dir, "bytes", found.Torn)
	}
	if len(found.Bad) > 0 {
		d.Log.Error("state is damaged; intact records are kept and the files are renamed to .bad", "files", found.Bad)
	}
	if unusable > 0 {
		d.Log.Warn("state has unusable records", "file", dir, "total", unusable)
	}
	return true
}

func (d *Disk) pastEvents() (n int) {
	for _, a := range d.archives {
		n += len(a.events)
	}
	return n
}

// changed marks the state as changed; Run writes it within saveDelay. Any goroutine may call it. It does not wait.
func (d *Disk) changed() {
	select {
	case d.wake <- struct{}{}:
	default: // marked already
	}
}

// nextExpiry returns when the next event of a history expires.
func (d *Disk) nextExpiry() (at time.Time) {
	for _, a := range d.archives {
		at = earliest(at, a.nextExpiry())
	}
	return at
}

func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
