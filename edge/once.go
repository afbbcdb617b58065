package edge

import (
	"math"
	"slices"
	"time"

	"runnel/edge/codec"
	"runnel/edge/journal"
	"runnel/edge/wamp"
)

// Once only: a link that stores events sends each until it is acknowledged, and so may send one twice. With
// PUBLISH.Options._origin, [node, epoch, sequence], and acknowledge, the realm recognizes what it has routed: it answers
// with PUBLISHED and routes it no second time. Sequences count from 1 for each epoch of a node; they may have gaps, and what
// has failed may come again. An epoch is a numbering: a node that has lost its count begins another. Numberings belong to
// the authid that publishes, so that none can use up another's numbers; origins.go bounds how many are remembered.
//
// What was routed is on record in the realm's state directory before PUBLISHED is sent: written, by one goroutine, for all
// that have come in the meantime at once; it is synced every StateSync. So a router that is killed routes nothing twice,
// and one whose power is cut at most what came in that time. A disk that fails does not hold up PUBLISHED.
//
// The order is: route, be confirmed by those who confirm (confirm.go), record, PUBLISHED.

const (
	maxNode    = 255 // octets
	originForm = 1
)

// readOrigin reads PUBLISH.Options._origin.
func readOrigin(d codec.Dict) (key originKey, sequence uint64, err error) {
	err = refusal{wamp.InvalidArgument, "option \"_origin\" must be [node, epoch, sequence]"}
	for f := d.Fields(); f.Next(); {
		if string(f.Key()) != "_origin" {
			continue
		}
		var of [4]codec.Value
		n := 0
		for list, _ := f.Value().Items(); n < len(of) && list.Next(); n++ {
			of[n] = list.Value()
		}
		node, isText := of[0].Text()
		epoch, isEpoch := of[1].Uint()
		sequence, isSequence := of[2].Uint()
		if n != 3 || !isText || len(node) == 0 || len(node) > maxNode || !isEpoch || epoch == math.MaxUint64 ||
			!isSequence || sequence == 0 || sequence == math.MaxUint64 {
			return key, 0, err
		}
		return originKey{node: string(node), epoch: epoch}, sequence, nil
	}
	return key, 0, err
}

func unsigned(v any) (uint64, bool) {
	switch n := v.(type) {
	case int64:
		return uint64(n), n >= 0
	case uint64:
		return n, n < math.MaxUint64 // so that there always is a next one
	}
	return 0, false
}

// publishOnce is publishAcknowledged for a publication that has an origin.
func (s *session) publishOnce(t *turn, m *codec.Message) error {
	key, sequence, err := readOrigin(m.Dict)
	if err != nil {
		return err
	}
	key.authid = s.numberer()
	acks := &s.realm.acknowledgements
	if err := acks.full(s); err != nil {
		return err
	}
	w, err := acks.take(t, s, m.Request, key, sequence)
	if w == nil {
		return err
	}
	t.asker, t.request, t.withheld = s, m.Request, w
	err = s.route(t)
	t.asker, t.withheld = nil, nil
	if err != nil {
		acks.fail(t, w, err)
	} else {
		acks.routed(t, w)
	}
	return nil
}

// take begins to withhold the acknowledgement of what was not routed yet. It returns nil for what was: then it has
// answered, or it will be answered when the first attempt's outcome is known.
func (a *acknowledgements) take(t *turn, s *session, request wamp.ID, key originKey, sequence uint64) (*withheld, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o, err := a.marks.origin(key, s)
	if err != nil {
		return nil, err
	}
	if w := o.pending[sequence]; w != nil {
		if before := w.publisher; before != nil {
			delete(before.withheld, w.id)
			before.refusePublication(t, w.request, refusal{wamp.Unavailable, "the publication was sent again"})
		}
		w.ask(s, request)
		return nil, nil
	}
	if o.routed.has(sequence) {
		return nil, t.send(s, &codec.Message{Type: wamp.Published, Request: request, ID: wamp.NewID()})
	}
	w := &withheld{id: t.publication.id, mark: &mark{origin: o, sequence: sequence}}
	o.add(sequence)
	if o.pending == nil {
		o.pending = make(map[uint64]*withheld)
	}
	o.pending[sequence] = w
	a.hold(s, request, w)
	return w, nil
}

// settled ends the publication. If it has failed it may come again. Holds acknowledgements.mu.
func (m *mark) settled(ok bool) {
	delete(m.origin.pending, m.sequence)
	if !ok {
		m.origin.remove(m.sequence)
	}
}

// record hands w to the writer, which ends it. It reports false if there is none.
func (m *marks) record(w *withheld) bool {
	if m.log == nil {
		return false
	}
	m.log.ready = append(m.log.ready, w)
	select {
	case m.log.wake <- struct{}{}:
	default:
	}
	return true
}

// markLog is the record of a realm's origins on disk: a record for each change of an origin, of which the last counts.
//
//	[1, authid, node, epoch, highest sequence, first and last of what is missing, ...]
type markLog struct {
	// Static after openMarks.
	realm    *realm
	log      *journal.Journal
	interval time.Duration // between syncs
	wake     chan struct{} // is full when there is something to write
	trouble  *trouble

	ready []*withheld // to be recorded and answered. Guarded by acknowledgements.mu.

	// Owned by run.
	syncing <-chan time.Time // when the next sync is due; nil: nothing is unsynced
	rewrite bool             // the log lacks something
	compact int64            // octets of the log when it was last rewritten
}

// openMarks reads what is on record. It runs before anybody joins.
func (s *state) openMarks(m *realm, dir string) {
	all, unread := &m.acknowledgements.marks, 0
	log, found, err := journal.Open(dir, segmentOctets, func(record []byte) {
		key, routed, ok := decodeOrigin(record)
		if !ok {
			unread++
			return
		}
		all.restore(key, routed)
	})
	if s.opened(dir, found, unread, err) {
		s.marks = &markLog{
			realm: m, log: log, interval: s.interval, wake: make(chan struct{}, 1), trouble: &s.trouble,
			rewrite: len(found.Bad) > 0,
		}
		all.log = s.marks
	}
}

// run writes until stop is closed; then it writes what is left.
func (l *markLog) run(stop <-chan struct{}) {
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
			l.log.Close()
			return
		}
	}
}

// sync syncs the log. If that fails the log has lost something, and the next sync writes it anew.
func (l *markLog) sync() {
	var err error
	if acks := &l.realm.acknowledgements; l.rewrite {
		acks.mu.Lock()
		records := l.records(nil)
		acks.mu.Unlock()
		err = l.append(records)
	} else {
		err = l.log.Sync()
		l.rewrite = err != nil
	}
	if err != nil {
		l.syncing = time.After(l.interval)
	}
	l.told(err)
}

// write records what is ready, and has it answered.
func (l *markLog) write() {
	acks := &l.realm.acknowledgements
	acks.mu.Lock()
	batch := l.ready
	l.ready = nil
	for _, w := range batch {
		w.mark.recorded = true
	}
	records := l.records(batch)
	acks.mu.Unlock()
	if len(records) == 0 {
		return
	}
	l.told(l.append(records))
	if l.syncing == nil {
		l.syncing = time.After(l.interval)
	}
	t := turns.Get().(*turn)
	acks.mu.Lock()
	for _, w := range batch {
		acks.succeed(t, w)
	}
	acks.mu.Unlock()
	t.abandon(l.realm.router)
}

// records encodes the origins of the batch or, where the log is to be written anew, all. Holds acknowledgements.mu.
func (l *markLog) records(batch []*withheld) (list [][]byte) {
	if l.rewrite || l.log.Octets() > 2*l.compact+fewOctets {
		l.rewrite = true
		for _, o := range l.realm.acknowledgements.marks.origins {
			list = append(list, encodeOrigin(o))
		}
		return list
	}
	seen := make(map[*origin]bool)
	for _, w := range batch {
		if o := w.mark.origin; !seen[o] {
			seen[o] = true
			list = append(list, encodeOrigin(o))
		}
	}
	return list
}

func (l *markLog) append(records [][]byte) error {
	if !l.rewrite {
		_, err := l.log.Append(slices.Values(records))
		l.rewrite = err != nil
		return err
	}
	if err := l.log.Rewrite(slices.Values(records)); err != nil {
		return err
	}
	l.rewrite, l.compact = false, l.log.Octets()
	return nil
}

// told notes how it went, and tells of a failure once.
func (l *markLog) told(err error) {
	switch was := l.trouble.set("origins", err); {
	case err != nil && !was:
		l.realm.log.Warn("what was routed is not on record; after a restart events may come twice", "because", err)
	case err == nil && was:
		l.realm.log.Info("what was routed is on record again")
	}
}

// encodeOrigin makes an origin's record; what is pending counts as missing.
func encodeOrigin(o *origin) []byte {
	routed := o.routed.clone()
	for sequence, w := range o.pending {
		if !w.mark.recorded {
			routed.remove(sequence)
		}
	}
	fields := []any{originForm, []byte(o.key.authid), []byte(o.key.node), o.key.epoch, routed.highest}
	for _, s := range routed.open {
		fields = append(fields, s.first, s.last)
	}
	return encodeRecord(fields)
}

func decodeOrigin(record []byte) (key originKey, routed sequences, ok bool) {
	fields, err := decodeRecord(record)
	if err != nil || len(fields) < 5 || len(fields)%2 == 0 || len(fields) > 5+2*maxSpans || fields[0] != any(int64(originForm)) {
		return key, routed, false
	}
	authid, isAuthid := fields[1].([]byte)
	node, isNode := fields[2].([]byte)
	epoch, isEpoch := unsigned(fields[3])
	highest, isHighest := unsigned(fields[4])
	routed.highest = highest
	for below := uint64(0); len(fields) > 5; fields = fields[2:] {
		first, isFirst := unsigned(fields[5])
		last, isLast := unsigned(fields[6])
		if !isFirst || !isLast || first <= below || last < first || last > highest {
			return key, routed, false
		}
		routed.open = append(routed.open, span{first, last})
		below = last + 1
	}
	return originKey{string(authid), string(node), epoch}, routed, isAuthid && isNode && isEpoch && isHighest
}
