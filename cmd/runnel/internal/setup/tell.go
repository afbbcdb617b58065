package setup

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
)

// printNextSteps prints the next steps.
func (i *Init) printNextSteps(public, pin string) {
	switch i.Kind {
	case Gateway:
		if i.Enrol == nil {
			fmt.Fprintf(i.Out, "\nThe centre does not know this node yet. At the centre, write this into conf.d/%s.toml, then run \"runnel reload\":\n\n", i.ID)
			fmt.Fprintf(i.Out, "[[realm]]\nname = %s\n\n  [[realm.principal]]\n  authid = %s\n  role = \"gateway\"\n  authorized_keys = [%s]\n", quoted(orElse(i.Remote, i.Realm)), quoted(i.ID), quoted(public))
		}
	case Centre:
		i.tellCentre(pin)
	}
}

// tellCentre prints how gateways enrol.
func (i *Init) tellCentre(pin string) {
	sudo := ""
	if i.system() {
		sudo = "sudo "
	}
	fmt.Fprintf(i.Out, "\nWhen the router runs, create a token for gateways here:\n\n  %srunnel token new --role gateway%s\n", sudo, i.urlFlag())
	listen := i.forGateways()
	if listen == nil {
		fmt.Fprintf(i.Out, "\nNo listener is for other machines, so gateways cannot link yet: add --listen tls://0.0.0.0:8443.\n")
		return
	}
	trust := ""
	if secure(listen.String()) {
		trust = " --pin " + pin
	}
	at, address := reachedAt(listen)
	fmt.Fprintf(i.Out, "\nThen link each gateway with:\n\n  sudo runnel init gateway --centre %s%s --token TOKEN%s\n", at, trust, i.realmFlag())
	switch {
	case loopback(listen.String()):
		fmt.Fprintf(i.Out, "\n%s is the address of this machine's own programs: write the proxy's address there.\n", listen.Host)
	case address != "":
		fmt.Fprintf(i.Out, "\nIf a gateway cannot resolve the name, an address works as well: --centre %s\n", address)
	}
}

func (i *Init) realmFlag() string {
	if i.Realm == "realm1" {
		return ""
	}
	return " --realm " + i.Realm
}

// urlFlag returns the flags by which a command finds the router, or only --realm if the socket is the default one.
func (i *Init) urlFlag() string {
	if i.system() {
		return i.realmFlag()
	}
	return " --url unix://" + i.socket() + i.realmFlag()
}

// forGateways returns the URL of the listener that gateways use: the first one with TLS, else the first one for the network;
// nil if there is none.
func (i *Init) forGateways() *url.URL {
	at := slices.IndexFunc(i.Listen, secure)
	if at < 0 {
		at = slices.IndexFunc(i.Listen, func(listen string) bool { return !local(listen) })
	}
	if at < 0 {
		return nil
	}
	u, err := url.Parse(i.Listen[at])
	if err != nil || u.Host == "" {
		return nil // sockets passed by systemd
	}
	return u
}

// reachedAt returns the URL of a listener as other machines reach it, and if that has this machine's name, the URL with one of
// its addresses.
func reachedAt(listen *url.URL) (name, address string) {
	if ip := net.ParseIP(listen.Hostname()); listen.Hostname() != "" && (ip == nil || !ip.IsUnspecified()) {
		return listen.String(), ""
	}
	with := func(host string) string {
		u := *listen
		u.Host = net.JoinHostPort(host, listen.Port())
		return u.String()
	}
	if ip := ownAddress(); ip != "" {
		address = with(ip)
	}
	host, err := os.Hostname()
	switch {
	case err != nil || host == "" || host == "localhost":
		return orElse(address, listen.String()), ""
	case !strings.Contains(host, "."):
		host += ".local" // by which mDNS finds a machine of the same network
	}
	return with(host), address
}

// ownAddress returns the address from which this machine reaches the network; "" if it has no network.
func ownAddress() string { return addressTowards("192.0.2.1:9", "[2001:db8::1]:9") } // reserved for documentation

// addressTowards returns this machine's address on the way to the first of the far addresses that it has a route to; "" if there
// is none. It sends nothing.
func addressTowards(far ...string) string {
	for _, address := range far {
		if conn, err := net.Dial("udp", address); err == nil {
			conn.Close()
			return conn.LocalAddr().(*net.UDPAddr).IP.String()
		}
	}
	return ""
}

// booted exists if systemd is running.
var booted = "/run/systemd/system"

// NextCommand returns the command that starts a router with this configuration.
func (i *Init) NextCommand() string {
	if !i.system() {
		return "runnel run -c " + i.file
	}
	if _, err := os.Stat(booted); err == nil {
		return "sudo systemctl restart runnel"
	}
	return "runnel run"
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
