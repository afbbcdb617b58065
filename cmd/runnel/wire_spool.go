package main

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"runnel/uplink/spool"
)

// An opener opens the spool of an uplink. Another process can't have it open at the same time, and neither can another
// link: what only looks whether a link can be made opens one in memory.
type opener func(Uplink) (*spool.Spool, error)

// openSpool opens the spool of an uplink, with what is left in it.
func (n *node) openSpool(u Uplink) (*spool.Spool, error) {
	o := u.spool()
	o.Log = n.log.With("uplink", u.Name)
	o.Dir = spoolDir(n.config, u.Name)
	if !u.stores(o.Dir != "") {
		o.Dir = "" // nothing will ever be written
	}
	for _, s := range u.Exports {
		if o.Dir == "" && s.Topic != nil && s.class(false) != spool.Memory {
			return nil, fmt.Errorf("store = %q: there is no place for it; write [node] data = \"/var/lib/runnel\"", s.Store)
		}
	}
	return spool.Open(o)
}

// noSpool opens one in memory.
func noSpool(Uplink) (*spool.Spool, error) { return spool.Open(spool.Options{}) }

// spool is the spool's options, but for where it is.
func (u Uplink) spool() spool.Options {
	o := spool.Options{
		MaxOctets: int64(u.MaxSize), MaxAge: time.Duration(u.MaxAge), MinFree: int64(u.MinFree),
		SpillAfter: time.Duration(u.SpillAfter), Sync: time.Duration(u.Sync),
	}
	if u.Place.has("min_free") {
		o.MinFree = cmp.Or(o.MinFree, -1)
	}
	if u.Drop == spool.Newest.String() {
		o.Drop = spool.Newest
	}
	return o
}

// stores reports whether an uplink has something for its spool to write.
func (u Uplink) stores(place bool) bool {
	for _, s := range u.Exports {
		if s.Topic != nil && s.class(place) != spool.Memory {
			return true
		}
	}
	return false
}

// class is what events are to survive; by default what they can, where there is a place for what is kept.
func (s Share) class(place bool) spool.Class {
	if s.Store == "" && place {
		return spool.Disk
	}
	class, _ := spool.ParseClass(s.Store)
	return class
}

// spoolDir is where an uplink's events wait; "" is nowhere.
func spoolDir(c *Config, uplink string) string {
	data := dataDir(c)
	if data == "" {
		return ""
	}
	name := url.PathEscape(uplink)
	if strings.HasPrefix(name, ".") {
		name = "%2E" + name[1:]
	}
	return filepath.Join(data, "uplink", name)
}
