package node

import (
	"context"
	"slices"

	"runnel/boards"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/member"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge/client"
)

// newFiles returns the part that applies files of the centres.
func (n *Node) newFiles() *member.Files {
	o := member.FilesOptions{Main: n.opts.File, Uplink: n.hasUplink, Last: n.opts.Restored, Log: n.log}
	o.Check = func(drafts config.Drafts) error {
		_, err := config.LoadDraft(n.opts.File, drafts, CheckUplink)
		return err
	}
	if n.opts.Load != nil {
		o.Reload = n.Reload
	}
	return member.NewFiles(o)
}

func (n *Node) hasUplink(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.config.Uplinks, func(u config.Uplink) bool { return u.Name == name })
}

// attend returns the part of an uplink that reports to the centre.
func (n *Node) attend(u config.Uplink) func(context.Context, *client.Client) {
	if n.files == nil {
		return nil // the uplink is only checked
	}
	m := &member.Member{Options: member.Options{
		Uplink: u.Name, Realm: u.Realm, Remote: u.Remote, Board: boards.Detect().String(), Host: host{n}, Files: n.files, Log: n.log.With("uplink", u.Name),
	}}
	return m.Attend
}

// host gives the centres access to the node.
type host struct{ *Node }

func (h host) Status() report.Status { return h.status() }

func (h host) Call(ctx context.Context, realm, procedure string, p client.Payload) (*client.Result, error) {
	c, err := client.Connect(ctx, client.Options{Dial: h.internal(config.LinkRole, realm), Realm: realm, Reconnect: client.Reconnect{Disabled: true}, Brief: true, Log: h.log})
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	return c.Call(ctx, procedure, client.CallOptions{}, p)
}

// desk serves the nodes that link to a realm.
type desk struct {
	*fleet.Desk
	*joining
	realm string
	work  *work
}

func (n *Node) newDesk(realm string) *desk {
	d := &desk{realm: realm, joining: newJoining()}
	d.Desk = fleet.NewDesk(n.fleet, realm, func() bool { return fleetRouter{n}.Strict(realm) }, client.New(client.Options{
		Dial: n.internal(config.FleetRole, realm), Realm: realm, Log: n.log, OnUp: d.up, OnFailed: d.failed, Invocations: 1 << 17,
	}), n.log)
	return d
}

// fleetReports converts the figures of the fleet for the status.
func fleetReports(figures []fleet.Figures) (list []report.Fleet) {
	for _, f := range figures {
		r := report.Fleet{Realm: f.Realm, Online: f.Online, Offline: f.Offline, Alarms: f.Alarms, Queued: f.Queued}
		for _, n := range f.Nodes {
			r.Nodes = append(r.Nodes, report.FleetNode(n))
		}
		list = append(list, r)
	}
	return list
}
