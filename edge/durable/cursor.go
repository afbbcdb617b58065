package durable

import (
	"cmp"
	"encoding/json"
	"slices"
	"sort"
	"time"

	"runnel/edge/journal"
	"runnel/edge/wamp"
)

// The cursors have their own journal: a JSON record for each change of a subscription. The last record is valid.

// cursor is a record of a subscription.
type cursor struct {
	Rule
	Declared bool      `json:",omitempty"`
	Created  time.Time `json:",omitzero"`
	Epoch    uint64    `json:",omitempty"`
	Floor    uint64
	Gap      *gap   `json:",omitempty"`
	Dropped  uint64 `json:",omitempty"`
	Removed  bool   `json:",omitempty"`
}

func (s *Store) openCursors(dir string) error {
	log, found, err := journal.Open(dir, cursorSegment, func(record []byte) {
		var c cursor
		if json.Unmarshal(record, &c) != nil || c.Name == "" || c.Match > wamp.Wildcard {
			return
		}
		d := s.get(c.Owner, c.Name)
		switch {
		case c.Removed && d != nil:
			s.remove(d)
		case c.Removed:
		default:
			if d == nil {
				d = s.add(c.Rule, c.Created)
			}
			d.Rule, d.declared, d.floor, d.gap, d.dropped = c.Rule.withDefaults(), c.Declared, c.Floor, c.Gap, c.Dropped
			d.epoch.Store(cmp.Or(c.Epoch, uint64(d.created.Unix()), 1))
		}
	})
	if err != nil {
		return err
	}
	s.cursors, s.rewrite = log, len(found.Bad) > 0
	return nil
}

// get returns a subscription; nil if there is none. The caller holds mu, or runs before Run.
func (s *Store) get(owner, name string) *Subscription {
	if i, ok := s.find(owner, name); ok {
		return s.subs[i]
	}
	return nil
}

// find returns the index where a subscription is or would be. The caller holds mu, or runs before Run.
func (s *Store) find(owner, name string) (at int, ok bool) {
	at = sort.Search(len(s.subs), func(i int) bool { return s.subs[i].compare(owner, name) >= 0 })
	return at, at < len(s.subs) && s.subs[at].compare(owner, name) == 0
}

// remove takes a subscription out of the list. The caller holds mu, or runs before Run.
func (s *Store) remove(d *Subscription) {
	if i, ok := s.find(d.Owner, d.Name); ok {
		s.subs = slices.Delete(slices.Clone(s.subs), i, i+1)
	}
}

// add adds a subscription without a position. The caller holds mu, or runs before Run.
func (s *Store) add(r Rule, created time.Time) *Subscription {
	d := &Subscription{store: s, Rule: r.withDefaults(), created: created, wake: make(chan struct{}, 1), exact: true}
	at, _ := s.find(r.Owner, r.Name)
	s.subs = slices.Insert(s.subs, at, d)
	return d
}

// cursor makes the record of a subscription. The caller holds mu.
func (d *Subscription) cursor() []byte {
	c := cursor{Rule: d.Rule, Declared: d.declared, Created: d.created, Epoch: d.epoch.Load(), Floor: d.floor, Gap: d.gap, Dropped: d.dropped}
	record, _ := json.Marshal(c) // strings, numbers and times can always be encoded
	return record
}

// saveCursors records the subscriptions that have changed. If a power cut loses a record, events are delivered again.
func (s *Store) saveCursors() error {
	s.saving, s.saved = nil, time.Now()
	rewrite := s.rewrite || s.cursors.Octets() > 2*s.compact+cursorSegment
	var records [][]byte
	s.mu.Lock()
	for _, k := range s.forgotten {
		record, _ := json.Marshal(cursor{Rule: Rule{Owner: k.owner, Name: k.name}, Removed: true})
		if !rewrite {
			records = append(records, record)
		}
	}
	for _, d := range s.subs {
		if d.dirty || rewrite {
			records = append(records, d.cursor())
			d.dirty = false
		}
	}
	s.mu.Unlock()
	s.forgotten = nil
	var err error
	switch {
	case rewrite:
		if err = s.cursors.Rewrite(slices.Values(records)); err == nil {
			s.compact = s.cursors.Octets()
		}
	case len(records) > 0:
		_, err = s.cursors.Append(slices.Values(records))
	}
	if s.rewrite = err != nil; err != nil {
		s.Report(err)
		s.timer.Reset(retryInterval)
	}
	return err
}
