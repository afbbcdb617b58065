package store

import "sort"

// A realm stores events for durable subscriptions in a log (package durable). A history keeps such an event in memory, and
// the log is its only copy on disk: after a restart, Restore adds it again. All other events are in the history's archive.
// Each has an order, so that the events of both are in one order after a restart. Before the log drops events, or after it
// has lost some, the archive takes over those that the history still has (Release).

// held is an event of a history.
type held struct {
	*PastEvent
	order  uint64 // twice the event's position in the log; without one, twice the last known position, and 1
	logged bool   // the log has it
	stored bool   // the log or the archive has it
}

// newHeld returns an event to be added. A position of 0 means that the event is not in the log. The caller holds mu.
func (h *History) newHeld(e *PastEvent, position uint64) held {
	if position == 0 {
		return held{PastEvent: e, order: 2*h.last + 1}
	}
	h.last = max(h.last, position)
	logged := position > h.released
	return held{PastEvent: e, order: 2 * position, logged: logged, stored: logged}
}

// place returns the index of a new event: the end, unless it precedes others in the log that were recorded first. The
// events are therefore always in the log's order. The caller holds mu.
func (h *History) place(x held) int {
	i := len(h.events)
	for i > 0 && h.events[i-1].order > x.order {
		i--
	}
	return i
}

// Restore adds an event that the log has at a position, unless the history has it already.
func (h *History) Restore(e *PastEvent, position uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.newHeld(e, position)
	i := sort.Search(len(h.events), func(i int) bool { return h.events[i].order >= x.order })
	if i < len(h.events) && h.events[i].order == x.order {
		return // taken over, or recorded meanwhile
	}
	if e.size <= h.rule.Octets {
		h.insert(i, x)
	}
}

// Begin records the last position in the log, before the history is used. The log's events up to there are older than
// any new event.
func (h *History) Begin(position uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = max(h.last, position)
}

// Release makes the archive take over the events at these positions of the log. It reports whether there are any. It
// includes events of earlier calls, because the archive may still lack them.
func (h *History) Release(first, last uint64) (any bool) {
	h.mu.Lock()
	own := false // an event in the archive precedes one that is taken over
	for i := len(h.events) - 1; i >= 0; i-- {
		x := &h.events[i]
		within := x.order%2 == 0 && first <= x.order/2 && x.order/2 <= last
		any = any || within
		switch {
		case !x.logged:
			own = own || x.stored
		case within:
			x.logged, x.stored = false, false
			h.own++
			h.disordered = h.disordered || own
		}
	}
	h.released = max(h.released, last)
	h.mu.Unlock()
	if any && h.changed != nil {
		h.changed()
	}
	return any
}

// Needed returns the position of the first event that only the log has; 0 if there is none.
func (h *History) Needed() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trim()
	for _, x := range h.events {
		if x.logged {
			return x.order / 2
		}
	}
	return 0
}

// Last returns the last position in the log that the history knows.
func (h *History) Last() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// take returns the events for the archive, in order: those that it lacks, or all. It marks them as stored. again means that
// the archive must be rewritten with the list, which then has all events. kept is the number of events that the archive has
// besides the list.
func (h *History) take(all bool) (list []held, kept int, again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trim()
	again = all || h.disordered
	h.disordered = false
	for i := range h.events {
		switch x := &h.events[i]; {
		case x.logged:
		case x.stored && !again:
			kept++
		default:
			x.stored = true
			list = append(list, *x)
		}
	}
	return list, kept, again
}

// markUnstored marks events that take has returned as not stored.
func (h *History) markUnstored(list []held) {
	missing := make(map[*PastEvent]bool, len(list))
	for _, x := range list {
		missing[x.PastEvent] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.events {
		x := &h.events[i]
		x.stored = x.stored && (x.logged || !missing[x.PastEvent])
	}
}
