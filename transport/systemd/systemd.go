// Package systemd takes the listening sockets that systemd passes to a service (sd_listen_fds(3)). A socket unit opens them
// before the service starts, with rights that the service does not need to have.
//
// The environment tells which descriptors they are:
//
//	LISTEN_PID      the process that they are for
//	LISTEN_FDS      their number; the first one is descriptor 3
//	LISTEN_FDNAMES  their names, with colons between; a unit's FileDescriptorName=, by default the name of the unit
//
// The descriptors stay open as long as the process runs. Open returns duplicates, so that a listener can be closed and
// opened again while peers wait in the queue of the socket.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// Scheme begins the URL of a listener that takes its sockets from systemd: "systemd:" or "systemd:NAME".
const Scheme = "systemd"

// firstSocket is the descriptor of the first socket.
const firstSocket = 3

// maxSockets is the largest LISTEN_FDS that is accepted.
const maxSockets = 1024

// Name returns the name in a URL, and whether the URL is one of sockets from systemd. The name is "" for all sockets that
// no other listener names.
func Name(url string) (name string, ok bool) {
	scheme, name, ok := strings.Cut(url, ":")
	return name, ok && strings.EqualFold(scheme, Scheme)
}

// CheckName returns an error if no socket can have the name.
func CheckName(name string) error {
	switch {
	case strings.HasPrefix(name, "//"):
		return fmt.Errorf("%s:%s: there are no slashes in front of the name; write %s:%s", Scheme, name, Scheme, strings.TrimLeft(name, "/"))
	case len(name) > 255 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == ':' }):
		return fmt.Errorf("%.80q is not the name of a socket; FileDescriptorName= takes at most 255 ASCII characters without a colon", name)
	}
	return nil
}

// socket is a descriptor that was passed.
type socket struct {
	fd   int
	name string
}

// Open returns a duplicate of each passed socket with a name, or with the name "" of each that is not in others. It returns
// an error if there is none, or if one of them is not a listening socket for TCP or Unix streams.
func Open(name string, others []string) ([]net.Listener, error) {
	passed, err := sockets()
	if err != nil {
		return nil, err
	}
	chosen := choose(passed, name, others)
	if len(chosen) == 0 {
		return nil, missing(passed, name)
	}
	var opened []net.Listener
	for _, s := range chosen {
		l, err := duplicate(s.fd)
		if err != nil {
			for _, l := range opened {
				l.Close()
			}
			return nil, fmt.Errorf("socket %d (%s) of systemd: %w", s.fd, s.name, err)
		}
		opened = append(opened, l)
	}
	return opened, nil
}

// Unused returns the names of the passed sockets that none of the listeners with these names takes.
func Unused(names []string) (unused []string) {
	passed, _ := sockets()
	for _, s := range passed {
		taken := false
		for _, name := range names {
			taken = taken || name == "" || name == s.name
		}
		if !taken {
			unused = append(unused, s.name)
		}
	}
	return unused
}

func choose(passed []socket, name string, others []string) (chosen []socket) {
	for _, s := range passed {
		wanted := s.name == name
		if name == "" {
			wanted = true
			for _, other := range others {
				wanted = wanted && s.name != other
			}
		}
		if wanted {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// missing returns the reason why no socket was chosen.
func missing(passed []socket, name string) error {
	if len(passed) == 0 {
		return errNone
	}
	var names []string
	for _, s := range passed {
		names = append(names, strconv.Quote(s.name))
	}
	list := strings.Join(names, ", ")
	if name == "" {
		return fmt.Errorf("other listeners name all sockets that systemd passed (%s); remove this listener", list)
	}
	return fmt.Errorf("systemd passed no socket named %q, but %s; write FileDescriptorName=%s in the socket unit", name, list, name)
}

var errNone = errors.New("systemd passed no sockets; start the service by its socket unit (systemctl stop runnel.service, " +
	"then systemctl start runnel.socket runnel.service), or write the url of a socket for the router to open")

// sockets returns the sockets passed to this process, according to the environment.
func sockets() ([]socket, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	if pid == "" || count == "" {
		return nil, errNone
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, fmt.Errorf("systemd passed its sockets to process %s, which is not this one (%d); ExecStart= has to run the router itself, or a script that ends in exec", pid, os.Getpid())
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("LISTEN_FDS=%.20q is not a number up to %d", count, maxSockets)
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	list := make([]socket, n)
	for i := range list {
		list[i] = socket{firstSocket + i, "unknown"} // the name that sd_listen_fds_with_names gives
		if i < len(names) && names[i] != "" {
			list[i].name = names[i]
		}
	}
	return list, nil
}
