package federation

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/pion/mdns/v2"
	"golang.org/x/net/ipv4"
)

// announce makes a name below .local resolve to this machine, with a real mDNS responder.
func announce(t *testing.T) (name string) {
	t.Helper()
	loopback, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	group, err := net.ResolveUDPAddr("udp4", mdns.DefaultAddressIPv4)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenMulticastUDP("udp4", loopback, group)
	if err != nil {
		t.Skip(err)
	}
	name = fmt.Sprintf("runnel-%d.local", rand.Uint32())
	c, err := mdns.NewServer(ipv4.NewPacketConn(socket), nil, mdns.WithLocalNames(name), mdns.WithLocalAddress(net.IPv4(127, 0, 0, 1)),
		mdns.WithIncludeLoopback(true), mdns.WithInterfaces(*loopback))
	if err != nil {
		socket.Close()
		t.Skip(err)
	}
	t.Cleanup(func() { c.Close() })
	return name
}

// An uplink and the command line find a centre by its name below .local, as every Raspberry Pi has one.
func TestNamesOfTheLocalNetwork(t *testing.T) {
	name := announce(t)
	centre := start(t, "centre", "")
	url := strings.Replace(centre.url, "127.0.0.1", name, 1)
	edge := start(t, "edge", strings.Replace(linkTo("up", centre, durable), centre.url, url, 1))
	here := edge.join()
	edge.up(here, "up")
	if l := edge.link(here, "up"); l.URL != url {
		t.Errorf("the link goes by %s", l.URL)
	}
	out, err := binary.Command("call", "--url", url, "--realm", "realm1", "wamp.session.count").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	out, err = binary.Command("call", "--url", "tcp://nobody-is-called-so.local:8080", "--realm", "realm1", "wamp.session.count").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no host on the local network answers") {
		t.Errorf("%v: %s", err, out)
	}
}
