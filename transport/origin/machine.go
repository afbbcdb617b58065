package origin

import (
	"net"
	"net/netip"
	"os"
	"strings"
)

// isMachine reports whether a name, in lower case, can only be this machine's own: an address of it, localhost, or its
// host name, also as multicast DNS has it. local is the connection's own address; it may be nil.
func isMachine(name string, local net.Addr) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		return isOwnAddress(ip, local)
	}
	return name == "localhost" || isHostName(name)
}

// isHostName compares with the host's name of now: systems change it while they run.
func isHostName(name string) bool {
	own, err := os.Hostname()
	if err != nil || own == "" {
		return false
	}
	own = strings.TrimSuffix(strings.ToLower(own), ".")
	short, _, _ := strings.Cut(own, ".")
	return name == own || name == short || name == short+".local"
}

// isOwnAddress asks the system for the interfaces' addresses only where the connection's own does not do: behind a proxy of
// the machine.
func isOwnAddress(ip netip.Addr, local net.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	if at, ok := local.(*net.TCPAddr); ok && sameAddress(ip, at.IP) {
		return true
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, one := range list {
		if network, ok := one.(*net.IPNet); ok && sameAddress(ip, network.IP) {
			return true
		}
	}
	return false
}

func sameAddress(a netip.Addr, b net.IP) bool {
	other, ok := netip.AddrFromSlice(b)
	return ok && a.WithZone("") == other.Unmap()
}
