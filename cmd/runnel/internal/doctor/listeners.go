package doctor

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"runnel/cmd/runnel/internal/config"
)

// checkListeners checks that the router can listen at each address, and that MQTT clients get an answer.
func checkListeners(ctx context.Context, e *examination) {
	if e.config == nil {
		return
	}
	for _, l := range e.config.Listens {
		u, err := url.Parse(l.URL)
		switch listens := e.running.listens(l); {
		case err != nil || u.Scheme == "unix" || u.Port() == "" || u.Port() == "0":
		case !listens:
			e.tryAddress(l, u)
		case strings.HasPrefix(u.Scheme, "mqtt"):
			e.tryDevice(ctx, "listener "+l.URL, u)
		}
	}
}

func (e *examination) tryAddress(l config.Listen, u *url.URL) {
	object := "listener " + l.URL
	port, _ := strconv.Atoi(u.Port())
	socket, err := net.Listen("tcp", u.Host)
	if err == nil {
		socket.Close()
		if e.user.UID != 0 && port < unprivilegedPort() {
			e.add(Finding{"listener", Error, object, fmt.Sprintf("user %s may not listen below port %d", e.user.Name, unprivilegedPort()), "sudo systemctl edit runnel: [Service], CapabilityBoundingSet=CAP_NET_BIND_SERVICE, AmbientCapabilities=CAP_NET_BIND_SERVICE"})
		}
		return
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		who := holderOf(port)
		if e.running != nil && strings.HasPrefix(who, "runnel ") {
			e.add(Finding{"listener", Warning, object, "a Runnel uses the port, but the status of the router does not name this listener", "runnel reload; stop a second Runnel, if there is one"})
			return
		}
		if who == "" {
			who = "another program (run this with sudo to see which)"
		}
		e.add(Finding{"listener", Error, object, "the port is taken by " + who, "stop that program, or write another url; sudo ss -ltnp shows all ports"})
	case errors.Is(err, syscall.EACCES):
		e.add(Finding{"listener", Error, object, fmt.Sprintf("this user may not listen below port %d", unprivilegedPort()), "write another url, or give the service CAP_NET_BIND_SERVICE"})
	default:
		e.add(Finding{"listener", Error, object, err.Error(), "write an address of this machine (ip addr shows them), or 0.0.0.0 for all"})
	}
}

// unprivilegedPort returns the lowest port at which every user may listen.
func unprivilegedPort() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if n, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
		return n
	}
	return 1024
}

// holderOf returns the process that listens at a TCP port, as "name (pid 12)", or "" if this user can't see it.
func holderOf(port int) string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	sockets := listening(port)
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !sockets[target] {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf("%s (pid %s)", bytes.TrimSpace(name), pid)
	}
	return ""
}

// listening returns the sockets that listen at a port, named as in the links of /proc/PID/fd.
func listening(port int) map[string]bool {
	sockets := map[string]bool{}
	want := strings.ToUpper(hex.EncodeToString([]byte{byte(port >> 8), byte(port)}))
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line) // number, local address, remote address, state, ..., inode
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], ":"+want) {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	return sockets
}
