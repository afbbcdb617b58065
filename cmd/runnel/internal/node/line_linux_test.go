package node

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/transport/rawsocket"
	"runnel/transport/serial/pty"
)

// A device that writes lines publishes, one that speaks WAMP joins, and both leave with their lines.
func TestLines(t *testing.T) {
	n := site(t, "x")
	plug := func(name string) *pty.Device {
		d, err := pty.Plug(filepath.Join(n.dir, name))
		kit.Must(t, err)
		t.Cleanup(func() { d.Close() })
		return d
	}
	sensor, peer := plug("one"), plug("two")
	line := func(name, keys string) string {
		return "[[serial]]\nname = \"" + name + "\"\ndevice = \"" + n.dir + "/" + name + "\"\nrealm = \"realm1\"\nrole = \"guest\"\n" + keys
	}
	one, two := line("one", "mode = \"lines\"\nformat = \"json\"\ntopic = \"com.one\"\n"), line("two", "framing = \"none\"\n")
	n.start(one + two)
	c, err := join(t, n.socket("a"), client.Options{Realm: "realm1"})
	kit.Must(t, err)
	events := make(chan *client.Event, 1000)
	_, err = c.Subscribe(t.Context(), "com.one", client.SubscribeOptions{}, func(e *client.Event) {
		select {
		case events <- e:
		default:
		}
	})
	kit.Must(t, err)
	readings := func(what string) {
		t.Helper()
		for len(events) > 0 {
			<-events
		}
		kit.Eventually(t, what, func() bool { sensor.Write([]byte("{\"t\":1}\n")); return len(events) > 0 }) // lost until the port is open
	}
	readings("an event of line one")
	kit.Eventually(t, "the port of line two is open", func() bool { s := n.Serial()[1]; return s.Name == "two" && s.Opens == 1 })

	dial := func(context.Context) (client.Conn, error) { return rawsocket.Client(peer, rawsocket.Options{}) }
	device, err := client.Connect(t.Context(), client.Options{Dial: dial, Realm: "realm1", Reconnect: client.Reconnect{Disabled: true}})
	kit.Must(t, err)
	if w, _ := device.Welcome(); w.Authrole() != "guest" {
		t.Errorf("the device of line two has joined as %+v", w)
	}
	near, far := net.Pipe()
	far.Close()
	if err := n.serveLine(n.lines[1], near); err == nil {
		t.Error("a device that leaves before its handshake is no error")
	}
	if got := n.become(one + "baud = 19200\n"); !slices.Equal(got, []string{"serial line two ended", "serial line one started again"}) {
		t.Errorf("changes: %q", got)
	}
	kit.Receive(t, "the end of the device's session", device.Done())
	if s := n.Serial(); len(s) != 1 || s[0].Name != "one" || s[0].Lines == nil {
		t.Errorf("lines: %+v", s)
	}
	readings("an event of the new line one")
}
