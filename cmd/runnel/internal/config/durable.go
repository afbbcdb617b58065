package config

import (
	"time"

	"runnel/edge"
	"runnel/edge/durable"
	"runnel/edge/wamp"
)

// Durable declares a durable subscription: events that are kept on disk until a consumer has acknowledged them.
type Durable struct {
	Place     Place
	Name      string   `toml:"name"`
	Authid    string   `toml:"authid"` // of the sessions that may consume; "": all sessions that may subscribe
	URI       string   `toml:"uri"`
	Match     Match    `toml:"match"`
	MaxSize   Size     `toml:"max_size"`
	MaxEvents int      `toml:"max_events"`
	MaxAge    Duration `toml:"max_age"`
	Window    int      `toml:"window"`   // events sent to one session and not acknowledged
	AckWait   Duration `toml:"ack_wait"` // until an event that is not acknowledged is sent again
}

func (k checker) durables(r *Realm) {
	names := map[string]Place{}
	for _, d := range r.Durables {
		if err := durable.CheckName(d.Name); err != nil {
			k.Add(d.Place, "name", "%v", err)
		}
		k.URI(d.Place, "uri", d.URI, wamp.Match(d.Match))
		k.Once(names, d.Place, "name", "durable subscription", d.Name)
		if d.Window > durable.MaxWindow {
			k.Add(d.Place, "window", "%d is out of range; write 1 to %d", d.Window, durable.MaxWindow)
		}
		if wait := time.Duration(d.AckWait); wait != 0 && !durable.AckWaitInRange(wait) {
			k.Add(d.Place, "ack_wait", "%v is out of range; write 100ms to 24h", wait)
		}
	}
}

// durableData reports durable subscriptions without a directory.
func (k checker) durableData(dir string) {
	for _, r := range k.c.Realms {
		for _, d := range r.Durables {
			if dir == "" {
				k.Add(d.Place, "name", "a durable subscription needs a data directory; write [node] data = \"/var/lib/runnel\"")
			}
		}
	}
	for _, w := range k.c.Webhooks {
		if dir == "" {
			k.Add(w.Place, "name", "a webhook needs a data directory for its events; write [node] data = \"/var/lib/runnel\"")
		}
	}
}

func durables(r Realm) (list []edge.DurableRule) {
	for _, d := range r.Durables {
		list = append(list, edge.DurableRule{
			Owner: d.Authid, Name: d.Name, URI: d.URI, Match: wamp.Match(d.Match), MaxSize: int64(d.MaxSize), MaxEvents: d.MaxEvents,
			MaxAge: time.Duration(d.MaxAge), Window: d.Window, AckWait: time.Duration(d.AckWait),
		})
	}
	return list
}
