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

// Two routers of one id, as a copied SD card makes them, lose events without a word: what comes from the one seems to the
// other to have come round in a circle, and of two that share a copy of a data directory, to have been routed already. So
// the router of a link says in HELLO which node it is, and a second one of the same id is refused as long as the first is
// there. Both sides tell of it: the refused one goes on storing what it exports.
//
// A session that is left over from a broken connection is no second node: one of the same process has its boot, and one of
// a process before is asked for a sign of life and, if it gives none, makes room.
//
// No session can keep out another that is trusted more: one that may not forward is no obstacle to one that may, nor to one
// of another role. Then both are let in, and the alarm is raised.

// probeTime is how long a session may be silent that is asked for a sign of life.
const probeTime = 5 * time.Second

// prober is a Conn that can ask its peer for a sign of life. It reports false if nothing comes within the time.
type prober interface{ Probe(time.Duration) bool }

// announceNode reads HELLO.Details._node. Other text under this key is ignored, as any unknown detail.
func (s *session) announceNode(details map[string]any) {
	if n, ok := wamp.ReadNode(details[wamp.KeyNode]); ok {
		s.node = &n
	}
}

// rivalry means that a member of the realm has the node id of the session that joins.
type rivalry struct{ member *session }

func (r rivalry) Error() string { return "another session has this node id" }

// joinNode is join for what may be the link of a node.
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
		m.log.Warn("a session of the same node gives no sign of life and makes room", "node", s.node.ID,
			"session", r.member.id, "peer", address(r.member), "for", address(s))
		r.member.conn.Close()
	}
}

func alive(s *session) bool {
	p, ok := s.conn.(prober)
	return !ok || p.Probe(probeTime)
}

// rival returns the member that the session can't be beside. Holds mu.
func (m *realm) rival(s *session) *session {
	if s.node == nil {
		return nil
	}
	for _, member := range m.members {
		if member.clashesWith(s) && member.keepsOut(s) {
			return member
		}
	}
	return nil
}

func (s *session) clashesWith(other *session) bool {
	return s.node != nil && !s.displaced.Load() && s.node.ClashesWith(*other.node)
}

// keepsOut reports whether a session may keep out another one of its node's id.
func (s *session) keepsOut(other *session) bool {
	return s.mayForward() || !other.mayForward() && s.role().Name() == other.role().Name()
}

// reportNamesake raises the alarm for a session that was let in beside another of its node's id.
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
		m.log.Error("node id is used twice; both are let in, for they have different roles", "node", s.node.ID,
			"first", address(namesake), "second", address(s), "authid", s.authid)
	}
}

// checkNode refuses a node whose id this router has, or one that its links lead to.
func (m *realm) checkNode(s *session) error {
	if s.node == nil {
		return nil
	}
	if m.router.options().Identity.ClashesWith(*s.node) {
		return m.refuseNode(s, "this router itself")
	}
	m.mu.Lock()
	link := m.nodeAbove(*s.node)
	m.mu.Unlock()
	if link != "" {
		return m.refuseNode(s, "a router above this one, over "+link)
	}
	return nil
}

// nodeAbove returns the name of the link that leads to another node of the same id; "" if there is none. Holds mu.
//
// What the next router says of those above it may be old: one of them may have been started again since, and may be the
// very node that joins, where the links make a ring. So only another installation makes another node of these.
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

// refuseNode makes the refusal of a session and tells of it.
func (m *realm) refuseNode(s *session, first string) error {
	err := duplicateNode(s.node.ID, first, address(s))
	if m.noteClash(s, first) {
		m.log.Error("node id is used twice; the second link is refused", "node", s.node.ID, "first", first, "second", address(s),
			"authid", s.authid)
	}
	return err
}

// noteClash notes that a session has the node id of another. It reports whether that is news.
func (m *realm) noteClash(s *session, first string) (news bool) {
	return m.router.clashes.add(Clash{Realm: m.name, Node: s.node.ID, First: first, Second: address(s), Seen: time.Now()})
}

func duplicateNode(id, first, second string) refusal {
	return refusal{wamp.DuplicateNode, fmt.Sprintf("the node id %q is used twice, by %s and by %s; give each its own [node] id, and no copy of another's data directory",
		id, first, second)}
}

// address says where a session comes from.
func address(s *session) string {
	t := s.conn.Transport()
	return strings.TrimSpace(cmp.Or(t.Remote, "a local peer") + " at " + t.Listener)
}

// nodes is WELCOME.Details._nodes: this router, and those above it.
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

// maxNodes is how many routers WELCOME names: a chain is not longer than what may cross it (forward.go).
const maxNodes = maxHops

// upstream is what leads from a realm to other routers.
type upstream struct{ name string }

// Above returns the function by which a part of this process says which routers it leads to, the next one first; none while it
// is down. A session of a node that clashes with one of them gets GOODBYE, and will be refused when it comes back.
func (r *Router) Above(realm, name string) func([]wamp.Node) {
	p := &upstream{name} // two have the same name while one takes the place of the other
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

// Clash is a node id in use twice.
type Clash struct {
	Realm  string    `json:"realm"`
	Node   string    `json:"node"`
	First  string    `json:"first"`  // where the node is that was there before
	Second string    `json:"second"` // where the one is that was refused
	Seen   time.Time `json:"seen"`   // the last attempt
	Tries  uint64    `json:"tries"`
}

// clashes are those of late. A link tries again once a minute or more often, so one that was not seen for longer is over.
type clashes struct {
	mu sync.Mutex
	// Guarded by mu.
	list map[string]*Clash // by realm and node
}

const (
	maxClashes  = 256
	clashExpiry = 3 * time.Minute
)

// add notes an attempt. It reports whether that is news.
func (c *clashes) add(seen Clash) (news bool) {
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
		news = true
	}
	seen.Tries = old.Tries + 1
	*old = seen
	return news
}

// present returns those of now, by realm and node.
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

// Clashes returns the node ids that two links of a realm have.
func (r *Router) Clashes(realm string) []Clash {
	return slices.DeleteFunc(r.clashes.present(), func(c Clash) bool { return c.Realm != realm })
}

func (c *clashes) expire() {
	maps.DeleteFunc(c.list, func(_ string, old *Clash) bool { return time.Since(old.Seen) > clashExpiry })
}
