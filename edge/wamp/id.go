package wamp

import "math/rand/v2"

// ID is a WAMP id: an integer in [1, MaxID] (basic/building_blocks.md, "IDs"). 0 stands for "none".
type ID = uint64

// MaxID is the largest id, 2^53.
const MaxID ID = 1 << 53

// NewID returns a random global-scope id (sessions, publications), uniform over [1, MaxID].
func NewID() ID { return rand.Uint64N(MaxID) + 1 }

// NextID returns the session-scope id that follows last: ids start at 1 and wrap to 1 after MaxID. Each direction of a
// session has its own sequence.
func NextID(last ID) ID {
	if last >= MaxID {
		return 1
	}
	return last + 1
}

// ValidID reports whether id is in [1, MaxID].
func ValidID(id uint64) bool { return id-1 < MaxID }
