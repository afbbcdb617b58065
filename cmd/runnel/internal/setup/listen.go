package setup

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/directory"
	"runnel/transport"
)

// listenSchemes are the schemes of --listen.
var listenSchemes = []string{"tcp", "tls", "ws", "wss", "unix", "systemd"}

// completeListen sets the default listeners of the kind, or checks those of --listen.
func (a *Answers) completeListen() error {
	if a.Listen == nil {
		a.Listen = []string{"tcp://127.0.0.1:8080"}
		if a.Kind == Centre {
			a.Listen = append(a.Listen, "tls://0.0.0.0:8443")
		}
	}
	for _, listen := range a.Listen {
		if err := checkListen(listen); err != nil {
			return err
		}
	}
	i := slices.IndexFunc(a.Listen, func(listen string) bool { return !local(listen) })
	switch {
	case i < 0 && a.OpenNetwork:
		return errors.New("--open-network: no listener is for the network; add one, like --listen tcp://127.0.0.1:8080,tcp://0.0.0.0:8081")
	case i >= 0 && a.Kind != Centre && !a.OpenNetwork:
		return fmt.Errorf("--listen %s: no peer could join there, because peers of the network must authenticate and this configuration has no principals; "+
			"add --open-network to let every peer that reaches it publish and register below %s without authentication, "+
			"or leave it out here and write the listener and its principals as a file of conf.d (see docs/security.md)", a.Listen[i], a.Prefix)
	}
	return nil
}

func checkListen(listen string) error {
	u, err := url.Parse(listen)
	switch {
	case err != nil || !slices.Contains(listenSchemes, u.Scheme):
		return fmt.Errorf("--listen %q is not the URL of a listener; write it like \"tcp://127.0.0.1:8080\", with %s", transport.RedactURL(listen), config.OneOf(listenSchemes...))
	case u.Scheme != "unix" && u.Scheme != "systemd" && u.Port() == "":
		return fmt.Errorf("--listen %q: the port is missing; write it like \"%s://127.0.0.1:8080\"", transport.RedactURL(listen), u.Scheme)
	}
	return nil
}

// local reports whether only programs of this machine can be the peers of a listener. A TLS listener on loopback is not
// local: it serves a TCP proxy on this machine, whose clients are on the network.
func local(listen string) bool { return !secure(listen) && loopback(listen) }

// localOnly reports whether only programs of this machine can reach the router. Then the realm gives sessions that don't
// authenticate a role; otherwise only the local listeners do.
func (a *Answers) localOnly() bool {
	return !slices.ContainsFunc(a.Listen, func(listen string) bool { return !local(listen) })
}

func loopback(listen string) bool {
	u, err := url.Parse(listen)
	if err != nil || u.Scheme == "unix" {
		return err == nil
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// mergeListen removes listeners that occur twice, under the same or another notation, and the operators' socket, which every
// configuration has.
func (a *Answers) mergeListen() {
	seen := []string{a.canonical("unix://" + a.socket())}
	a.Listen = slices.DeleteFunc(slices.Clone(a.Listen), func(listen string) bool {
		name := a.canonical(listen)
		if slices.Contains(seen, name) {
			return true
		}
		seen = append(seen, name)
		return false
	})
}

// canonical returns the same text for equal addresses: paths without symbolic links, hosts as numbers.
func (a *Answers) canonical(listen string) string {
	u, err := url.Parse(listen)
	if err != nil {
		return listen
	}
	if u.Scheme != "unix" {
		host := strings.ToLower(u.Hostname())
		switch host {
		case "localhost":
			host = "127.0.0.1"
		case "":
			host = "0.0.0.0"
		}
		return u.Scheme + "://" + net.JoinHostPort(host, u.Port()) + strings.TrimSuffix(u.Path, "/")
	}
	if u.Host+u.Path == "" {
		if listen, err = config.ListenURL(listen); err != nil {
			return listen
		}
	}
	path := strings.TrimPrefix(listen, "unix://")
	if !filepath.IsAbs(path) {
		path = a.beside(path)
	}
	return "unix://" + directory.RealPath(path)
}
