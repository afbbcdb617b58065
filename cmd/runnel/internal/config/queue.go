package config

import (
	"cmp"
	"time"

	"runnel/uplink/spool"
)

// A broker that rejects an event closes the connection, so held events are tried again less often.
const (
	brokerRetryFirst = 30 * time.Second
	brokerRetryLast  = 10 * time.Minute
)

// SpoolOptions is the spool's options, but for where it is.
func (u Uplink) SpoolOptions() spool.Options {
	o := spool.Options{
		MaxOctets: int64(u.MaxSize), MaxAge: time.Duration(u.MaxAge), MinFree: int64(u.MinFree),
		SpillAfter: time.Duration(u.SpillAfter), Sync: time.Duration(u.Sync),
	}
	if u.IsMQTT() {
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

// Stores reports whether an uplink has something for its spool to write.
func (u Uplink) Stores(place bool) bool {
	for _, s := range u.Exports {
		if s.Topic != nil && s.Class(place) != spool.Memory {
			return true
		}
	}
	return false
}

// Class is what events are to survive; by default what they can, where there is a place for what is kept.
func (s Share) Class(place bool) spool.Class {
	if s.Store == "" && place {
		return spool.Disk
	}
	class, _ := spool.ParseClass(s.Store)
	return class
}
