// Package account finds the user that the router runs as, for checks of that user's permissions.
package account

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Service is the user that the packages create for the router.
const Service = "runnel"

// UnitFiles are the paths of the service's unit. The administrator's own unit comes first.
var UnitFiles = []string{"/etc/systemd/system/runnel.service", "/usr/lib/systemd/system/runnel.service", "/lib/systemd/system/runnel.service"}

// additions are the drop-in files that "systemctl edit" writes.
const additions = "/etc/systemd/system/runnel.service.d/*.conf"

// Account is a user with all groups that a router of this user has.
type Account struct {
	Name   string
	UID    int // -1: the system has no user numbers
	Groups []int
}

// OfRouter returns the user that the router runs as. For root it is the service's user, if there is one; else the user of
// this process.
func OfRouter() Account {
	if os.Geteuid() == 0 {
		if u, err := user.Lookup(Service); err == nil {
			return of(u)
		}
	}
	own := Account{Name: strconv.Itoa(os.Geteuid()), UID: os.Geteuid(), Groups: []int{os.Getegid()}}
	if u, err := user.Current(); err == nil {
		own = of(u)
	}
	groups, _ := os.Getgroups()
	own.Groups = append(own.Groups, groups...)
	return own
}

func of(u *user.User) Account {
	a := Account{Name: u.Username, UID: -1}
	if uid, err := strconv.Atoi(u.Uid); err == nil {
		a.UID = uid
	}
	ids, _ := u.GroupIds() // on an error only the primary group is used
	for _, id := range append(ids, u.Gid) {
		if gid, err := strconv.Atoi(id); err == nil {
			a.Groups = append(a.Groups, gid)
		}
	}
	if u.Username == Service {
		a.Groups = append(a.Groups, unitGroups(additions, UnitFiles)...)
	}
	return a
}

// unitGroups returns the groups that the first existing unit and the drop-in files give to the service, besides the groups of
// its user.
func unitGroups(dropIns string, units []string) (gids []int) {
	files, _ := filepath.Glob(dropIns)
	exists := func(file string) bool { _, err := os.Stat(file); return err == nil }
	if i := slices.IndexFunc(units, exists); i >= 0 {
		files = append(files, units[i])
	}
	for _, file := range files {
		text, _ := os.ReadFile(file) // an unreadable file adds no groups
		for line := range strings.Lines(string(text)) {
			names, ok := strings.CutPrefix(strings.TrimSpace(line), "SupplementaryGroups=")
			for _, name := range strings.Fields(names) {
				if group, err := user.LookupGroup(name); ok && err == nil {
					gid, _ := strconv.Atoi(group.Gid)
					gids = append(gids, gid)
				}
			}
		}
	}
	return gids
}
