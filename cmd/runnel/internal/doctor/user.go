package doctor

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// serviceUser is the user that the packages create for the router.
const serviceUser = "runnel"

// account is a user with all groups of a router that runs as this user.
type account struct {
	name   string
	uid    int
	groups []int
	unset  bool // there is no such user
}

// routerAccount returns the user that the router runs as: for root the service's user, if it exists; otherwise the current user.
func routerAccount() account {
	if os.Geteuid() == 0 {
		if u, err := user.Lookup(serviceUser); err == nil {
			return accountOf(u)
		}
	}
	u, err := user.Current()
	if err != nil {
		return account{name: strconv.Itoa(os.Geteuid()), uid: os.Geteuid(), groups: []int{os.Getegid()}}
	}
	a := accountOf(u)
	if list, err := os.Getgroups(); err == nil {
		a.groups = append(a.groups, list...)
	}
	return a
}

func accountOf(u *user.User) account {
	a := account{name: u.Username}
	a.uid, _ = strconv.Atoi(u.Uid)
	ids, _ := u.GroupIds() // on an error only the primary group is used
	for _, id := range append(ids, u.Gid) {
		if gid, err := strconv.Atoi(id); err == nil {
			a.groups = append(a.groups, gid)
		}
	}
	if u.Username == serviceUser {
		a.groups = append(a.groups, unitGroups()...)
	}
	return a
}

// unitFiles are the paths of the service's unit. The administrator's own unit comes first.
var unitFiles = []string{"/etc/systemd/system/runnel.service", "/usr/lib/systemd/system/runnel.service", "/lib/systemd/system/runnel.service"}

// unitGroups returns the supplementary groups of the unit.
func unitGroups() (gids []int) {
	for _, file := range unitFiles {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			names, ok := strings.CutPrefix(strings.TrimSpace(line), "SupplementaryGroups=")
			for _, name := range strings.Fields(names) {
				if group, err := user.LookupGroup(name); ok && err == nil {
					gid, _ := strconv.Atoi(group.Gid)
					gids = append(gids, gid)
				}
			}
		}
		break
	}
	return gids
}

// may reports whether the account has the wanted permission bits (4 read, 2 write, 1 search) for a file. It ignores access
// control lists.
func (a account) may(info os.FileInfo, want os.FileMode) bool {
	if a.uid == 0 {
		return true
	}
	uid, gid, ok := ownerIDs(info)
	if !ok {
		return true // a system without owner ids
	}
	switch mode := info.Mode().Perm(); {
	case uid == a.uid:
		return mode>>6&want == want
	case slices.Contains(a.groups, gid):
		return mode>>3&want == want
	default:
		return mode&want == want
	}
}

// owners returns owner, group and mode of a file, like "root:dialout 0660".
func owners(info os.FileInfo) string {
	uid, gid, ok := ownerIDs(info)
	if !ok {
		return info.Mode().String()
	}
	return fmt.Sprintf("%s:%s %04o", userName(uid), groupName(gid), info.Mode().Perm())
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// checkUser checks that the service's user exists if the service is installed, and that the router's user can read its files.
func checkUser(_ context.Context, e *examination) {
	unit := slices.IndexFunc(unitFiles, func(file string) bool { _, err := os.Stat(file); return err == nil })
	if unit >= 0 && e.system() {
		if _, err := user.Lookup(serviceUser); err != nil {
			e.add(Finding{"user", Error, serviceUser, "the service runs as this user, which does not exist (systemd: status=217/USER)", "sudo useradd --system --user-group --home-dir /var/lib/runnel --shell /usr/sbin/nologin runnel"})
		}
	}
	if e.config == nil {
		return
	}
	for _, file := range e.secretFiles() {
		if info, err := os.Stat(file); err == nil && !e.user.may(info, 0o4) {
			e.add(Finding{"user", Error, file, fmt.Sprintf("user %s may not read it (%s)", e.user.name, owners(info)), fmt.Sprintf("sudo chgrp %s %s && sudo chmod 0640 %s", groupOf(e.user), file, file)})
		}
	}
}

func groupOf(a account) string {
	if u, err := user.Lookup(a.name); err == nil {
		if g, err := user.LookupGroupId(u.Gid); err == nil {
			return g.Name
		}
	}
	return a.name
}

// secretFiles lists the files that the router must read: configuration files, keys and certificates.
func (e *examination) secretFiles() (files []string) {
	add := func(file string) {
		if file != "" && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	for _, r := range e.config.Realms {
		add(r.Place.File)
	}
	for _, l := range e.config.Listens {
		add(l.Place.File)
		add(string(l.Certificate))
		add(string(l.Key))
	}
	for _, s := range e.config.Serials {
		add(s.Place.File)
	}
	for _, u := range e.config.Uplinks {
		add(u.Place.File)
		add(string(u.Key))
		add(string(u.Certificate))
		add(string(u.CA))
	}
	return slices.DeleteFunc(files, func(file string) bool { return !strings.Contains(file, "/") }) // the built-in default
}
