package auth

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
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

	"runnel/edge/atomicfile"
)

// Cookies holds the identities of browsers that authenticated before, by another method. A listener creates and sends
// each cookie. Cookies stores which identity it belongs to, until it expires, or until the principal is removed or its
// secrets change.
//
// Only hashes of the cookies are stored: a copy of the file is not enough to join.
type Cookies struct {
	file string // "": in memory only
	log  *slog.Logger

	forgotten chan struct{} // room for one: the file still has a cookie that was forgotten

	mu     sync.Mutex
	known  map[[sha256.Size]byte]cookie // by the hash of the value
	dirty  bool
	failed bool // the last save failed
}

// cookie is one entry of Cookies. The fields are named as in the file.
type cookie struct {
	Hash     []byte    `json:"hash"`
	Realm    string    `json:"realm"`
	Authid   string    `json:"authid"`
	Role     string    `json:"role"`
	Method   string    `json:"method"` // how the identity was proved
	Provider string    `json:"provider"`
	From     string    `json:"from"` // address of the browser at that time
	Seal     []byte    `json:"seal"` // see seal
	Until    time.Time `json:"until"`
}

const (
	maxCookies  = 4096 // beyond that, the one that expires first is forgotten
	cookiesTime = 2 * time.Second
)

// OpenCookies reads the cookies from a file, which need not exist. If the file cannot be read, OpenCookies logs that
// and starts with none: the browsers authenticate again.
func OpenCookies(file string, log *slog.Logger) *Cookies {
	c := &Cookies{file: file, log: log, forgotten: make(chan struct{}, 1), known: make(map[[sha256.Size]byte]cookie)}
	if file == "" {
		return c
	}
	var list []cookie
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Error("cannot read cookies", "file", file, "err", err)
	}
	for _, one := range list {
		if len(one.Hash) == sha256.Size && len(c.known) < maxCookies {
			c.known[[sha256.Size]byte(one.Hash)] = one
		}
	}
	return c
}

// Known reports whether a cookie is valid, in any realm.
func (c *Cookies) Known(value string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.known[sha256.Sum256([]byte(value))]
	return ok && time.Now().Before(one.Until)
}

// Proof is the result of an authentication by another method than a cookie.
type Proof struct {
	Realm    string
	Identity Identity
	Basis    []byte        // what the proof depended on, see Principals.Basis
	Age      time.Duration // how long the cookie is valid
	From     string        // the browser's address
}

// Remember stores that a cookie belongs to the identity that its browser has proved. If the cookie belongs to another
// identity, proved from another address, it becomes invalid instead. An attacker who plants its own cookie in a
// victim's browser must not gain the victim's identity by it.
func (c *Cookies) Remember(value string, p Proof) {
	hash, id := sha256.Sum256([]byte(value)), p.Identity
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.known[hash]; ok && old.From != p.From && (old.Realm != p.Realm || old.Authid != id.Authid || old.Role != id.Role) {
		c.forget(hash)
		return
	}
	c.makeRoom()
	c.known[hash] = cookie{
		Hash: hash[:], Realm: p.Realm, Authid: id.Authid, Role: id.Role, Method: id.Method, Provider: id.Provider, From: p.From,
		Seal: seal(value, p.Basis), Until: time.Now().Add(p.Age).UTC().Round(time.Second),
	}
	c.dirty = true
}

// makeRoom removes expired cookies and, if there are too many, the one that expires first. The caller holds mu.
func (c *Cookies) makeRoom() {
	now, next := time.Now(), cookie{}
	for hash, one := range c.known {
		if now.After(one.Until) {
			delete(c.known, hash)
		} else if next.Hash == nil || one.Until.Before(next.Until) {
			next = one
		}
	}
	if len(c.known) >= maxCookies {
		delete(c.known, [sha256.Size]byte(next.Hash))
	}
}

// Find returns the identity that a cookie belongs to in a realm. basis returns the data on which a proof of the identity
// depends now; nil if the identity can no longer be proved. If the data is nil or has changed, Find forgets the cookie.
func (c *Cookies) Find(value, realm string, basis func(Identity) []byte) (id Identity, ok bool) {
	hash := sha256.Sum256([]byte(value))
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.known[hash]
	if !ok || one.Realm != realm {
		return id, false
	}
	id = one.identity()
	now := basis(id)
	if now == nil || !hmac.Equal(one.Seal, seal(value, now)) || time.Now().After(one.Until) {
		delete(c.known, hash)
		c.dirty = true
		return id, false
	}
	return id, true
}

// Forget makes a cookie invalid. The file is written at once.
func (c *Cookies) Forget(value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(sha256.Sum256([]byte(value)))
}

// forget removes a cookie, if it is stored. The caller holds mu.
func (c *Cookies) forget(hash [sha256.Size]byte) {
	if _, ok := c.known[hash]; !ok {
		return
	}
	delete(c.known, hash)
	c.dirty = true
	select {
	case c.forgotten <- struct{}{}:
	default:
	}
}

// Drop forgets the cookies of a realm whose identities choose selects, except one.
func (c *Cookies) Drop(realm string, choose func(Identity) bool, except string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := sha256.Sum256([]byte(except))
	for hash, one := range c.known {
		if one.Realm == realm && hash != kept && choose(one.identity()) {
			c.forget(hash)
		}
	}
}

// Keep forgets the cookies of a realm whose identities keep does not select.
func (c *Cookies) Keep(realm string, keep func(Identity) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for hash, one := range c.known {
		if one.Realm == realm && !keep(one.identity()) {
			delete(c.known, hash)
			c.dirty = true
		}
	}
}

func (c *cookie) identity() Identity {
	return Identity{Authid: c.Authid, Role: c.Role, Method: c.Method, Provider: c.Provider}
}

// seal returns a MAC of a basis, with the cookie as the key. Without the cookie it cannot be used to try passwords.
func seal(value string, basis []byte) []byte {
	h := hmac.New(sha256.New, []byte(value))
	h.Write(basis)
	return h.Sum(nil)
}

// Run saves changes to the file until ctx is done.
func (c *Cookies) Run(ctx context.Context) error {
	atomicfile.Keep(ctx, cookiesTime, c.forgotten, c.save)
	return nil
}

func (c *Cookies) save() {
	list, changed := c.changed()
	if !changed || c.file == "" {
		return
	}
	sort.Slice(list, func(i, j int) bool {
		return cmp.Or(list[i].Until.Compare(list[j].Until), slices.Compare(list[i].Hash, list[j].Hash)) < 0
	})
	err := c.write(list)
	if err != nil && !c.failed {
		c.log.Error("cannot write cookies", "file", c.file, "err", err)
	}
	if c.failed = err != nil; c.failed { // tried again at the next tick
		c.mu.Lock()
		c.dirty = true
		c.mu.Unlock()
	}
}

// changed returns all cookies if they have changed since the last call.
func (c *Cookies) changed() (list []cookie, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dirty {
		return nil, false
	}
	for _, one := range c.known {
		list = append(list, one)
	}
	c.dirty = false
	return list, true
}

// write replaces the file.
func (c *Cookies) write(list []cookie) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.file), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(c.file, text, 0o600)
}

// Basis returns the data on which a principal's proof of the identity depends; nil if no principal can prove it. It
// is for Cookies.
func (p *Principals) Basis(id Identity) []byte {
	who := p.authids[id.Authid]
	if who == nil || who.Role != id.Role || who.methods&parseMethod(id.Method)&byChallenge == 0 {
		return nil
	}
	b := fmt.Appendf(nil, "%q %q %x %x", who.Authid, who.Role, who.ticket, who.Keys)
	if c := who.CRA; c != nil {
		b = fmt.Appendf(b, " cra %q %q %d %d", string(c.Secret), c.Salt, c.Iterations, c.KeyLen)
	}
	if s := who.SCRAM; s != nil {
		b = fmt.Appendf(b, " scram %q %x %d %d %x %x", s.KDF, s.Salt, s.Iterations, s.Memory, s.StoredKey, s.ServerKey)
	}
	return b
}
