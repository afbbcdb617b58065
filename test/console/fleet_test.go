package console

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"runnel/test/kit"
)

const nodeRole = `[[realm]]
name = "realm1"

  [[realm.role]]
  name = "node"
  forward = true

    [[realm.role.permission]]
    uri = "com.example."
    match = "prefix"
    allow = ["publish"]
`

// The fleet of a centre: the reports of the nodes, the status of a node that allows it, and a dead node.
func TestFleet(t *testing.T) {
	s, nodes := &scene{T: t, dir: kit.ShortDir(t)}, &scene{T: t, dir: kit.ShortDir(t)}
	kit.Must(t, os.Mkdir(filepath.Join(s.dir, "conf.d"), 0o700))
	text := nodeRole
	for _, id := range []string{"gw-001", "gw-002"} {
		text += fmt.Sprintf("\n  [[realm.principal]]\n  authid = %q\n  role = \"node\"\n  ticket = \"the ticket of %s\"\n", id, id)
	}
	kit.Write(t, s.dir, "conf.d/nodes.toml", text)
	centre := s.router("centre", "operator", "")
	link := func(id, more string) string {
		return fmt.Sprintf("\n[[uplink]]\nname = \"central\"\nurl = [\"tcp://%s\"]\nauthid = %q\nticket = \"the ticket of %s\"\n%s[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\n", s.address(centre), id, id, more)
	}
	nodes.router("gw-001", "operator", link("gw-001", "remote = true\n"))
	second := nodes.router("gw-002", "operator", link("gw-002", ""))
	_, err := centre.Logs(`"node is online" realm=realm1 node=gw-001`)
	kit.Must(t, err)
	_, err = centre.Logs(`"node is online" realm=realm1 node=gw-002`)
	kit.Must(t, err)

	p := open(t, "http://"+s.address(centre)+"/")
	p.sees("Fleet")
	p.view("fleet")
	p.sees("gw-001", "gw-002", "online", "Queue", "Alarms", "Board")
	p.check()
	p.shoot("fleet")
	p.press("gw-001")
	p.sees("Router started", "Status of the node", "healthy", "central: 0 events queued")
	p.press("Check this node")
	p.sees("installation checked")
	p.keepsRules()
	p.shoot("fleet-node")
	p.press("Close")
	p.holds("the node is closed", `!document.querySelector('dialog')`)
	p.press("gw-002")
	p.sees("This node does not answer through its link", "remote = true")
	p.press("Close")

	second.Signal(syscall.SIGKILL)
	p.sees("offline for")
	p.holds("one node is offline", `[...document.querySelectorAll('tbody tr')].filter((tr) => tr.textContent.includes('offline')).length === 1`)
	p.clean()
}
