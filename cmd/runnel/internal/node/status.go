package node

import (
	"time"

	"runnel/cmd/runnel/internal/report"
	"runnel/edge"
	"runnel/transport/guest/device"
	"runnel/transport/serial"
)

// Node is the source of its reports.
var _ report.Source = (*Node)(nil)

// Status reports on the whole node.
func (n *Node) Status() report.Status {
	s := n.status()
	s.Fleet = fleetReports(n.fleet.Figures())
	return s
}

// status is Status without the fleet.
func (n *Node) status() report.Status {
	n.mu.Lock()
	id := n.config.NodeID()
	n.mu.Unlock()
	return report.Status{
		Version: n.opts.Version, Node: id, Began: n.began, Uptime: time.Since(n.began).Seconds(),
		Faults: n.Faults(), Router: n.router.Status(), Memory: n.memory.Status(),
		Listeners: n.Listeners(), Serial: n.Serial(), Uplinks: n.Uplinks(), Webhooks: n.Webhooks(),
	}
}

// Listeners reports on the listeners, in the order of the configuration.
func (n *Node) Listeners() []report.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []report.Listener{}
	for _, l := range n.listeners {
		list = append(list, report.NewListener(l.Listener, l.pair, l.guests))
	}
	return list
}

// Serial reports on the serial lines.
func (n *Node) Serial() []report.Serial {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []report.Serial{}
	for _, l := range n.lines {
		var guest *device.State
		if l.guest != nil {
			state := l.guest.State()
			guest = &state
		}
		list = append(list, report.NewSerial(l.config, l.State(), guest))
	}
	return list
}

// Line returns a serial line of a realm, or nil.
func (n *Node) Line(realm, name string) *serial.Line {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.lines {
		if l.config.Name == name && l.config.Realm == realm {
			return l.Line
		}
	}
	return nil
}

// Uplinks reports on the uplinks.
func (n *Node) Uplinks() []report.Uplink {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []report.Uplink{}
	for _, l := range n.uplinks {
		list = append(list, report.NewUplink(l.config.Realm, l.State(), l.queue(), l.traffic, l.pair))
	}
	return list
}

// Clashes returns the node ids that two routers linked to a realm share.
func (n *Node) Clashes(realm string) []edge.Clash { return n.router.Clashes(realm) }

// Spools returns the queues of a realm's uplinks.
func (n *Node) Spools(realm string) (list []report.Spool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.uplinks {
		if l.config.Realm == realm {
			list = append(list, l.queue())
		}
	}
	return list
}

func (l *link) queue() report.Spool { return report.Spool{Uplink: l.config.Name, Spool: l.spool} }
