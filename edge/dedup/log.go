package dedup

import (
	"maps"
	"slices"
	"sync"
	"time"

	"runnel/edge/journal"
)

// Log keeps a table on disk: the state of each numbering, then records of the publications routed since. One goroutine
// (Run) writes it, with one write for all publications that have arrived in the meantime. A failing disk does not delay
// publications.
type Log[W any] struct {
	// Static after Open.
	Config[W]
	table   *Table[W]
	journal *journal.Journal
	wake    chan struct{} // is full when there is something to write

	ready []*Mark[W] // to be recorded. Guarded by Config.Mutex.

	// Owned by Run.
	syncing <-chan time.Time // when the next sync is due; nil: nothing is unsynced
	rewrite bool             // the journal lacks records
	compact int64            // bytes of the journal when it was last rewritten
}

// Config configures a Log.
type Config[W any] struct {
	Mutex    *sync.Mutex   // guards the table
	Interval time.Duration // between syncs

	// Recorded is called when publications have been written, or could not be written. Mutex is not held.
	Recorded func([]*Mark[W])

	// Report is called with the result of each write and sync.
	Report func(error)
}

const (
	segmentBytes = 256 << 10
	fewBytes     = 256 << 10 // a journal that has grown by less is not rewritten
	atOnce       = 256       // numberings that are encoded while Mutex is held
)

// Open reads the log in a directory into the table, and from then on the log records the table's publications. It returns
// how many records could not be used. If it fails, the table stays in memory only.
func Open[W any](table *Table[W], dir string, c Config[W]) (log *Log[W], found journal.Found, unusable int, err error) {
	records, found, err := journal.Open(dir, segmentBytes, func(record []byte) {
		key, routed, more, ok := decode(record)
		switch {
		case !ok:
			unusable++
		case more != nil:
			table.addAll(key, more)
		default:
			table.restore(key, routed)
		}
	})
	if err != nil {
		return nil, found, unusable, err
	}
	table.log = &Log[W]{Config: c, table: table, journal: records, wake: make(chan struct{}, 1), rewrite: len(found.Bad) > 0}
	return table.log, found, unusable, nil
}

// Run writes until stop is closed. Then it writes the rest, and closes the log.
func (l *Log[W]) Run(stop <-chan struct{}) {
	if l.rewrite {
		l.sync()
	}
	for {
		select {
		case <-l.wake:
			l.write()
		case <-l.syncing:
			l.syncing = nil
			l.sync()
		case <-stop:
			l.write()
			if l.sync(); l.rewrite {
				l.sync()
			}
			l.journal.Close()
			return
		}
	}
}

// sync syncs the journal. After a failed sync the journal lacks records, and the next sync rewrites it.
func (l *Log[W]) sync() {
	var err error
	if l.rewrite {
		err = l.append(l.records(nil))
	} else {
		err = l.journal.Sync()
		l.rewrite = err != nil
	}
	if err != nil {
		l.syncing = time.After(l.Interval)
	}
	l.Report(err)
}

// write records the publications that are ready.
func (l *Log[W]) write() {
	l.Mutex.Lock()
	batch := l.ready
	l.ready = nil
	for _, m := range batch {
		m.recorded = true
	}
	l.Mutex.Unlock()
	records := l.records(batch)
	if len(records) == 0 {
		return
	}
	l.Report(l.append(records))
	if l.syncing == nil {
		l.syncing = time.After(l.Interval)
	}
	l.Recorded(batch)
}

// records encodes the batch, or all numberings if the journal is to be rewritten.
func (l *Log[W]) records(batch []*Mark[W]) (list [][]byte) {
	if l.rewrite || l.journal.Octets() > 2*l.compact+fewBytes {
		l.rewrite = true
		return l.all()
	}
	routed := make(map[*numbering[W]][]uint64)
	for _, m := range batch {
		routed[m.numbering] = append(routed[m.numbering], m.number)
	}
	for n, numbers := range routed {
		list = append(list, encodeMore(n.key, numbers))
	}
	return list
}

// all encodes all numberings. Publications go on after every few: what is routed meanwhile is in a later batch.
func (l *Log[W]) all() (list [][]byte) {
	l.Mutex.Lock()
	numberings := slices.Collect(maps.Values(l.table.numberings))
	l.Mutex.Unlock()
	for some := range slices.Chunk(numberings, atOnce) {
		l.Mutex.Lock()
		for _, n := range some {
			list = append(list, n.encode())
		}
		l.Mutex.Unlock()
	}
	return list
}

func (l *Log[W]) append(records [][]byte) error {
	if !l.rewrite {
		_, err := l.journal.Append(slices.Values(records))
		l.rewrite = err != nil
		return err
	}
	if err := l.journal.Rewrite(slices.Values(records)); err != nil {
		return err
	}
	l.rewrite, l.compact = false, l.journal.Octets()
	return nil
}
