package origin

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// A name belongs to the machine if it is its host name, with or without the domain, or its name on the local network.
func TestMachineNames(t *testing.T) {
	own, err := os.Hostname()
	if err != nil || own == "" {
		t.Skip("the machine has no name")
	}
	own = strings.TrimSuffix(strings.ToLower(own), ".")
	short, _, _ := strings.Cut(own, ".")
	for name, want := range map[string]bool{
		"localhost": true, own: true, short: true, short + ".local": true, short + ".example": false, short + "x": false, "x" + own: false, "": false,
		"127.0.0.1": true, "127.8.8.8": true, "::1": true,
	} {
		if got := isMachine(name, nil); got != want {
			t.Errorf("%q is this machine: %v", name, got)
		}
	}
}

// An address belongs to the machine if the connection ends there, or if an interface has it.
func TestMachineAddresses(t *testing.T) {
	foreign := netip.MustParseAddr("192.0.2.7") // documentation only (RFC 5737)
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip)} }
	for _, c := range []struct {
		local net.Addr
		want  bool
	}{
		{nil, false}, {at("192.0.2.8"), false}, {at("192.0.2.7"), true}, {&net.UnixAddr{Name: "/run/a.sock"}, false},
	} {
		if got := isOwnAddress(foreign, c.local); got != c.want {
			t.Errorf("%v at %v: %v", foreign, c.local, got)
		}
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		if network, ok := one.(*net.IPNet); ok {
			ip, _ := netip.AddrFromSlice(network.IP)
			if !isOwnAddress(ip.Unmap(), nil) {
				t.Errorf("%v is no address of this machine", ip)
			}
		}
	}
}

// A pattern has a port from 1 to 65535, or a star.
func TestPorts(t *testing.T) {
	for text, want := range map[string]bool{
		"1": true, "80": true, "65535": true, "*": true, "80*": true, "0": false, "65536": false, "-1": false, "080": false, "x": false, "x*": false, "": false,
	} {
		if err := checkPort(text); (err == nil) != want {
			t.Errorf("port %q: %v", text, err)
		}
	}
}
