package edge

import (
	"sync/atomic"

	"runnel/edge/durable"
)

// counters count since the router started.
type counters struct {
	messages     atomic.Uint64
	publications atomic.Uint64
	events       atomic.Uint64
	calls        atomic.Uint64
	drops        atomic.Uint64
	stalls       atomic.Uint64
}

func (c *counters) add(n counts) {
	c.messages.Add(n.messages)
	if n.publications > 0 {
		c.publications.Add(n.publications)
		c.events.Add(n.events)
	}
	if n.calls > 0 {
		c.calls.Add(n.calls)
	}
}

// Status is a snapshot of the router. Counters count since its start.
type Status struct {
	Connections  int64         `json:"connections"`  // sessions, and connections that have not joined yet
	Messages     uint64        `json:"messages"`     // messages received
	Publications uint64        `json:"publications"` // PUBLISH accepted
	Events       uint64        `json:"events"`       // EVENTs made from them
	Calls        uint64        `json:"calls"`        // CALLs that reached a callee
	Drops        uint64        `json:"drops"`        // EVENTs dropped for slow peers
	Stalls       uint64        `json:"stalls"`       // how often a peer was stalled
	Realms       []RealmStatus `json:"realms"`       // by name
	Clashes      []Clash       `json:"clashes"`      // node ids in use twice, see node.go
}

// RealmStatus is a snapshot of one realm.
type RealmStatus struct {
	Name          string `json:"name"`
	Sessions      int    `json:"sessions"`
	Subscriptions int    `json:"subscriptions"` // topics and patterns subscribed to
	Registrations int    `json:"registrations"` // procedures and patterns registered

	// Trouble names the data that should be on disk but is not, with the reason; "" if there is none.
	Trouble string `json:"trouble,omitempty"`

	Durable []durable.State `json:"durable,omitempty"` // the durable subscriptions, by name
}

// Status returns the current state.
func (r *Router) Status() Status {
	c := &r.counters
	status := Status{
		Connections:  r.open.Load(),
		Messages:     c.messages.Load(),
		Publications: c.publications.Load(),
		Events:       c.events.Load(),
		Calls:        c.calls.Load(),
		Drops:        c.drops.Load(),
		Stalls:       c.stalls.Load(),
	}
	status.Clashes = r.clashes.present()
	r.mu.Lock()
	realms := r.list()
	r.mu.Unlock()
	for _, m := range realms {
		status.Realms = append(status.Realms, m.status())
	}
	return status
}

func (m *realm) status() RealmStatus {
	m.mu.Lock()
	sessions := len(m.members)
	m.mu.Unlock()
	trouble := ""
	if m.state != nil {
		trouble = m.state.disk.Trouble().String()
	}
	return RealmStatus{
		Trouble:       trouble,
		Durable:       m.durableStates(),
		Name:          m.name,
		Sessions:      sessions,
		Subscriptions: m.topics.Len(),
		Registrations: m.procedures.Len() + m.fallbacks.Len(),
	}
}
