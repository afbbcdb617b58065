package nats

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
)

// A call with a resource key goes to one node among those of all routers. Each link announces the nodes of its sharded
// registrations to the others:
//
//	_RUNNEL.calls    Runnel-Type: nodes, Runnel-Link: 7ABC    [["com.example.store", "exact", "n1", "n2"]]
//
// It does so when the nodes change, at intervals, and when a link asks. Every link asks when it connects. All links
// therefore choose the same node (wamp.Weigh), and send the call to the subject of its link:
//
//	_RUNNEL.link.7ABC.com.example.store    Runnel-Type: call, Runnel-Key: sn4711    0.5
//
// The link reports the nodes of the others to the local router (reaches), so that a local callee does not get their
// calls. If a link gets a call with a key at the procedure's own subject, it passes the call on to the right link.

const (
	maxPeers     = 1024    // other links with known nodes
	maxAnnounced = 1 << 20 // bytes of their announcements
)

// announceEvery is the time between two announcements without a change. A link that misses three announcements of
// another forgets its nodes. Tests shorten it.
var announceEvery = 30 * time.Second

// shards are the sharded registrations of this link and of the others. The zero value has none.
type shards struct {
	mu sync.Mutex
	// Guarded by mu.
	own   map[wamp.Pattern][]string // nodes of the local realm, by patterns of the cluster
	text  []byte                    // own, as announced to the others; nil: not announced yet
	peers map[string]*peer          // by the names of their links
	size  int                       // bytes of the peers' announcements
	known map[wamp.Pattern]bool     // patterns of peers; nil: not made yet
	rules uplink.RuleSet[[]place]   // valid while known is not nil
}

// peer is another link with sharded registrations.
type peer struct {
	router string // orders links with nodes of the same name
	text   []byte
	shards []payload.Shard
	heard  time.Time
}

// place is the location of a node.
type place struct{ node, router, link string } // link "": in the local realm

// learn records the announcement of another link. It reports whether the nodes have changed.
func (h *shards) learn(link, router string, text []byte) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.peers[link]
	if p != nil && p.router == router && bytes.Equal(p.text, text) {
		p.heard = time.Now()
		return false
	}
	list, ok := payload.DecodeNodes(text)
	if !ok {
		return false
	}
	news = h.forget(link)
	if len(list) == 0 || len(h.peers) >= maxPeers || h.size+len(text) > maxAnnounced {
		return news
	}
	if h.peers == nil {
		h.peers = make(map[string]*peer)
	}
	h.peers[link] = &peer{router, bytes.Clone(text), list, time.Now()}
	h.size += len(text)
	return true
}

// drop forgets the nodes of a link. It reports whether there were any.
func (h *shards) drop(link string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.forget(link)
}

// forget implements drop. The caller holds mu.
func (h *shards) forget(link string) bool {
	h.known = nil
	p := h.peers[link]
	if p == nil {
		return false
	}
	h.size -= len(p.text)
	delete(h.peers, link)
	return true
}

// expire forgets the links that have announced nothing for a time; 0: all links. It reports whether there were any.
func (h *shards) expire(after time.Duration) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for link, p := range h.peers {
		if time.Since(p.heard) >= after {
			changed = h.forget(link)
		}
	}
	return changed
}

// shares reports whether another link has announced nodes of a pattern.
func (h *shards) shares(p wamp.Pattern, here string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.build(here)
	return h.known[p]
}

// set records the nodes of the local realm. news means that they must be announced to the others. left is the number of
// registrations that do not fit into the announcement.
func (h *shards) set(own map[wamp.Pattern][]string) (news bool, left int) {
	list := make([]payload.Shard, 0, len(own))
	for p, nodes := range own {
		slices.Sort(nodes)
		list = append(list, payload.Shard{Pattern: p, Nodes: slices.Compact(nodes)})
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i].Pattern, list[j].Pattern
		return cmp.Or(cmp.Compare(a.URI, b.URI), cmp.Compare(a.Match, b.Match)) < 0
	})
	text, fit := payload.EncodeNodes(list)
	h.mu.Lock()
	defer h.mu.Unlock()
	if bytes.Equal(text, h.text) || h.text == nil && len(own) == 0 {
		return false, len(list) - fit
	}
	h.text, h.own, h.known = text, make(map[wamp.Pattern][]string, fit), nil
	for _, s := range list[:fit] {
		h.own[s.Pattern] = s.Nodes
	}
	return true, len(list) - fit
}

// build makes known and rules. The caller holds mu.
func (h *shards) build(here string) {
	if h.known != nil {
		return
	}
	h.known = make(map[wamp.Pattern]bool)
	places := make(map[wamp.Pattern][]place)
	add := func(p wamp.Pattern, nodes []string, router, link string) {
		for _, n := range nodes {
			places[p] = append(places[p], place{n, router, link})
		}
	}
	for link, p := range h.peers {
		for _, s := range p.shards {
			h.known[s.Pattern] = true
			add(s.Pattern, s.Nodes, p.router, link)
		}
	}
	for p, nodes := range h.own {
		add(p, nodes, here, "")
	}
	h.rules = uplink.RuleSet[[]place]{}
	for p, list := range places {
		h.rules.Add(p, list)
	}
}

// choose returns the target of a call by its resource key. ok is false if no node is known for the procedure.
func (h *shards) choose(uri, key, here string) (best place, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.build(here)
	list, _ := h.rules.Best(uri)
	var weight uint64
	for _, p := range list {
		if w := wamp.Weigh(p.node, key); !ok || w > weight || w == weight && p.before(best) {
			best, weight, ok = p, w, true
		}
	}
	return best, ok
}

// before reports whether p precedes q; both have the same node.
func (p place) before(q place) bool {
	return cmp.Or(strings.Compare(p.router, q.router), strings.Compare(p.link, q.link)) < 0
}

// beyond returns the nodes at other routers, by patterns of the cluster that overlap a pattern of this link. It omits a
// node that is also here if the other links choose this router for it.
func (h *shards) beyond(here string) map[wamp.Pattern][]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := make(map[wamp.Pattern][]string)
	for _, peer := range h.peers {
		for _, s := range peer.shards {
			for p := range h.own {
				if !p.Overlaps(s.Pattern) {
					continue
				}
				for _, node := range s.Nodes {
					if here > peer.router || !slices.Contains(h.own[s.Pattern], node) {
						found[s.Pattern] = append(found[s.Pattern], node)
					}
				}
				break
			}
		}
	}
	for _, nodes := range found {
		slices.Sort(nodes)
	}
	return found
}

// router names the local realm among those of the cluster.
func (l *Link) router() string { return routerOf(l.place()) }

func routerOf(h client.Hop) string { return h.Node + " " + h.Tag }

// learnNodes handles a message in which another link announces its nodes.
func (s *session) learnNodes(m *conn.Msg) {
	l, name := s.link, string(m.Header.Get(payload.LinkField))
	hops, ok := payload.ParseHops(string(m.Header.Get(payload.HopsField)))
	if !ok || len(hops) != 1 || visited(hops, l.place()) || !isLink(name) {
		return // the message is invalid, or it comes from a link of this router
	}
	if l.calls.shards.learn(name, routerOf(hops[0]), m.Data) {
		signal(l.calls.dirty)
	}
}

// announce sends the nodes of the local realm to all links, or to one that has asked.
func (s *session) announce(to string) {
	h := &s.link.calls.shards
	h.mu.Lock()
	text := h.text
	h.mu.Unlock()
	if text != nil {
		s.conn.Publish(conn.Out{Subject: to, Header: s.link.signed(payload.Nodes), Data: text})
	}
}

// askNodes asks the other links for their nodes.
func (s *session) askNodes() {
	if s.nodes != nil {
		s.conn.Publish(conn.Out{Subject: callsSubject, Reply: s.nodes.Subject, Header: s.link.signed(payload.Ask)})
	}
}

// signed returns the header of a message about callees.
func (l *Link) signed(kind string) conn.Header {
	return conn.Header(nil).Add(payload.TypeField, kind).Add(payload.LinkField, l.calls.name).
		Add(payload.HopsField, payload.Hops([]client.Hop{l.place()}))
}

// isLink reports whether a text is the name of a link: one token of a subject.
func isLink(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') })
}
