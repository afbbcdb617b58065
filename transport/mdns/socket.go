package mdns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
)

// port is the port on which responders listen and from which they answer.
const port = 5353

var (
	group4 = net.IPv4(224, 0, 0, 251)
	group6 = net.ParseIP("ff02::fb")
)

const (
	maxInterfaces = 16
	maxMessage    = 9000 // bytes (RFC 6762, 17)
)

// socket sends questions on one interface in one address family.
type socket struct {
	conn  *net.UDPConn
	group *net.UDPAddr
	port  bool   // it shares port 5353
	zone  string // the interface, for link-local addresses
	local bool   // it is the loopback interface
}

// openSockets opens the sockets of all interfaces that are up.
func openSockets() (list []*socket, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for i := range interfaces {
		if on := &interfaces[i]; on.Flags&net.FlagUp != 0 && on.Flags&(net.FlagMulticast|net.FlagLoopback) != 0 && i < maxInterfaces {
			made, failed := open(on)
			list, err = append(list, made...), errors.Join(err, failed)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no network interface to ask on: %w", errors.Join(errors.New("none is up"), err))
	}
	return list, nil
}

// open opens a socket for each address family that the interface has.
func open(on *net.Interface) (list []*socket, err error) {
	addresses, err := on.Addrs()
	if err != nil {
		return nil, err
	}
	var has4, has6 bool
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok {
			has4, has6 = has4 || n.IP.To4() != nil, has6 || n.IP.To4() == nil
		}
	}
	if has4 {
		s, failed := open4(on)
		list, err = appendOpened(list, s, err, failed)
		list = appendShared(list, "udp4", on, group4)
	}
	if has6 {
		s, failed := open6(on)
		list, err = appendOpened(list, s, err, failed)
		list = appendShared(list, "udp6", on, group6)
	}
	return list, err
}

// appendShared adds a socket at port 5353, unless another process uses the port exclusively.
func appendShared(list []*socket, network string, on *net.Interface, group net.IP) []*socket {
	conn, err := net.ListenMulticastUDP(network, on, &net.UDPAddr{IP: group, Port: port})
	if err != nil {
		return list
	}
	to := &net.UDPAddr{IP: group, Port: port}
	if network == "udp6" {
		to.Zone = on.Name
	} else if ipv4.NewPacketConn(conn).SetMulticastInterface(on) != nil {
		conn.Close()
		return list
	}
	return append(list, &socket{conn: conn, group: to, port: true, zone: on.Name, local: isLoopback(on)})
}

func appendOpened(list []*socket, s *socket, err, failed error) ([]*socket, error) {
	if failed != nil {
		return list, errors.Join(err, failed)
	}
	return append(list, s), err
}

func open4(on *net.Interface) (*socket, error) {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return nil, err
	}
	if err := ipv4.NewPacketConn(conn).SetMulticastInterface(on); err != nil {
		conn.Close()
		return nil, err
	}
	return &socket{conn: conn, group: &net.UDPAddr{IP: group4, Port: port}, zone: on.Name, local: isLoopback(on)}, nil
}

func isLoopback(on *net.Interface) bool { return on.Flags&net.FlagLoopback != 0 }

// open6 opens an IPv6 socket. The zone selects the interface.
func open6(on *net.Interface) (*socket, error) {
	conn, err := net.ListenUDP("udp6", nil)
	if err != nil {
		return nil, err
	}
	return &socket{conn: conn, group: &net.UDPAddr{IP: group6, Port: port, Zone: on.Name}, zone: on.Name, local: isLoopback(on)}, nil
}

// send sends a question. It ignores errors: an interface that cannot send now gets no answer.
func (s *socket) send(q *question) {
	messages := q.messages
	if s.port {
		messages = q.shared
	}
	for _, m := range messages {
		s.conn.WriteToUDP(m, s.group)
	}
}

// read passes on the answers until the socket is closed.
func (s *socket) read(q *question, found chan<- netip.Addr) {
	buffer := make([]byte, maxMessage)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if from.Port() != port {
			continue // an answer comes from the port of responders (RFC 6762, 6)
		}
		q.addresses(buffer[:n], func(a netip.Addr) {
			if a = s.dialable(a); !a.IsValid() {
				return
			}
			select {
			case found <- a:
			default: // enough addresses are buffered
			}
		})
	}
}

// dialable returns an answered address, with the zone that a link-local one needs. It returns the zero Addr if the address cannot
// be that of another machine.
func (s *socket) dialable(a netip.Addr) netip.Addr {
	if a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() && !s.local {
		return netip.Addr{}
	}
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(s.zone)
	}
	return a
}
