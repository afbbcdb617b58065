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
	"sync"
	"time"
)

// Cookies are those by which web clients have proved to be somebody, once, by another method. A listener makes a cookie's
// value and sends it; here is whom it stands for, until it is too old, or the principal is gone or has other secrets.
//
// The values themselves are not kept: a copy of the file lets nobody in.
type Cookies struct {
	file string // "": in memory only
	log  *slog.Logger

	lost chan struct{} // holds an element when one has been forgotten that the file still has

	mu     sync.Mutex
	known  map[[sha256.Size]byte]cookie // by the value's hash
	dirty  bool
	failed bool // the last writing
}

// cookie is what is known of one. Its fields' names are those in the file.
type cookie struct {
	Hash     []byte    `json:"hash"`
	Realm    string    `json:"realm"`
	Authid   string    `json:"authid"`
	Role     string    `json:"role"`
	Method   string    `json:"method"` // by which he has proved to be him
	Provider string    `json:"provider"`
	From     string    `json:"from"` // the address of the browser that proved it
	Seal     []byte    `json:"seal"` // of what the proof rested on
	Until    time.Time `json:"until"`
}

const (
	maxCookies  = 4096 // beyond, the oldest goes
	cookiesTime = 2 * time.Second
)

// OpenCookies reads those that are in a file, which there need not be yet. A file that can't be read is told of, and
// nobody is known: they authenticate again.
func OpenCookies(file string, log *slog.Logger) *Cookies {
	c := &Cookies{file: file, log: log, lost: make(chan struct{}, 1), known: make(map[[sha256.Size]byte]cookie)}
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

// Known reports whether a value stands for somebody in some realm.
func (c *Cookies) Known(value string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.known[sha256.Sum256([]byte(value))]
	return ok && time.Now().Before(one.Until)
}

// Proof is what a peer has proved by another method than its cookie.
type Proof struct {
	Realm    string
	Identity Identity
	Basis    []byte        // what the proof rested on
	Age      time.Duration // how long the cookie counts
	From     string        // the peer's address
}

// Remember has a value stand for the identity that its browser has proved to be. One that stood for another identity, and
// not for a browser at the same address, stands for nobody from now on: somebody who has put a cookie of its own into
// another's browser must not become the other by it.
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

// makeRoom forgets those that are too old, and the one that is next if there are too many. Holds mu.
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

// Find returns for whom a value stands in a realm. basis returns on what his proof would rest now, nil if he could not
// give it: then, and if it would be another, the cookie is forgotten.
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

// Forget has a value stand for nobody. The file is written at once.
func (c *Cookies) Forget(value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(sha256.Sum256([]byte(value)))
}

// forget forgets one, if it is known. Holds mu.
func (c *Cookies) forget(hash [sha256.Size]byte) {
	if _, ok := c.known[hash]; !ok {
		return
	}
	delete(c.known, hash)
	c.dirty = true
	select {
	case c.lost <- struct{}{}:
	default:
	}
}

// Drop forgets those of a realm who are chosen, but for one value.
func (c *Cookies) Drop(realm string, choose func(Identity) bool, but string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := sha256.Sum256([]byte(but))
	for hash, one := range c.known {
		if one.Realm == realm && hash != kept && choose(one.identity()) {
			c.forget(hash)
		}
	}
}

// Keep forgets those of a realm who are not to be kept.
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

// seal tells whether a basis is still the same, to one who has the cookie's value. Nobody else can try passwords on it.
func seal(value string, basis []byte) []byte {
	h := hmac.New(sha256.New, []byte(value))
	h.Write(basis)
	return h.Sum(nil)
}

// Run writes what changes to the file, until ctx is done.
func (c *Cookies) Run(ctx context.Context) error {
	tick := time.NewTicker(cookiesTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.save()
		case <-c.lost:
			c.save()
		case <-ctx.Done():
			c.save()
			return nil
		}
	}
}

func (c *Cookies) save() {
	list, changed := c.changed()
	if !changed || c.file == "" {
		return
	}
	slices.SortFunc(list, func(a, b cookie) int { return cmp.Or(a.Until.Compare(b.Until), slices.Compare(a.Hash, b.Hash)) })
	err := c.write(list)
	if err != nil && !c.failed {
		c.log.Error("cannot write cookies", "file", c.file, "err", err)
	}
	if c.failed = err != nil; c.failed { // and again at the next tick
		c.mu.Lock()
		c.dirty = true
		c.mu.Unlock()
	}
}

// changed returns those there are if that was not asked since they have changed.
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

// write puts a new file in the old one's place.
func (c *Cookies) write(list []cookie) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.file), 0o700); err != nil {
		return err
	}
	temporary := c.file + ".new"
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, c.file)
}

// Basis is what a proof by a principal rests on, nil if there is none who could give it: for Cookies.
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
