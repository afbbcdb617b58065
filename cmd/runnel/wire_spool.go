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

// openSpool opens the spool of an uplink, with what is left in it. Another process can't have it open at the same time, and
// neither can another link. It is on disk also where all events are of class memory, for these classes may change, and for
// what an earlier configuration has left there.
func (n *node) openSpool(c *Config, u Uplink) (*spool.Spool, error) {
	o := u.spool()
	o.Log = n.log.With("uplink", u.Name)
	o.Dir = spoolDir(c, u.Name)
	for _, s := range u.Exports {
		if o.Dir == "" && s.Topic != nil && s.class(false) != spool.Memory {
			return nil, fmt.Errorf("uplink %s: store = %q: there is no place for it; write [node] data = \"/var/lib/runnel\"", u.Name, s.Store)
		}
	}
	made, err := spool.Open(o)
	if err != nil && !u.stores(o.Dir != "") {
		n.log.Debug("the queue is in memory only", "uplink", u.Name, "err", err)
		o.Dir = ""
		made, err = spool.Open(o)
	}
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", u.Name, err)
	}
	return made, nil
}

// A broker that rejects an event closes the connection, so held events are tried again less often.
const (
	brokerRetryFirst = 30 * time.Second
	brokerRetryLast  = 10 * time.Minute
)

// spool is the spool's options, but for where it is.
func (u Uplink) spool() spool.Options {
	o := spool.Options{
		MaxOctets: int64(u.MaxSize), MaxAge: time.Duration(u.MaxAge), MinFree: int64(u.MinFree),
		SpillAfter: time.Duration(u.SpillAfter), Sync: time.Duration(u.Sync),
	}
	if u.mqtt() {
		o.RetryFirst, o.RetryLast, o.RetryOne = brokerRetryFirst, brokerRetryLast, true
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
