package main

import (
	"fmt"

	"runnel/cmd/runnel/internal/config"
	"runnel/uplink/spool"
)

// openSpool opens the spool of an uplink, with what is left in it. Another process can't have it open at the same time, and
// neither can another link. It is on disk also where all events are of class memory, for these classes may change, and for
// what an earlier configuration has left there.
func (n *node) openSpool(c *config.Config, u config.Uplink) (*spool.Spool, error) {
	o := u.SpoolOptions()
	o.Log = n.log.With("uplink", u.Name)
	o.Dir = config.SpoolDir(c, u.Name)
	for _, s := range u.Exports {
		if o.Dir == "" && s.Topic != nil && s.Class(false) != spool.Memory {
			return nil, fmt.Errorf("uplink %s: store = %q: there is no place for it; write [node] data = \"/var/lib/runnel\"", u.Name, s.Store)
		}
	}
	made, err := spool.Open(o)
	if err != nil && !u.Stores(o.Dir != "") {
		n.log.Debug("the queue is in memory only", "uplink", u.Name, "err", err)
		o.Dir = ""
		made, err = spool.Open(o)
	}
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", u.Name, err)
	}
	return made, nil
}
