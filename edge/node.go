package edge

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"runnel/edge/wamp"
)

// Two routers with one node id, such as two gateways made from one SD card, lose events silently. To each of them, the
// other's events seem to have come back in a loop. If they share a copy of a data directory, the events seem to have
// been routed already. A session that belongs to another router therefore names its node in HELLO. A second node with
// the same id is rejected while the first is connected. Both sides report it.
//
// A session left over from a broken connection is not a second node. If it is from the same process, it has the same boot.
// If it is from an earlier process, the router probes it, and closes it if it does not respond.
//
// A session cannot keep out another one that is trusted more: a session that may not forward does not block one that may,
// nor one with another role. Then both are admitted, and the clash is reported.

// probeTime is how long a session that is probed has to respond.
const probeTime = 5 * time.Second

// prober is a Conn that can probe its peer. Probe returns false if the peer does not respond in time.
type prober interface{ Probe(time.Duration) bool }

// announceNode reads HELLO.Details._node. A value of another form is ignored, like any unknown detail.
func (s *session) announceNode(details map[string]any) {
	if n, ok := wamp.ReadNode(details[wamp.KeyNode]); ok {
		s.node = &n
	}
}

// rivalry is the error of a session whose node id a member of the realm has already.
type rivalry struct{ member *session }

func (r rivalry) Error() string { return "another session has this node id" }

// joinNode is join for a session that may belong to another router.
func (m *realm) joinNode(s *session) error {
	if err := m.checkNode(s); err != nil {
		return err
	}
	for {
		err := m.join(s)
		var r rivalry
		if !errors.As(err, &r) {
			if err == nil {
				m.reportNamesake(s)
			}
			return err
		}
		if alive(r.member) {
			return m.refuseNode(s, address(r.member))
		}
		r.member.displaced.Store(true)
		m.log.Warn("session of the same node does not respond; closing it", "node", s.node.ID,
			"session", r.member.id, "peer", address(r.member), "successor", address(s))
		r.member.conn.Close()
	}
}

func alive(s *session) bool {
	p, ok := s.conn.(prober)
	return !ok || p.Probe(probeTime)
}

// conflicting returns the member that conflicts with the session; nil if there is none. The caller holds mu.
func (m *realm) conflicting(s *session) *session {
	if s.node == nil {
		return nil
	}
	for _, member := range m.members {
		if member.clashesWith(s) && member.mayExclude(s) {
			return member
		}
	}
	return nil
}

func (s *session) clashesWith(other *session) bool {
	return s.node != nil && !s.displaced.Load() && s.node.ClashesWith(*other.node)
}

// mayExclude reports whether a session may keep out another one with its node id.
func (s *session) mayExclude(other *session) bool {
	return s.mayForward() || !other.mayForward() && s.role().Name() == other.role().Name()
}

// reportNamesake reports a session that was admitted although another one has its node id.
func (m *realm) reportNamesake(s *session) {
	if s.node == nil {
		return
	}
	m.mu.Lock()
	var namesake *session
	for _, member := range m.members {
		if member != s && member.clashesWith(s) {
			namesake = member
		}
	}
	m.mu.Unlock()
	if namesake != nil && m.noteClash(s, address(namesake)) {
		m.log.Error("node id is used twice; both sessions are admitted, because their roles differ", "node", s.node.ID,
			"first", address(namesake), "second", address(s), "authid", s.authid)
	}
}

// checkNode refuses a node that has the id of this router, or of one above it.
func (m *realm) checkNode(s *session) error {
	if s.node == nil {
		return nil
	}
	if m.router.options().Identity.ClashesWith(*s.node) {
		return m.refuseNode(s, "this router itself")
	}
	m.mu.Lock()
	above := m.nodeAbove(*s.node)
	m.mu.Unlock()
	if above != "" {
		return m.refuseNode(s, "a router above this one, over "+above)
	}
	return nil
}

// nodeAbove returns the name of the connection to a node of the same id above this router, or "". The caller holds mu.
//
// The next router's list of the nodes above it may be outdated: one of them may have restarted since. In a ring of routers it
// may even contain the node that joins. So a node on such a list clashes only if it is of another installation.
func (m *realm) nodeAbove(n wamp.Node) string {
	for p, nodes := range m.above {
		for i, other := range nodes {
			if i == 0 && other.ClashesWith(n) || other.ID == n.ID && other.InstalledElsewhere(n) {
				return p.name
			}
		}
	}
	return ""
}

// refuseNode makes the error that refuses a session, and logs a new clash.
func (m *realm) refuseNode(s *session, first string) error {
	err := duplicateNode(s.node.ID, first, address(s))
	if m.noteClash(s, first) {
		m.log.Error("node id is used twice; the second session is refused", "node", s.node.ID, "first", first, "second", address(s),
			"authid", s.authid)
	}
	return err
}

// noteClash records that a session has the node id of another. It reports whether the clash is new.
func (m *realm) noteClash(s *session, first string) (isNew bool) {
	return m.router.clashes.add(Clash{Realm: m.name, Node: s.node.ID, First: first, Second: address(s), Seen: time.Now()})
}

func duplicateNode(id, first, second string) refusal {
	return refusal{wamp.DuplicateNode, fmt.Sprintf("the node id %q is used twice, by %s and by %s; give each its own [node] id, and no copy of another's data directory",
		id, first, second)}
}

// address returns the address of a session's peer.
func address(s *session) string {
	t := s.conn.Transport()
	return strings.TrimSpace(cmp.Or(t.Remote, "a local peer") + " at " + t.Listener)
}

// nodes returns WELCOME.Details._nodes: this router, and those above it.
func (m *realm) nodes() (list []any) {
	if self := m.router.options().Identity; self.Boot != "" {
		list = append(list, self.Fields())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, nodes := range m.above {
		for _, n := range nodes {
			if len(list) < maxNodes {
				list = append(list, n.Fields())
			}
		}
	}
	return list
}

// maxNodes is how many routers WELCOME names: events cross no longer chain (forward.go).
const maxNodes = maxHops

// upstream is a connection from a realm to other routers.
type upstream struct{ name string }

// Above returns a function by which a part of this process reports the routers that it connects the realm to: the next
// one first, and none while the connection is down. A session whose node equals one of them gets GOODBYE, and is
// rejected when it reconnects.
func (r *Router) Above(realm, name string) func([]wamp.Node) {
	p := &upstream{name} // while one connection replaces another, two have the same name
	return func(nodes []wamp.Node) {
		if m := r.realm([]byte(realm)); m != nil {
			m.setAbove(p, nodes)
		}
	}
}

func (m *realm) setAbove(p *upstream, nodes []wamp.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.above == nil {
		m.above = make(map[*upstream][]wamp.Node)
	}
	if len(nodes) == 0 {
		delete(m.above, p)
		return
	}
	m.above[p] = nodes
	for _, s := range m.members {
		if s.node != nil && m.nodeAbove(*s.node) != "" {
			go s.kill(wamp.DuplicateNode, duplicateNode(s.node.ID, "a router above this one, over "+p.name, address(s)).message)
		}
	}
}

// Clash is a node id that is in use twice.
type Clash struct {
	Realm  string    `json:"realm"`
	Node   string    `json:"node"`
	First  string    `json:"first"`  // address of the node that was connected before
	Second string    `json:"second"` // address of the node that was refused
	Seen   time.Time `json:"seen"`   // the last attempt
	Tries  uint64    `json:"tries"`
}

// clashes are the recent clashes. A router that is refused retries at least once a minute, so a clash that was not seen
// for longer has ended.
type clashes struct {
	mu sync.Mutex
	// Guarded by mu.
	list map[string]*Clash // by realm and node
}

const (
	maxClashes  = 256
	clashExpiry = 3 * time.Minute
)

// add records an attempt. It reports whether the clash is new.
func (c *clashes) add(seen Clash) (isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	key := seen.Realm + "\x00" + seen.Node
	old := c.list[key]
	if old == nil {
		if len(c.list) >= maxClashes {
			return false
		}
		if c.list == nil {
			c.list = make(map[string]*Clash)
		}
		old = new(Clash)
		c.list[key] = old
		isNew = true
	}
	seen.Tries = old.Tries + 1
	*old = seen
	return isNew
}

// present returns the current clashes, by realm and node.
func (c *clashes) present() []Clash {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	list := []Clash{}
	for _, key := range slices.Sorted(maps.Keys(c.list)) {
		list = append(list, *c.list[key])
	}
	return list
}

// Clashes returns the node ids that are in use twice in a realm.
func (r *Router) Clashes(realm string) []Clash {
	return slices.DeleteFunc(r.clashes.present(), func(c Clash) bool { return c.Realm != realm })
}

func (c *clashes) expire() {
	maps.DeleteFunc(c.list, func(_ string, old *Clash) bool { return time.Since(old.Seen) > clashExpiry })
}
