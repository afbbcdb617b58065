package config

import (
	"cmp"
	"time"

	"runnel/uplink/spool"
)

// A broker that rejects an event closes the connection, so rejected events are retried less often than at a router.
const (
	brokerRetryFirst = 30 * time.Second
	brokerRetryLast  = 10 * time.Minute
)

// SpoolOptions returns the options of the uplink's spool, without its directory.
func (u Uplink) SpoolOptions() spool.Options {
	o := spool.Options{
		MaxOctets: int64(u.MaxSize), MaxAge: time.Duration(u.MaxAge), MinFree: int64(u.MinFree),
		SpillAfter: time.Duration(u.SpillAfter), Sync: time.Duration(u.Sync),
	}
	if u.IsMQTT() {
		o.RetryFirst, o.RetryLast, o.RetryOne = brokerRetryFirst, brokerRetryLast, true
	}
	if u.Place.Has("min_free") {
		o.MinFree = cmp.Or(o.MinFree, -1)
	}
	if u.Drop == spool.Newest.String() {
		o.Drop = spool.Newest
	}
	return o
}

// Stores reports whether the uplink stores exported events on disk. place means that there is a data directory.
func (u Uplink) Stores(place bool) bool {
	for _, s := range u.Exports {
		if s.Topic != nil && s.Class(place) != spool.Memory {
			return true
		}
	}
	return false
}

// defaultKept is how long a centre keeps the events of a durable import.
const defaultKept = 24 * time.Hour

// KeptFor returns the longest age of the events of a durable import; 0: no limit.
func (s Share) KeptFor() time.Duration {
	if s.Place.Has("max_age") {
		return time.Duration(s.MaxAge)
	}
	return defaultKept
}

// Class returns the storage class of exported events. The default is disk if there is a data directory (place).
func (s Share) Class(place bool) spool.Class {
	if s.Store == "" && place {
		return spool.Disk
	}
	class, _ := spool.ParseClass(s.Store)
	return class
}
