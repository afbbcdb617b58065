package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"runnel/cmd/runnel/internal/account"
	"runnel/cmd/runnel/internal/config/check"
	"runnel/cmd/runnel/internal/config/directory"
	"runnel/cmd/runnel/internal/config/position"
	"runnel/edge"
	"runnel/transport"
	"runnel/uplink/spool"
)

// machine reports settings that are valid but impossible on this machine or for this user. It opens nothing.
func (c *Config) machine(problems *Problems, try UplinkCheck) {
	sound := Sound(c, *problems) // checks of the other parts would only repeat the problems
	k := checker{check.New(problems, &sound.Warnings, c.starting), sound}
	defer func() { c.Warnings = sound.Warnings }()
	k.data()
	for _, l := range sound.Listens {
		k.host(l.Place, l.URL)
		k.socket(l)
		k.folders(l)
	}
	k.host(sound.Metrics.Place, sound.Metrics.URL)
	if len(*problems) == 0 {
		k.dryRun(try)
	}
}

// data checks that the data directory can be written to.
func (k checker) data() {
	at, dir := k.c.Node.Place, DataDir(k.c)
	if at.IsZero() {
		at = position.Missing(k.c.Name, "node") // there is no [node]: the default directory
	}
	if file := directory.Blocking(dir); file != "" {
		k.Add(at, "data", "%s is not a directory; choose another one, or remove the file", file)
		return
	}
	k.durableData(dir)
	durable := false
	for _, u := range k.c.Uplinks {
		for _, s := range u.Exports {
			if s.Topic == nil || s.Class(false) == spool.Memory {
				continue
			}
			durable = durable || s.Class(false) == spool.Durable
			if dir == "" {
				k.Add(s.Place, "store", "%q needs a data directory; write [node] data = \"/var/lib/runnel\"", s.Store)
			}
		}
	}
	err := directory.CannotCreate(dir)
	switch {
	case dir == "" || err == nil:
	case durable && errors.Is(err, fs.ErrPermission):
		k.MayPass(at, "data", "this user cannot write to %s (%v), so durable events could not be stored; sudo chown it to the router's user, or run this command with sudo or as that user", dir, err)
	default:
		k.Warn(at, "data", "cannot store data in %s: %v", dir, err)
	}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// socket checks the path, the owner and the group of a Unix socket.
func (k checker) socket(l Listen) {
	path, ok := strings.CutPrefix(l.URL, "unix://")
	if !ok {
		return
	}
	if err := transport.LookupOwner(l.Owner, ""); err != nil {
		k.MayPass(l.Place, "owner", "%v; write the name or the number of a user of this machine", err)
	}
	if err := transport.LookupOwner("", l.Group); err != nil {
		k.MayPass(l.Place, "group", "%v; write the name or the number of a group of this machine (sudo groupadd --system %s creates it)", err, l.Group)
	}
	owner, group := account.OfRouter().SocketOwnerProblems(l.Owner, l.Group) // the router starts without the listener
	if owner != "" {
		k.Warn(l.Place, "owner", "%s", owner)
	}
	if group != "" {
		k.Warn(l.Place, "group", "%s", group)
	}
	if path == "" {
		return // chosen at start
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		k.MayPass(l.Place, "url", "%s exists and is not a socket; write another path, or remove it", path)
	} else if file := directory.Blocking(filepath.Dir(path)); file != "" {
		k.MayPass(l.Place, "url", "%s is not a directory; write another path", file)
	} else if err := directory.CannotCreate(filepath.Dir(path)); err != nil {
		k.MayPass(l.Place, "url", "this user cannot create a socket in %s (%v); run this command with sudo, or as the router's user", filepath.Dir(path), err)
	}
}

// dryRun creates realms and uplinks as the router does, without starting them. It finds the problems that the other
// checks miss.
func (k checker) dryRun(try UplinkCheck) {
	router := edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})
	for _, r := range k.c.Realms {
		opts, err := RealmOptions(k.c, r)
		if err == nil {
			err = router.CheckRealm(opts)
		}
		if err != nil {
			k.Add(r.Place, "", "%v", err)
		}
	}
	for _, u := range k.c.Uplinks {
		if try == nil {
			break
		}
		if err := try(k.c, u); err != nil {
			k.MayPass(u.Place, "", "%v", err)
		}
	}
	for _, l := range k.c.Listens {
		if url, err := ListenURL(l.URL); err == nil && !l.isPassed() {
			if err := transport.CheckURL(url); err != nil {
				k.Add(l.Place, "url", "%v", err)
			}
		}
	}
}
