package mdns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/mdns/v2"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"runnel/test/kit"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// responder answers for a name on the machine's network, with an independent library.
func responder(t *testing.T, on string, address net.IP, only6 bool) (name string) {
	t.Helper()
	ifi, err := net.InterfaceByName(on)
	if err != nil {
		t.Skip(err)
	}
	group4, _ := net.ResolveUDPAddr("udp4", mdns.DefaultAddressIPv4)
	group6, _ := net.ResolveUDPAddr("udp6", mdns.DefaultAddressIPv6)
	four, err := net.ListenMulticastUDP("udp4", ifi, group4)
	if err != nil {
		t.Skipf("multicast on %s: %v", on, err)
	}
	six, err := net.ListenMulticastUDP("udp6", ifi, group6)
	if err != nil {
		four.Close()
		t.Skipf("multicast on %s: %v", on, err)
	}
	name = fmt.Sprintf("Runnel-%d.local", rand.Uint32())
	pc4 := ipv4.NewPacketConn(four)
	if only6 {
		four.Close()
		pc4 = nil
	}
	c, err := mdns.NewServer(pc4, ipv6.NewPacketConn(six), mdns.WithLocalNames(name), mdns.WithLocalAddress(address),
		mdns.WithIncludeLoopback(true), mdns.WithInterfaces(*ifi))
	if err != nil {
		four.Close()
		six.Close()
		t.Skipf("responder on %s: %v", on, err)
	}
	t.Cleanup(func() { c.Close() })
	return name
}

// multicast is the name of an interface that is up and can multicast.
func multicast(t *testing.T) string {
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if addrs, _ := i.Addrs(); i.Flags&net.FlagUp != 0 && i.Flags&net.FlagMulticast != 0 && i.Flags&net.FlagLoopback == 0 && len(addrs) > 0 {
			return i.Name
		}
	}
	t.Skip("no interface is up that can multicast")
	return ""
}

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		on      string
		address net.IP // in the responder's answer; nil: its own
		only6   bool   // it is reachable by IPv6 only
	}{
		{"lo", net.IPv4(127, 0, 0, 1), false}, {multicast(t), net.ParseIP("192.0.2.77"), false},
		{multicast(t), net.ParseIP("fd00::77"), false}, {multicast(t), net.ParseIP("fd00::78"), true}, {multicast(t), nil, false},
	} {
		t.Run(fmt.Sprint(c.on, " ", c.address), func(t *testing.T) {
			name := responder(t, c.on, c.address, c.only6)
			found, err := Lookup(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if want, ok := netip.AddrFromSlice(c.address); ok && found[0] != want.Unmap() {
				t.Errorf("%s is at %v, not %v", name, found, c.address)
			}
		})
	}
}

// A responder that answers to the multicast group only.
func TestAnswerToTheGroup(t *testing.T) {
	ifi, err := net.InterfaceByName(multicast(t))
	if err != nil {
		t.Fatal(err)
	}
	group := &net.UDPAddr{IP: group4, Port: port}
	conn, err := net.ListenMulticastUDP("udp4", ifi, group)
	if err != nil {
		t.Skip(err)
	}
	p := ipv4.NewPacketConn(conn)
	if p.SetMulticastInterface(ifi) != nil || p.SetMulticastLoopback(true) != nil {
		t.Skip("the interface does not send to itself")
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	name := fmt.Sprintf("runnel-%d.local.", rand.Uint32())
	answer := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET | cacheFlush, TTL: 120},
		Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 9}},
	}}}
	packed, err := answer.Pack()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		b := make([]byte, maxMessage)
		for {
			n, _, err := conn.ReadFromUDP(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) == nil && len(m.Questions) == 1 && m.Questions[0].Name.String() == name {
				conn.WriteToUDP(packed, group)
			}
		}
	}()
	found, err := Lookup(t.Context(), name)
	if err != nil || fmt.Sprint(found) != "[192.0.2.9]" {
		t.Errorf("%v, %v", found, err)
	}
}

// A query for a missing name takes a bounded time, or the caller's.
func TestLookupInVain(t *testing.T) {
	if _, err := Lookup(t.Context(), "nobody-is-called-so.local"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Lookup(ctx, "nobody-is-called-so.local"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := Lookup(t.Context(), string(make([]byte, 300))+".local"); err == nil {
		t.Error("a name that is no name")
	}
}

func TestIsLocal(t *testing.T) {
	long := strings.Repeat("a", maxName-len(".local")) + ".local"
	for host, want := range map[string]bool{
		long: true, long + ".": true, "a" + long: false,
		"pi.local": true, "PI.Local.": true, "a.b.local": true,
		"local": false, ".local": false, "pi.local.example": false, "notlocal": false, "127.0.0.1": false, "": false, "[fe80::1]": false,
	} {
		if IsLocal(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}

// An answer must not direct the router to itself, or to all machines. A link-local address is valid on its interface only.
func TestDialable(t *testing.T) {
	for _, c := range []struct {
		address string
		local   bool // the answer comes from the loopback interface
		want    string
	}{
		{"192.0.2.1", false, "192.0.2.1"}, {"fd00::1", false, "fd00::1"}, {"169.254.1.1", false, "169.254.1.1"}, {"fe80::1", false, "fe80::1%eth0"},
		{"0.0.0.0", false, "invalid IP"}, {"::", true, "invalid IP"}, {"224.0.0.251", false, "invalid IP"}, {"ff02::fb", true, "invalid IP"},
		{"127.0.0.1", false, "invalid IP"}, {"::1", false, "invalid IP"}, {"127.0.0.1", true, "127.0.0.1"}, {"::1", true, "::1"},
	} {
		s := &socket{zone: "eth0", local: c.local}
		if got := s.dialable(netip.MustParseAddr(c.address)).String(); got != c.want {
			t.Errorf("%s, local: %v: %s, want %s", c.address, c.local, got, c.want)
		}
	}
}

func TestOrder(t *testing.T) {
	var list []netip.Addr
	for _, a := range []string{"fe80::1%eth0", "169.254.1.1", "fd00::1", "192.168.1.2", "10.0.0.1"} {
		list = append(list, netip.MustParseAddr(a))
	}
	if got := fmt.Sprint(order(list)); got != "[192.168.1.2 10.0.0.1 fd00::1 169.254.1.1 fe80::1%eth0]" {
		t.Error(got)
	}
}

// Lookup accepts only an answer to its own question.
func TestAnswers(t *testing.T) {
	q, err := newQuestion("pi.local", 7)
	if err != nil {
		t.Fatal(err)
	}
	message := func(id uint16, response bool, name string, class dnsmessage.Class, ttl uint32) []byte {
		m := dnsmessage.Message{
			Header: dnsmessage.Header{ID: id, Response: response},
			Answers: []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: class, TTL: ttl},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}},
			}},
		}
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	for _, c := range []struct {
		what    string
		message []byte
		counts  bool
	}{
		{"an answer", message(7, true, "PI.local.", dnsmessage.ClassINET|cacheFlush, 10), true},
		{"to another question", message(8, true, "pi.local.", dnsmessage.ClassINET, 10), false},
		{"a question", message(7, false, "pi.local.", dnsmessage.ClassINET, 10), false},
		{"about another name", message(7, true, "other.local.", dnsmessage.ClassINET, 10), false},
		{"of another class", message(7, true, "pi.local.", dnsmessage.ClassCHAOS, 10), false},
		{"that is over", message(7, true, "pi.local.", dnsmessage.ClassINET, 0), false},
		{"a torn one", message(7, true, "pi.local.", dnsmessage.ClassINET, 10)[:30], false},
		{"nothing", nil, false},
	} {
		n := 0
		q.addresses(c.message, func(netip.Addr) { n++ })
		if (n == 1) != c.counts {
			t.Errorf("%s: %d addresses", c.what, n)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	q, _ := newQuestion("pi.local", 7)
	f.Add(q.messages[0])
	f.Fuzz(func(t *testing.T, message []byte) {
		n := 0
		q.addresses(message, func(a netip.Addr) {
			if n++; !a.IsValid() || n > maxAddresses {
				t.Errorf("%v, %d", a, n)
			}
		})
	})
}

// Lookup finds the addresses of both families in an answer, among other records, up to its limit.
func TestRecords(t *testing.T) {
	q, err := newQuestion("pi.local.", 7)
	if err != nil {
		t.Fatal(err)
	}
	head := func(name string) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 1}
	}
	four := func(n byte) dnsmessage.Resource {
		return dnsmessage.Resource{Header: head("pi.local."), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, n}}}
	}
	six := dnsmessage.Resource{Header: head("pi.local."), Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("fd00::1").As16()}}
	mapped := dnsmessage.Resource{Header: head("pi.local."), Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("::ffff:192.0.2.9").As16()}}
	text := dnsmessage.Resource{Header: head("pi.local."), Body: &dnsmessage.TXTResource{TXT: []string{"a"}}}
	other := dnsmessage.Resource{Header: head("else.local."), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 8}}}
	alien := dnsmessage.Resource{Header: head("else.local."), Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("fd00::2").As16()}}
	var many []dnsmessage.Resource
	for n := range maxAddresses + 1 {
		many = append(many, four(byte(n)))
	}
	own := []dnsmessage.Question{{Name: q.name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
	for _, c := range []struct {
		what    string
		message dnsmessage.Message
		cut     int // from the end
		want    string
	}{
		{"both families", dnsmessage.Message{Answers: []dnsmessage.Resource{four(1), six}}, 0, "[192.0.2.1 fd00::1]"},
		{"others between", dnsmessage.Message{Answers: []dnsmessage.Resource{text, other, four(1), alien, six, text}}, 0, "[192.0.2.1 fd00::1]"},
		{"with the question", dnsmessage.Message{Questions: own, Answers: []dnsmessage.Resource{four(1)}}, 0, "[192.0.2.1]"},
		{"an IPv4 address as IPv6", dnsmessage.Message{Answers: []dnsmessage.Resource{mapped}}, 0, "[192.0.2.9]"},
		{"an answer to the group", dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Answers: []dnsmessage.Resource{four(1)}}, 0, "[192.0.2.1]"},
		{"an error", dnsmessage.Message{Header: dnsmessage.Header{RCode: dnsmessage.RCodeNameError}, Answers: []dnsmessage.Resource{four(1)}}, 0, "[]"},
		{"the second address is cut", dnsmessage.Message{Answers: []dnsmessage.Resource{four(1), four(2)}}, 1, "[192.0.2.1]"},
		{"the second one of IPv6", dnsmessage.Message{Answers: []dnsmessage.Resource{six, six}}, 1, "[fd00::1]"},
		{"another record is cut", dnsmessage.Message{Answers: []dnsmessage.Resource{six, text}}, 1, "[fd00::1]"},
		{"only in additional records", dnsmessage.Message{Additionals: []dnsmessage.Resource{four(1)}}, 0, "[]"},
		{"many", dnsmessage.Message{Answers: many}, 0, fmt.Sprint(addressesOf(many[:maxAddresses]))},
	} {
		c.message.Response = true
		packed, err := c.message.Pack()
		if err != nil {
			t.Fatal(err)
		}
		got := []netip.Addr{}
		q.addresses(packed[:len(packed)-c.cut], func(a netip.Addr) { got = append(got, a) })
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", c.what, got, c.want)
		}
	}
}

func addressesOf(list []dnsmessage.Resource) (all []netip.Addr) {
	for _, r := range list {
		all = append(all, netip.AddrFrom4(r.Body.(*dnsmessage.AResource).A))
	}
	return all
}

// A question asks for one type in each message, with its id on a port of its own and without on the shared port.
func TestQuestions(t *testing.T) {
	q, err := newQuestion("pi.local", 0x1234)
	if err != nil {
		t.Fatal(err)
	}
	for id, list := range map[uint16][][]byte{0x1234: q.messages, 0: q.shared} {
		var kinds []dnsmessage.Type
		for _, b := range list {
			var m dnsmessage.Message
			if err := m.Unpack(b); err != nil || m.ID != id || m.Response || len(m.Questions) != 1 || m.Questions[0].Name.String() != "pi.local." {
				t.Errorf("id %x: %+v, %v", id, m, err)
				continue
			}
			kinds = append(kinds, m.Questions[0].Type)
		}
		if fmt.Sprint(kinds) != "[TypeA TypeAAAA]" {
			t.Errorf("id %x asks for %v", id, kinds)
		}
	}
	for _, host := range []string{"", "a..local", strings.Repeat("a", 64) + ".local", strings.Repeat("a.", 130) + "local"} {
		if q, err := newQuestion(host, 1); err == nil && host != "" {
			t.Errorf("%.20q: %v", host, q.name)
		}
	}
}

// Only a packet from the responders' port is an answer, and only an address that can be dialled is passed on.
func TestRead(t *testing.T) {
	q, err := newQuestion("pi.local", 7)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(last byte) []byte {
		m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, Response: true}}
		for _, a := range [][4]byte{{}, {192, 0, 2, last}} {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.name, Class: dnsmessage.ClassINET, TTL: 1}, Body: &dnsmessage.AResource{A: a}})
		}
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	listen := func(ip byte, port int) *net.UDPConn {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, ip), Port: port})
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	own, responder, stranger := listen(1, 0), listen(77, port), listen(1, 0)
	found, ended := make(chan netip.Addr, 5), make(chan struct{})
	go func() { defer close(ended); (&socket{conn: own}).read(q, found) }()
	stranger.WriteTo(answer(1), own.LocalAddr())
	responder.WriteTo(answer(2), own.LocalAddr())
	if a := kit.Receive(t, "an address", found); a.String() != "192.0.2.2" {
		t.Errorf("found %v", a)
	}
	own.Close()
	<-ended
}
