package durable

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"runnel/edge/wamp"
)

// Errors about names.
var (
	ErrNone     = errors.New("there is no durable subscription of this name; a role with durable = true creates it by subscribing, or [[realm.durable]] declares it")
	errRemoved  = errors.New("the durable subscription was removed already")
	errDeclared = errors.New("the configuration declares this durable subscription; remove its [[realm.durable]] table first")
)

const maxName = 100

// CheckName returns an error if a name cannot be used.
func CheckName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("the name of a durable subscription must have 1 to %d characters", maxName)
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return fmt.Errorf("the name %q of a durable subscription may contain letters, digits, '-', '_' and '.' only", name)
		}
	}
	return nil
}

// Find returns the subscription to which a name refers for an owner: its own, or else one that is open to all owners.
// It returns nil if there is none.
func (s *Store) Find(owner, name string) *Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.get(owner, name); d != nil && !d.opening {
		return d
	}
	if d := s.get("", name); d != nil && !d.opening {
		return d
	}
	return nil
}

// Named returns the subscription with a name, regardless of its owner. With byOwner it returns the subscription of
// this owner, as State names it.
func (s *Store) Named(name, owner string, byOwner bool) (*Subscription, error) {
	var found *Subscription
	var owners []string
	for _, d := range s.All() {
		if d.Name == name && (!byOwner || ownerText(d.Owner) == owner) {
			found = d
			owners = append(owners, strconv.Quote(ownerText(d.Owner)))
		}
	}
	switch len(owners) {
	case 0:
		return nil, fmt.Errorf("the realm has no durable subscription %q", name)
	case 1:
		return found, nil
	}
	return nil, fmt.Errorf("several identities have a durable subscription %q; choose the owner: %s", name, strings.Join(owners, ", "))
}

// rolePrefix begins the owner of sessions without an identity; no authid begins like this.
const rolePrefix = "\x00"

// RoleOwner returns the owner that stands for the anonymous sessions of a role. Their authids differ after each reconnect.
func RoleOwner(role string) string { return rolePrefix + role }

// ownerText returns the owner as operators know it.
func ownerText(owner string) string {
	if role, ok := strings.CutPrefix(owner, rolePrefix); ok {
		return "anonymous (" + role + ")"
	}
	return owner
}

// All returns the subscriptions, by name and owner.
func (s *Store) All() []*Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.subs)
}

// SetID sets the id by which sessions know the subscription. It is called once, before a consumer is attached.
func (d *Subscription) SetID(id wamp.ID) { d.id = id }

// Create creates a subscription, and returns once it is on disk. It calls opened before events are counted for the
// subscription: from then on, the caller must Put the events that match. If the subscription exists, Create returns
// it unchanged, with created false.
func (s *Store) Create(r Rule, start Start, opened func(*Subscription)) (d *Subscription, created bool, err error) {
	failed := s.do(func() {
		s.mu.Lock()
		if d = s.get(r.Owner, r.Name); d == nil {
			err = s.room(r.Owner)
		}
		s.mu.Unlock()
		if d != nil || err != nil {
			return
		}
		d, created, err = s.create(r, start, opened)
	})
	return d, created, errors.Join(err, failed)
}

func (s *Store) create(r Rule, start Start, opened func(*Subscription)) (*Subscription, bool, error) {
	floor, err := s.floor(start)
	if err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	d := s.add(r, time.Now().Truncate(time.Second))
	d.floor, d.read, d.opening = floor, floor, true
	s.mu.Unlock()
	d.rewind(floor)
	if err = s.saveCursors(); err == nil {
		if err = s.cursors.Sync(); err != nil {
			s.rewrite = true
		}
	}
	if err != nil {
		s.forget(d)
		return nil, false, fmt.Errorf("create durable subscription %q: %w", r.Name, err)
	}
	opened(d)
	s.mu.Lock()
	d.opening = false
	s.mu.Unlock()
	return d, true, nil
}

// room returns an error if an owner cannot have another subscription. The caller holds mu.
func (s *Store) room(owner string) error {
	owned := 0
	for _, d := range s.subs {
		if d.Owner == owner && !d.declared {
			owned++
		}
	}
	if len(s.subs) >= maxSubs || owned >= maxOwned {
		return fmt.Errorf("there are too many durable subscriptions (at most %d of one identity, %d of a realm); remove one with runnel durable drop", maxOwned, maxSubs)
	}
	return nil
}

// rewind sets the floor to a position, and counts the backlog. It runs in the goroutine of Run.
func (d *Subscription) rewind(floor uint64) error {
	s := d.store
	s.mu.Lock()
	from, fresh := s.locate(floor), Subscription{Rule: d.Rule, floor: floor}
	s.mu.Unlock()
	err := s.scan(from, new(unpacker), func(h *head, _, _ place) bool {
		fresh.count(h)
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range d.flight {
		e.done = true
		e.release()
	}
	d.flight, d.byID, d.gap = nil, nil, nil
	d.uncharge()
	d.epoch.Store(uint64(wamp.NewID()))
	d.version++
	d.events, d.octets, d.oldest, d.exact = fresh.events, fresh.octets, fresh.oldest, true
	d.unsyncedEvents, d.unsyncedOctets = 0, 0
	d.setFloor(floor, from)
	d.setRead(floor, from)
	wake(d.wake)
	return err
}

// Bound replaces the limit on the age of the backlog's events, unless the configuration declares the subscription.
func (d *Subscription) Bound(a Age) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if a.Given && !d.declared && d.MaxAge != a.Limit {
		d.MaxAge = a.Limit
		d.changed()
	}
}

// Own returns the subscriptions that sessions of an owner have created, and whose names begin with prefix.
func (s *Store) Own(owner, prefix string) (list []*Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.subs {
		if d.Owner == owner && !d.declared && strings.HasPrefix(d.Name, prefix) {
			list = append(list, d)
		}
	}
	return list
}

// Reset moves the start of the subscription.
func (d *Subscription) Reset(start Start) (err error) {
	failed := d.store.do(func() {
		var floor uint64
		if floor, err = d.store.floor(start); err == nil {
			err = d.rewind(floor)
		}
	})
	return errors.Join(err, failed)
}

// Remove removes the subscription with its backlog. The caller detaches its consumers.
func (d *Subscription) Remove() (err error) {
	failed := d.store.do(func() {
		d.store.mu.Lock()
		declared, removed := d.declared, d.removed
		d.store.mu.Unlock()
		switch {
		case declared:
			err = errDeclared
			return
		case removed:
			err = errRemoved
			return
		}
		d.store.forget(d)
		err = d.store.saveCursors()
		d.store.maintain()
	})
	return errors.Join(err, failed)
}

// forget removes a subscription. It runs in the goroutine of Run.
func (s *Store) forget(d *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(d)
	s.forgotten = append(s.forgotten, key{d.Owner, d.Name})
	d.removed = true
	d.flight, d.byID = nil, nil
	d.version++
	d.uncharge()
	wake(d.wake)
}

// Declare replaces the rules of the configuration. A subscription that is no longer declared stays until it is removed. A rule
// whose subscription exists with another topic is an error.
func (s *Store) Declare(rules []Rule, opened func(*Subscription)) (err error) {
	bounds := false // one has changed
	for _, r := range rules {
		d, _, failed := s.Create(r, Start{}, opened)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		if d.URI != r.URI || d.Match != r.Match {
			err = errors.Join(err, d.Mismatch())
			continue
		}
		s.mu.Lock()
		r = r.withDefaults()
		bounds = bounds || d.MaxSize != r.MaxSize || d.MaxEvents != r.MaxEvents || d.MaxAge != r.MaxAge
		d.MaxSize, d.MaxEvents, d.MaxAge, d.Window, d.AckWait = r.MaxSize, r.MaxEvents, r.MaxAge, r.Window, r.AckWait
		d.declared = true
		d.changed()
		s.mu.Unlock()
	}
	if bounds {
		err = errors.Join(err, s.do(s.maintain))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.subs {
		if d.declared && !slices.ContainsFunc(rules, func(r Rule) bool { return r.Owner == d.Owner && r.Name == d.Name }) {
			d.declared = false
			d.changed()
			s.Log.Warn("durable subscription is no longer declared; it stays until it is dropped", "subscription", d.Name)
		}
	}
	return err
}

// Mismatch is the error for a subscription that exists with another topic.
func (d *Subscription) Mismatch() error {
	return fmt.Errorf("the durable subscription %q is for %v %q; use another name, or remove it with runnel durable drop", d.Name, d.Match, d.URI)
}

// Last returns the highest position that an event has, or may have had in an earlier run.
func (s *Store) Last() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next - 1
}

// Octets returns the size of the log in bytes.
func (s *Store) Octets() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.octets()
}
