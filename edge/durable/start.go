package durable

import (
	"fmt"
	"strconv"
	"time"

	"runnel/edge/wamp"
)

// Start is the point where a subscription begins. The zero value is now.
type Start struct {
	All   bool      // with everything that is kept
	Time  time.Time // with the events from this time on
	After wamp.ID   // after the event with this publication id
}

// ParseStart reads a start: "now", "all", a time as in RFC 3339, or a publication id.
func ParseStart(text string) (Start, error) {
	switch text {
	case "", "now":
		return Start{}, nil
	case "all":
		return Start{All: true}, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && wamp.ValidID(wamp.ID(n)) {
		return Start{After: wamp.ID(n)}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return Start{Time: t}, nil
	}
	return Start{}, fmt.Errorf("%q is not a start; use now, all, a time such as 2026-11-29T14:00:00Z, or a publication id", text)
}

// floor returns the position after which a subscription with this start begins. It runs in the goroutine of Run, so
// nothing is written meanwhile.
func (s *Store) floor(start Start) (uint64, error) {
	s.mu.Lock()
	position, oldest := s.next-1, s.next-1
	if len(s.segments) > 0 {
		oldest = s.segments[0].first - 1
	}
	s.mu.Unlock()
	if start == (Start{}) {
		return position, nil
	}
	if start.All {
		return oldest, nil
	}
	found := false
	err := s.scan(place{}, new(unpacker), func(h *head, _, _ place) bool {
		if start.After == 0 {
			if found = h.at >= start.Time.UnixMilli(); found {
				position = h.position - 1
			}
			return !found
		}
		if found = h.kind >= eventRecord && h.id == start.After; found {
			position = h.position
		}
		return !found
	})
	if err == nil && !found && start.After != 0 {
		err = fmt.Errorf("publication %d is not kept; use all or a time", start.After)
	}
	return position, err
}
