package edge

import (
	"iter"
	"maps"
	"slices"

	"runnel/edge/wamp"
)

// The numberings that a realm remembers are bounded, and no client can have the realm forget those of others:
//
//   - A numbering belongs to an authid; those of anonymous sessions belong to their role, since an anonymous authid is
//     another one after each reconnect.
//   - A session remembers at most maxOwnOrigins that it has begun. One more replaces the one that it used least recently.
//   - When the realm has maxOrigins, the numberings go first that one session has begun and left behind; then those that
//     several sessions used, all of which have ended; then those of sessions that have begun several. A node that is
//     connected, and has one numbering, keeps it.
//   - What a numbering lacks is bounded too, for each (sequences.go) and for all.

const (
	maxOrigins    = 8192      // in one realm
	maxOwnOrigins = 32        // that one session has begun
	maxAllSpans   = 256 << 10 // of all origins of a realm; 16 octets each
	fewSpans      = 16        // for an origin that grows when all have too many
)

// originKey is one numbering.
type originKey struct {
	authid, node string
	epoch        uint64
}

// origin is what is known of one numbering. Guarded by acknowledgements.mu.
type origin struct {
	key      originKey
	marks    *marks
	routed   sequences            // with those that are pending
	pending  map[uint64]*withheld // by sequence
	lastUsed uint64               // of marks.clock
	user     *session             // that used it last; nil: it has left
	shared   bool                 // several sessions have used it, or it is from before a restart
}

// mark is the place of one publication in its origin.
type mark struct {
	origin   *origin
	sequence uint64
	recorded bool // or just about to be. Guarded by acknowledgements.mu.
}

// marks are a realm's origins. Guarded by acknowledgements.mu.
type marks struct {
	origins map[originKey]*origin
	spans   int // of all
	clock   uint64
	log     *markLog // nil: they are in memory only
}

// numberer is whom the session's numberings belong to.
func (s *session) numberer() string {
	if s.authmethod == "anonymous" || s.authid == "" {
		return "\x00" + s.role().Name() // no authid of a configuration begins like this
	}
	return s.authid
}

// origin returns the origin of a key, which may be a new one.
func (m *marks) origin(key originKey, s *session) (*origin, error) {
	m.clock++
	o := m.origins[key]
	if o == nil {
		if !m.makeRoom(s) {
			return nil, refusal{wamp.Unavailable, "too many nodes publish at the same time"}
		}
		o = m.add(key)
	}
	if o.user != s {
		o.shared = o.shared || o.lastUsed > 0
		o.release()
		o.user = s
		s.origins = append(s.origins, o)
	}
	o.lastUsed = m.clock
	return o, nil
}

// restore puts back an origin that is on record.
func (m *marks) restore(key originKey, routed sequences) {
	o := m.origins[key]
	if o == nil {
		m.makeRoom(nil) // none is pending, so there always is room
		o = m.add(key)
	}
	m.clock++
	o.lastUsed, o.shared = m.clock, true
	m.spans += len(routed.open) - len(o.routed.open)
	o.routed = routed
}

func (m *marks) add(key originKey) *origin {
	if m.origins == nil {
		m.origins = make(map[originKey]*origin)
	}
	o := &origin{key: key, marks: m}
	m.origins[key] = o
	return o
}

// makeRoom forgets an origin if s, or the realm, has too many. It reports false if none can be forgotten.
func (m *marks) makeRoom(s *session) bool {
	if s != nil && s.tooManyOrigins() {
		return m.forget(slices.Values(s.origins), func(o *origin) int {
			if o.shared {
				return keep
			}
			return 0
		})
	}
	return len(m.origins) < maxOrigins || m.forget(maps.Values(m.origins), (*origin).rank)
}

// tooManyOrigins reports whether the session has begun as many numberings as it may.
func (s *session) tooManyOrigins() bool {
	begun := 0
	for _, o := range s.origins {
		if !o.shared {
			begun++
		}
	}
	return begun >= maxOwnOrigins
}

// keep is the rank of an origin that is not forgotten.
const keep = 9

// rank says how soon an origin may be forgotten.
func (o *origin) rank() int {
	switch {
	case o.user == nil && !o.shared:
		return 0
	case o.user == nil:
		return 1
	case !o.shared && len(o.user.origins) > 1:
		return 2
	}
	return keep
}

// forget forgets the origin of the lowest rank; of several the one that was silent longest.
func (m *marks) forget(among iter.Seq[*origin], rank func(*origin) int) bool {
	var chosen *origin
	lowest := keep
	for o := range among {
		if r := rank(o); len(o.pending) == 0 && (r < lowest || r == lowest && chosen != nil && o.lastUsed < chosen.lastUsed) {
			chosen, lowest = o, r
		}
	}
	if chosen == nil {
		return false
	}
	chosen.release()
	m.spans -= len(chosen.routed.open)
	delete(m.origins, chosen.key)
	return true
}

// release takes the origin from the session that used it last.
func (o *origin) release() {
	if s := o.user; s != nil {
		o.user = nil
		s.origins = slices.DeleteFunc(s.origins, func(other *origin) bool { return other == o })
	}
}

// left notes that a session has ended.
func (m *marks) left(s *session) {
	for _, o := range s.origins {
		o.user = nil
	}
	s.origins = nil
}

// add puts a sequence in.
func (o *origin) add(sequence uint64) {
	o.change(func() { o.routed.add(sequence) })
}

// remove takes a sequence out again.
func (o *origin) remove(sequence uint64) {
	o.change(func() { o.routed.remove(sequence) })
}

func (o *origin) change(what func()) {
	before := len(o.routed.open)
	what()
	if o.marks.spans += len(o.routed.open) - before; o.marks.spans > maxAllSpans {
		before = len(o.routed.open)
		o.routed.squeeze(fewSpans)
		o.marks.spans += len(o.routed.open) - before
	}
}
