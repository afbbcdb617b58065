// Package fleet keeps a centre's registry of the nodes that link to it, and enrols nodes.
//
//	registry.go     the nodes and tokens, on disk and as principals
//	token.go        tokens, of which only a verifier is stored
//	enrol.go        a token and a public key -> a node
//	procedures.go   runnel.token.* and runnel.fleet.*, for operators and for nodes that enrol
//	join.go         the node's side
//	report.go       what a node reports of itself
//	state.go        the state of each node
//	desk.go         takes the reports, publishes the states, and passes commands on to the nodes
//
// An operator creates a token. A node joins with it once, by wamp-scram, which proves that the node holds the token and sends
// nothing that could be replayed. Its session may call runnel.fleet.enrol only, with the node's public key. From then on the
// node authenticates with its key. The registry holds no secret: a copy of its file gives no access.
package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/atomicfile"
	"runnel/edge/auth"
)

// Node is an enrolled router.
type Node struct {
	ID       string    `json:"id"`
	Realm    string    `json:"realm"`
	Role     string    `json:"role"`
	Key      string    `json:"key,omitempty"` // public key in OpenSSH format; "": a principal of the configuration
	Board    string    `json:"board,omitempty"`
	Version  string    `json:"version,omitempty"`
	Token    string    `json:"token,omitempty"` // the id of the token that it used
	Enrolled time.Time `json:"enrolled,omitzero"`
}

// Bounds of a registry.
const (
	mostNodes  = 65536
	mostTokens = 256
	largest    = 64 << 20 // bytes of the file
)

// Registry holds the nodes and tokens of all realms. Its methods may be called from any goroutine.
type Registry struct {
	file    string
	trouble string // why the registry cannot be used; "" if it can
	log     *slog.Logger
	states  states // has its own lock

	mu sync.Mutex
	// Guarded by mu.
	kept  kept
	desks map[string]*Desk // by realm
}

// kept is the content of the file.
type kept struct {
	Version int     `json:"version"`
	Nodes   []Node  `json:"nodes"`
	Tokens  []Token `json:"tokens"`
}

// fileName is the registry's file in the data directory.
const fileName = "fleet.json"

// Open reads the registry in a data directory; "" stands for none. If the file cannot be read, the router still runs,
// but no node of the registry can join. Nothing is written then, because that would replace the fleet.
func Open(dir string, log *slog.Logger) *Registry {
	r := &Registry{log: log, kept: kept{Version: 1}, desks: map[string]*Desk{}}
	if err := r.states.load(dir); err != nil {
		log.Warn("cannot read the states of the fleet; the nodes report again", "file", r.states.file, "err", err)
	}
	if dir == "" {
		r.trouble = `the centre has no data directory for the fleet; write [node] data = "/var/lib/runnel" into its configuration and restart it`
		return r
	}
	r.file = filepath.Join(dir, fileName)
	if err := r.read(); err != nil {
		r.kept = kept{Version: 1}
		r.trouble = fmt.Sprintf("the centre cannot read its fleet %s: %v; restore the file from a backup, or move it away to start with an empty fleet, and restart the router", r.file, err)
		log.Error("cannot read the fleet's file; its nodes cannot join", "file", r.file, "err", err)
	}
	return r
}

func (r *Registry) read() error {
	info, err := os.Stat(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() > largest {
		return fmt.Errorf("longer than %d bytes", largest)
	}
	text, err := os.ReadFile(r.file)
	if err == nil {
		err = json.Unmarshal(text, &r.kept)
	}
	if err == nil && r.kept.Version != 1 {
		err = fmt.Errorf("version %d is not known", r.kept.Version)
	}
	return err
}

// change applies do to a copy of the registry and writes it. If do or the write fails, the registry stays as it was.
func (r *Registry) change(do func(*kept) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trouble != "" {
		return &Error{NoData, r.trouble}
	}
	next := kept{1, slices.Clone(r.kept.Nodes), slices.Clone(r.kept.Tokens)}
	if err := do(&next); err != nil {
		return err
	}
	if err := write(r.file, next); err != nil {
		r.log.Error("cannot write the fleet's file", "file", r.file, "err", err)
		return &Error{NoData, "the centre cannot write its fleet: " + err.Error()}
	}
	r.kept = next
	return nil
}

func write(file string, k kept) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return atomicfile.Write(file, append(text, '\n'), 0o600)
}

// Principals returns the principals that the registry adds to a realm: nodes, which authenticate with their keys, and tokens.
// It leaves out nodes whose role the realm no longer has.
func (r *Registry) Principals(realm config.Realm) (list []auth.Principal) {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	missing := 0
	for _, n := range r.kept.Nodes {
		if n.Realm != realm.Name {
			continue
		}
		if !slices.ContainsFunc(realm.Roles, func(role config.Role) bool { return role.Name == n.Role }) {
			missing++
			continue
		}
		if key, err := auth.ParseKey(n.Key); err == nil { // check parsed it at the enrolment
			list = append(list, auth.Principal{Authid: n.ID, Role: n.Role, Provider: "fleet", Keys: []ed25519Key{key}})
		}
	}
	if missing > 0 {
		r.log.Warn("nodes cannot join: their role is missing in the realm", "realm", realm.Name, "total", missing)
	}
	for _, t := range r.kept.Tokens {
		if t.Realm == realm.Name {
			list = append(list, t.principal())
		}
	}
	return list
}

// Nodes returns a realm's nodes, sorted by id.
func (r *Registry) Nodes(realm string) []Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.DeleteFunc(append([]Node{}, r.kept.Nodes...), func(n Node) bool { return n.Realm != realm })
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}

// watch sets the desk of a realm.
func (r *Registry) watch(d *Desk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.desks[d.realm] = d
}

// unwatch removes a desk, unless another one has taken over its realm.
func (r *Registry) unwatch(d *Desk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.desks[d.realm] == d {
		delete(r.desks, d.realm)
	}
}

// enrolled reports whether a node has enrolled.
func (r *Registry) enrolled(k key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.node(k.realm, k.id) >= 0
}

func noSuchNode(realm, id string) error {
	return &Error{NoSuchNode, fmt.Sprintf("there is no node %q in realm %s; runnel fleet ls lists them", bounded(id), realm)}
}

// Forget removes a node and its state. It can no longer join with its key. A node that is a principal of the
// configuration is listed again at its next link, and after some minutes if its link stays up.
func (r *Registry) Forget(realm, id string) error {
	k := key{realm, id}
	if !r.enrolled(k) && r.states.forget(k) {
		r.forgotten(k)
		return nil
	}
	err := r.change(func(k *kept) error {
		i := k.node(realm, id)
		if i < 0 {
			return noSuchNode(realm, id)
		}
		k.Nodes = slices.Delete(k.Nodes, i, i+1)
		return nil
	})
	if err == nil {
		r.states.forget(k)
		r.forgotten(k)
	}
	return err
}

// forgotten clears the retained state of a node.
func (r *Registry) forgotten(k key) {
	r.log.Info("node forgotten", "realm", k.realm, "node", k.id)
	r.mu.Lock()
	d := r.desks[k.realm]
	r.mu.Unlock()
	if d != nil {
		d.note(k.id)
	}
}

func (k *kept) node(realm, id string) int {
	return slices.IndexFunc(k.Nodes, func(n Node) bool { return n.Realm == realm && n.ID == id })
}

func (k *kept) token(realm, id string) int {
	return slices.IndexFunc(k.Tokens, func(t Token) bool { return t.Realm == realm && t.ID == id })
}
