package origin

import (
	"net"
	"net/netip"
	"os"
	"strings"
)

// isMachine reports whether a name in lower case can belong to this machine only: one of its addresses, localhost, its host
// name or its .local name. local is the local address of the connection; it may be nil.
func isMachine(name string, local net.Addr) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		return isOwnAddress(ip, local)
	}
	return name == "localhost" || isHostName(name)
}

// isHostName reports whether a name is the machine's host name. It reads the host name each time, because it may change.
func isHostName(name string) bool {
	own, _ := os.Hostname() // "" if the machine has none
	own = strings.TrimSuffix(strings.ToLower(own), ".")
	short, _, _ := strings.Cut(own, ".")
	return own != "" && (name == own || name == short || name == short+".local")
}

// isOwnAddress reports whether an address belongs to this machine. It compares the connection's local address first. It
// lists the addresses of all interfaces only if that fails, for example behind a local proxy.
func isOwnAddress(ip netip.Addr, local net.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	if at, ok := local.(*net.TCPAddr); ok && sameAddress(ip, at.IP) {
		return true
	}
	list, _ := net.InterfaceAddrs() // nil if it fails
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
