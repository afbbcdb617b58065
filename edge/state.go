package edge

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"runnel/edge/dedup"
	"runnel/edge/journal"
	"runnel/edge/wamp"
)

// state is what a realm keeps on disk, so that it survives a restart: the retained events and the histories. Each has a
// log of its own (package journal) below RealmOptions.State:
//
//	retained/             a record for each change of a topic: the topic with all its events, none if it was cleared. The
//	                      last one counts. When more than half is of no use any more the log is rewritten
//	history/MATCH-URI/    a record for each event of one HistoryRule, in order. Whole segments go when the events are gone
//	origins/              what was routed of the nodes that send again what they do not know to be routed, see once.go
//
// Memory is the original and the disk follows, by one goroutine, behind the routing: nobody waits for it. What has
// changed is written a second after the first change, and synced every StateSync, so a crash of the router costs a second
// and a power cut StateSync. There is no queue: a topic that has changed ten times meanwhile is written once, and events
// that a history has let go meanwhile are not written at all. So a disk that is slow, full or read-only costs no memory.
// It is tried again, less and less often, and told of each time; when it works again all that is of now is written.
//
// An event whose black or white lists name sessions is not written: after a restart these are nobody, or somebody else.
type state struct {
	// Static after openState.
	log       *slog.Logger
	interval  time.Duration // between syncs
	retention *retention
	retained  *journal.Journal // nil: it can't be read, and so it is left alone
	dir       string
	routed    *dedup.Log[*withheld] // runs beside; nil: it can't be read
	trouble   trouble               // locks for itself

	wake  chan struct{} // is full when something has changed
	tasks chan func()   // what run is to do between its own affairs
	stop  chan struct{}
	done  chan struct{}
	close func() // stops run and waits for it

	// Owned by run; a zero time is never.
	saveAt, syncAt, expireAt time.Time
	patience                 time.Duration // until the next attempt after a failed one; 0: the last one succeeded
	rewrite                  bool          // the log of retained events has a bad segment, or lacks what has changed
	archives                 []*archive
}

// archive is the log of one history.
type archive struct {
	*history
	log     *journal.Journal
	saved   uint64 // the number of the first event that is not in the log
	rewrite bool   // the log has a bad segment, has lost events, or has some twice
}

const (
	saveDelay     = time.Second // from a change to its writing
	firstPatience = 5 * time.Second
	lastPatience  = time.Minute
	segmentOctets = 256 << 10
	fewOctets     = 256 << 10 // a log of retained events is not rewritten for less
	maxUnsaved    = 10_000    // topics; when more have changed, all are written
)

// openState reads what is in dir into m's retained events and histories. It runs before anybody joins. It succeeds
// whatever it finds, and says in the log what it could not read.
func openState(m *realm, dir string, interval time.Duration) *state {
	s := &state{
		log: m.log, interval: interval, retention: &m.retention, dir: dir,
		wake: make(chan struct{}, 1), tasks: make(chan func()), stop: make(chan struct{}), done: make(chan struct{}),
	}
	s.close = sync.OnceFunc(func() {
		close(s.stop)
		<-s.done
	})
	s.openRetained(filepath.Join(dir, "retained"))
	s.openRouted(m)
	for _, h := range m.histories {
		if a := s.openHistory(h); a != nil {
			s.archives = append(s.archives, a)
		}
	}
	s.expireAt = s.nextExpiry()
	s.log.Info("state restored", "directory", dir, "topics with retained events", len(m.retention.topics), "past events", s.pastEvents())
	return s
}

// archiveName names the directory of a rule's history: readable, and the same after a restart.
func archiveName(h *history) string {
	name := h.match.String() + "-" + url.PathEscape(h.uri)
	if len(name) > 150 {
		sum := sha256.Sum256([]byte(h.uri))
		name = name[:100] + "~" + hex.EncodeToString(sum[:8])
	}
	return name
}

func (s *state) openRetained(dir string) {
	unread := 0
	log, found, err := journal.Open(dir, segmentOctets, func(record []byte) {
		topic, list, err := decodeRetained(record)
		if err != nil || !s.retention.restore(topic, list) {
			unread++
		}
	})
	unread += s.retention.restored()
	if s.reportOpened(dir, found, unread, err) {
		s.retained, s.rewrite = log, len(found.Bad) > 0
		s.retention.save(s.changed)
	}
}

// openHistory reads a history, which nobody else knows yet. It returns nil if it can't.
func (s *state) openHistory(h *history) *archive {
	dir := filepath.Join(s.dir, "history", archiveName(h))
	unread, twice := 0, 0
	seen := make(map[wamp.ID]struct{})
	log, found, err := journal.Open(dir, segmentOctets, func(record []byte) {
		e, err := decodePast(record)
		if err != nil || !h.match.Matches(h.uri, string(e.topic)) {
			unread++
		} else if _, again := seen[e.id]; again {
			twice++
		} else if seen[e.id] = struct{}{}; e.octets <= h.rule.Octets {
			h.append(e)
		}
	})
	if !s.reportOpened(dir, found, unread, err) {
		return nil
	}
	h.changed = s.changed
	return &archive{
		history: h, log: log, saved: h.gone + uint64(len(h.events)), rewrite: len(found.Bad) > 0 || twice > 0,
	}
}

// addHistory reads a history and has it written from now on.
func (s *state) addHistory(h *history) {
	if a := s.openHistory(h); a != nil {
		s.do(func() {
			s.archives = append(s.archives, a)
			s.saveAt = time.Now() // it may be in need of that
		})
	}
}

// dropHistory writes what is left of a history, and no more.
func (s *state) dropHistory(h *history) {
	s.do(func() {
		i := slices.IndexFunc(s.archives, func(a *archive) bool { return a.history == h })
		if i < 0 {
			return
		}
		a := s.archives[i]
		s.archives = slices.Delete(s.archives, i, i+1)
		if err := errors.Join(a.save(), a.log.Sync(), a.log.Close()); err != nil {
			s.log.Warn("a history that ends is not all on disk", "history", h.uri, "because", err)
		}
		s.expireAt = s.nextExpiry()
	})
}

// do has run do something, and returns when it is done, or run has ended.
func (s *state) do(what func()) {
	done := make(chan struct{})
	select {
	case s.tasks <- func() { defer close(done); what() }:
		<-done
	case <-s.done:
	}
}

// reportOpened tells what was found in a log.
func (s *state) reportOpened(dir string, found journal.Found, unread int, err error) bool {
	if err != nil {
		s.trouble.set(filepath.Base(dir), err)
		s.log.Error("state can't be read, and will not be kept", "directory", dir, "because", err)
		return false
	}
	if found.Torn > 0 {
		s.log.Warn("state ends within a record, as after a power cut", "directory", dir, "octets", found.Torn)
	}
	if len(found.Bad) > 0 {
		s.log.Error("state is damaged", "files", found.Bad, "remedy", "intact records are kept; the files are renamed to .bad")
	}
	if unread > 0 {
		s.log.Warn("state has unusable records", "directory", dir, "records", unread)
	}
	return true
}

func (s *state) pastEvents() (n int) {
	for _, a := range s.archives {
		n += len(a.events)
	}
	return n
}

// changed has what has changed written, by and by. Any goroutine; it does not wait.
func (s *state) changed() {
	select {
	case s.wake <- struct{}{}:
	default: // run knows
	}
}

// run writes what changes until close.
func (s *state) run() {
	defer close(s.done)
	if s.routed != nil {
		var beside sync.WaitGroup
		beside.Go(func() { s.routed.Run(s.stop) })
		defer beside.Wait()
	}
	if s.rewrite || s.unclean() {
		s.saveAt = time.Now()
	}
	for {
		wake := s.wake
		if !s.saveAt.IsZero() {
			wake = nil // it is planned already; and changes find the channel full, which costs them nothing
		}
		var due <-chan time.Time
		if at := earliest(s.saveAt, s.syncAt, s.expireAt); !at.IsZero() {
			due = time.After(time.Until(at))
		}
		select {
		case <-wake:
			s.saveAt = time.Now().Add(saveDelay)
		case <-due:
			s.runDue(time.Now())
		case what := <-s.tasks:
			what()
		case <-s.stop:
			s.finishUp()
			return
		}
	}
}

// closeStates writes what is left of all, and returns when it is on the disks.
func closeStates(realms []*realm) {
	for _, m := range realms {
		if m.state != nil {
			m.state.close()
		}
	}
}

// unclean reports whether an archive is to be written anew.
func (s *state) unclean() bool {
	for _, a := range s.archives {
		if a.rewrite {
			return true
		}
	}
	return false
}

func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// runDue does what is due.
func (s *state) runDue(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if due(s.saveAt) || due(s.expireAt) {
		s.saveAt = time.Time{}
		if s.noteResult(s.save()) && s.syncAt.IsZero() {
			s.syncAt = now.Add(s.interval)
		}
		if s.expireAt = s.nextExpiry(); !s.expireAt.IsZero() && s.expireAt.Before(now.Add(saveDelay)) {
			s.expireAt = now.Add(saveDelay)
		}
	}
	if due(s.syncAt) {
		s.syncAt = time.Time{}
		if err := s.sync(); err != nil {
			s.noteResult(err) // and what the logs have lost is written again
		}
	}
}

// noteResult tells of a failure, and plans another attempt; or that the last one is past.
func (s *state) noteResult(err error) bool {
	s.trouble.set("events", err)
	switch {
	case err != nil:
		s.patience = min(max(2*s.patience, firstPatience), lastPatience)
		s.saveAt = time.Now().Add(s.patience)
		s.log.Warn("state can't be kept on disk; what has changed is in memory only", "because", err, "next attempt in", s.patience.String())
	case s.patience > 0:
		s.patience = 0
		s.log.Info("state is kept on disk again")
	}
	return err == nil
}

// finishUp writes what is left.
func (s *state) finishUp() {
	err := errors.Join(s.save(), s.sync())
	if journal.Lost(err) {
		err = errors.Join(s.save(), s.sync())
	}
	for _, log := range s.logs() {
		err = errors.Join(err, log.Close())
	}
	if err != nil {
		s.log.Error("state is not all on disk", "because", err)
	}
}

func (s *state) logs() (list []*journal.Journal) {
	if s.retained != nil {
		list = append(list, s.retained)
	}
	for _, a := range s.archives {
		list = append(list, a.log)
	}
	return list
}

// sync syncs the logs. One that fails has lost what was appended since the last sync, and is to be written anew.
func (s *state) sync() (err error) {
	if s.retained != nil {
		err = s.retained.Sync()
		s.rewrite = s.rewrite || journal.Lost(err)
	}
	for _, a := range s.archives {
		failed := a.log.Sync()
		a.rewrite = a.rewrite || journal.Lost(failed)
		err = errors.Join(err, failed)
	}
	return err
}

// save writes what has changed.
func (s *state) save() (err error) {
	select {
	case <-s.wake: // what changes from now on is for the next time, if it does not come along with this
	default:
	}
	if s.retained != nil {
		err = s.saveRetained()
	}
	for _, a := range s.archives {
		err = errors.Join(err, a.save())
	}
	return err
}

func (s *state) saveRetained() error {
	topics, all := s.retention.unsavedTopics()
	if s.rewrite = s.rewrite || all; !s.rewrite {
		if _, err := s.retained.Append(retainedRecords(topics)); err != nil {
			s.retention.saveAgain(topics)
			s.rewrite = journal.Lost(err)
			return err
		}
		if s.retained.Octets() <= 2*s.retention.size()+fewOctets {
			return nil
		}
	}
	if err := s.retained.Rewrite(retainedRecords(s.retention.snapshot())); err != nil {
		return err
	}
	s.rewrite = false
	return nil
}

func retainedRecords(topics map[string][]*retained) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for topic, list := range topics {
			if !yield(encodeRetained(topic, list)) {
				return
			}
		}
	}
}

// save writes the events that are not in the log yet, and deletes what the history has let go.
func (a *archive) save() error {
	if a.rewrite {
		events, first, _ := a.since(0)
		if err := a.log.Rewrite(pastRecords(events)); err != nil {
			return err
		}
		a.saved, a.rewrite = first+uint64(len(events)), false
		return nil
	}
	events, first, gone := a.since(a.saved)
	n, err := a.log.Append(pastRecords(events))
	a.saved = first + uint64(n)
	a.rewrite = journal.Lost(err)
	if err != nil {
		return err
	}
	return a.log.Trim(int(a.saved - gone))
}

func pastRecords(events []*past) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, e := range events {
			if !yield(encodePast(e)) {
				return
			}
		}
	}
}

// nextExpiry returns when the next event of a history gets too old.
func (s *state) nextExpiry() (at time.Time) {
	for _, a := range s.archives {
		at = earliest(at, a.nextExpiry())
	}
	return at
}
