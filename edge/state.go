package edge

import (
	"path/filepath"
	"sync"

	"runnel/edge/dedup"
	"runnel/edge/durable"
	"runnel/edge/store"
)

// state is the data of a realm on disk, below RealmOptions.State: the retained events and histories (package store), in
// origins/ the record of routed publications (package dedup), and in durable/ the events of durable subscriptions.
type state struct {
	// Static after openState.
	disk   *store.Disk
	routed *dedup.Log[*withheld] // nil: it cannot be read
	events *durable.Store        // of durable subscriptions; nil: it cannot be read

	stop  chan struct{}
	done  chan struct{}
	close func() // writes the rest, and waits until it is on disk
}

// openState restores a realm from a directory, before a session joins. It always succeeds, and logs unreadable data.
func openState(m *realm, dir string, durableSize int64) *state {
	interval := m.router.options().StateSync
	s := &state{stop: make(chan struct{}), done: make(chan struct{})}
	s.close = sync.OnceFunc(func() {
		close(s.stop)
		<-s.done
	})
	s.disk = store.Open(store.Config{
		Directory: dir, Log: m.log, Interval: interval, Retained: m.retained, Histories: m.histories.All(), ReadOptions: readKeptOptions,
	})
	origins, acks := filepath.Join(dir, "origins"), &m.acknowledgements
	log, found, unusable, err := dedup.Open(&acks.routed, origins, dedup.Config[*withheld]{
		Mutex:    &acks.mu,
		Interval: interval,
		Recorded: func(batch []*dedup.Mark[*withheld]) { acks.recorded(m.router, batch) },
		Report:   s.reportRouted,
	})
	if s.disk.Opened(origins, found, unusable, err) {
		s.routed = log
	}
	s.openEvents(m, filepath.Join(dir, "durable"), durableSize)
	return s
}

// begin is called before the goroutine of run is started, and before a session joins.
func (s *state) begin() {
	s.disk.Begin()
	if s.events != nil {
		s.events.Begin()
	}
}

// run writes changes until close is called.
func (s *state) run() {
	defer close(s.done)
	var others sync.WaitGroup
	if s.routed != nil {
		others.Go(func() { s.routed.Run(s.stop) })
	}
	if s.events != nil {
		others.Go(func() { s.events.Run(s.stop) })
	}
	go func() { // the histories take over the events that the log of durable events has lost at the end
		<-s.stop
		others.Wait()
		s.disk.Close()
	}()
	s.disk.Run()
}

// closeStates closes the states of realms, and returns when they are on disk.
func closeStates(realms []*realm) {
	for _, m := range realms {
		if m.state != nil {
			m.state.close()
		}
	}
}

// reportRouted records the result of a write or sync of the record, and logs when failures begin and end.
func (s *state) reportRouted(err error) {
	switch was := s.disk.Trouble().Set("origins", err); {
	case err != nil && !was:
		s.disk.Log.Warn("cannot record routed events; duplicates are possible after a restart", "err", err)
	case err == nil && was:
		s.disk.Log.Info("routed events are recorded again")
	}
}

// readKeptOptions sets the fields of a restored event that depend on its options.
func readKeptOptions(e *store.Event) error {
	o, err := readPublishOptions(e.Dict)
	if err != nil {
		return err
	}
	e.ExcludeMe, e.Passthru = o.excludeMe, o.passthru || o.noted
	e.Forwarded = e.Forwarded && checkForwarded(e.Dict) == nil
	e.Filter, err = readFilter(e.Dict, o.filtered)
	return err
}
