package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"time"

	"runnel/edge/atomicfile"
	"runnel/edge/wamp"
)

// The registry knows the state of each node: its last report, and whether its link is up. A separate file keeps the
// states. It is written at most once a minute and at the end. After a start, no link is up.

// stateFile is the file of the states in the data directory.
const stateFile = "fleet-state.json"

const (
	saveInterval = time.Minute
	mostGuests   = 4096 // nodes that have not enrolled: principals of the configuration, of all realms
	mostLinks    = 16   // links of one node
)

// key names a node.
type key struct{ realm, id string }

// record is the state of a node in the file.
type record struct {
	Realm        string    `json:"realm"`
	ID           string    `json:"id"`
	Role         string    `json:"role"`
	Address      string    `json:"address,omitempty"`
	Began        time.Time `json:"began"`
	LastSeen     time.Time `json:"last_seen"`
	OfflineSince time.Time `json:"offline_since,omitzero"`
	Report       Report    `json:"report"`
}

// entry is the state of a node with its links.
type entry struct {
	record
	online time.Time // since when it has links; zero without
	links  []*link   // open links, the newest last
}

// link is the session of a connected node.
type link struct {
	session  wamp.ID
	requests chan order
	ended    chan struct{} // closed when the session has ended
	dropped  chan struct{} // closed when the node is forgotten
}

func newLink(session wamp.ID) *link {
	return &link{session: session, requests: make(chan order, 8), ended: make(chan struct{}), dropped: make(chan struct{})}
}

// states holds the states of all nodes.
type states struct {
	file string // "": not kept

	mu sync.Mutex
	// Guarded by mu.
	all     map[key]*entry
	unsaved bool
}

// load reads the states. It ignores an unreadable file, because the nodes report again.
func (s *states) load(dir string) error {
	s.all = map[key]*entry{}
	if dir == "" {
		return nil
	}
	s.file = filepath.Join(dir, stateFile)
	info, err := os.Stat(s.file)
	if err != nil || info.Size() > largest {
		return nil
	}
	text, err := os.ReadFile(s.file)
	var list []record
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	for _, r := range list {
		if r.OfflineSince.IsZero() {
			r.OfflineSince = r.LastSeen
		}
		r.Report = r.Report.Bounded()
		s.all[key{r.Realm, r.ID}] = &entry{record: r}
	}
	return err
}

// Run keeps the states on disk until ctx is done.
func (r *Registry) Run(ctx context.Context) error {
	atomicfile.Keep(ctx, saveInterval, nil, r.save)
	return nil
}

func (r *Registry) save() {
	s := &r.states
	s.mu.Lock()
	if !s.unsaved || s.file == "" {
		s.mu.Unlock()
		return
	}
	s.unsaved = false
	list := make([]record, 0, len(s.all))
	for _, e := range s.all {
		list = append(list, e.record)
	}
	s.mu.Unlock()
	sort.Slice(list, func(i, j int) bool { return list[i].Realm+"\x00"+list[i].ID < list[j].Realm+"\x00"+list[j].ID })
	text, err := json.Marshal(list)
	if err == nil {
		err = atomicfile.Write(s.file, append(text, '\n'), 0o600)
	}
	if err != nil {
		r.log.Warn("cannot keep the states of the fleet", "file", s.file, "err", err)
		s.mu.Lock()
		s.unsaved = true
		s.mu.Unlock()
	}
}

// add records that a node attends. enrolled means that the registry has the node.
func (s *states) add(k key, role, address string, l *link, report Report, enrolled bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[k]
	if e == nil {
		if !enrolled && len(s.all) >= mostGuests || len(s.all) >= mostNodes+mostGuests {
			return &Error{Full, "the centre's list of nodes is full; remove nodes at the centre with runnel fleet forget"}
		}
		e = &entry{record: record{Realm: k.realm, ID: k.id}}
		s.all[k] = e
	}
	if len(e.links) >= mostLinks || slices.ContainsFunc(e.links, func(other *link) bool { return other.session == l.session }) {
		return &Error{Full, "too many links of this node"}
	}
	if len(e.links) == 0 {
		e.online = time.Now().UTC().Truncate(time.Millisecond)
	}
	e.links = append(e.links, l)
	e.Role, e.Address, e.OfflineSince = role, clean(address, longestText), time.Time{}
	e.note(report)
	s.unsaved = true
	return nil
}

// note stores a report. The states are locked.
func (e *entry) note(report Report) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if began := report.began(now); began.Sub(e.Began).Abs() > 2*time.Second {
		e.Began = began
	}
	e.LastSeen, e.Report = now, report
}

// report stores the report of a session, which must attend. The report of an older link does not replace that of a
// newer link of the same node.
func (s *states) report(k key, session wamp.ID, report Report) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[k]
	if e == nil || !slices.ContainsFunc(e.links, func(l *link) bool { return l.session == session }) {
		return &Error{NotAttending, "the node must call " + Attend + " first"}
	}
	if e.links[len(e.links)-1].session == session {
		e.note(report)
		s.unsaved = true
	}
	return nil
}

// remove records the end of a link. last means that the node has no other link.
func (s *states) remove(k key, l *link) (last bool) {
	close(l.ended)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[k]
	if e == nil {
		return false // forgotten
	}
	e.links = slices.DeleteFunc(e.links, func(other *link) bool { return other == l })
	if len(e.links) > 0 {
		return false
	}
	e.OfflineSince = time.Now().UTC().Truncate(time.Millisecond)
	e.LastSeen, e.online = e.OfflineSince, time.Time{}
	s.unsaved = true
	return true
}

// link returns the newest link of a node, and its record. l is nil if the node is offline, ok false if it is not known.
func (s *states) link(k key) (l *link, r record, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[k]
	if e == nil {
		return nil, r, false
	}
	if n := len(e.links); n > 0 {
		l = e.links[n-1]
	}
	return l, e.record, true
}

// named returns the node of a realm whose id has a component. If there is none, it returns the component.
func (s *states) named(realm, component string) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.all {
		if k.realm != realm || wamp.Component(k.id) != component {
			continue
		}
		if id != "" {
			return "", &Error{Invalid, fmt.Sprintf("%s stands for %s and %s: this realm has strict URIs; give one of them another id", component, min(id, k.id), max(id, k.id))}
		}
		id = k.id
	}
	return cmp.Or(id, component), nil
}

// forget removes a node's state, and ends the calls of its links. It reports whether there was a state.
func (s *states) forget(k key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.all[k]
	if known {
		for _, l := range e.links {
			close(l.dropped)
		}
	}
	delete(s.all, k)
	s.unsaved = s.unsaved || known
	return known
}

// ids lists the nodes of a realm that have a state.
func (s *states) ids(realm string) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.all {
		if k.realm == realm {
			list = append(list, k.id)
		}
	}
	slices.Sort(list)
	return list
}

// fill adds the state to a report of runnel.fleet.ls. It reports whether the node has a state.
func (s *states) fill(n *NodeReport) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[key{n.Realm, n.ID}]
	if e == nil {
		return false
	}
	n.Up, n.LastSeen, n.OfflineSince, n.Began = len(e.links) > 0, e.LastSeen, e.OfflineSince, e.Began
	n.OnlineSince, n.Role, n.Address = e.online, e.Role, e.Address
	if n.Up {
		n.LastSeen = time.Now().UTC().Truncate(time.Second) // from the link
	}
	r := e.Report
	if r.Node != n.ID {
		n.Name = r.Node
	}
	if r.Version != "" {
		n.Version = r.Version
	}
	if r.Board != "" {
		n.Board = r.Board
	}
	n.Remote, n.Lines, n.Queues, n.Queue, n.Alarms, n.Applied = r.Remote, r.Lines, r.Queues, r.queued(), r.Alarms, r.Applied
	return true
}

// Figures are the figures of a realm's fleet for metrics.
type Figures struct {
	Realm          string
	Online         int
	Offline        int
	Alarms, Queued int
	Nodes          []NodeFigures // sorted by id, at most mostFigures
}

// NodeFigures are the figures of a node for metrics.
type NodeFigures struct {
	ID             string
	Up             bool
	LastSeen       time.Time
	Alarms, Queued int
}

// mostFigures bounds the nodes with their own metrics.
const mostFigures = 1000

// Figures returns the figures of all realms that have nodes, sorted by realm. A node that has never reported counts as offline.
func (r *Registry) Figures() []Figures {
	if r == nil {
		return nil
	}
	all := map[key]NodeFigures{}
	r.mu.Lock()
	for _, n := range r.kept.Nodes {
		all[key{n.Realm, n.ID}] = NodeFigures{ID: n.ID}
	}
	r.mu.Unlock()
	r.states.mu.Lock()
	for k, e := range r.states.all {
		f := NodeFigures{k.id, len(e.links) > 0, e.LastSeen, len(e.Report.Alarms), e.Report.queued()}
		if f.Up {
			f.LastSeen = time.Now()
		}
		all[k] = f
	}
	r.states.mu.Unlock()
	var list []Figures
	for k, f := range all {
		i := slices.IndexFunc(list, func(known Figures) bool { return known.Realm == k.realm })
		if i < 0 {
			i, list = len(list), append(list, Figures{Realm: k.realm})
		}
		list[i].add(f)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Realm < list[j].Realm })
	for i := range list {
		nodes := list[i].Nodes
		sort.Slice(nodes, func(i, j int) bool { return nodes[i].ID < nodes[j].ID })
		list[i].Nodes = nodes[:min(len(nodes), mostFigures)]
	}
	return list
}

func (f *Figures) add(n NodeFigures) {
	if n.Up {
		f.Online++
	} else {
		f.Offline++
	}
	f.Alarms += n.Alarms
	f.Queued += n.Queued
	f.Nodes = append(f.Nodes, n)
}
