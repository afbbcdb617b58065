package doctor

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"runnel/cmd/runnel/internal/account"
)

// may reports whether an account has the wanted permission bits (4 read, 2 write, 1 search) for a file. It ignores access
// control lists.
func may(a account.Account, info os.FileInfo, want os.FileMode) bool {
	if a.UID == 0 {
		return true
	}
	uid, gid, ok := ownerIDs(info)
	if !ok {
		return true // a system without owner ids
	}
	switch mode := info.Mode().Perm(); {
	case uid == a.UID:
		return mode>>6&want == want
	case slices.Contains(a.Groups, gid):
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
	unit := slices.IndexFunc(account.UnitFiles, func(file string) bool { _, err := os.Stat(file); return err == nil })
	if unit >= 0 && e.system() {
		if _, err := user.Lookup(account.Service); err != nil {
			e.add(Finding{"user", Error, account.Service, "the service runs as this user, which does not exist (systemd: status=217/USER)", "sudo useradd --system --user-group --home-dir /var/lib/runnel --shell /usr/sbin/nologin runnel"})
		}
	}
	if e.config == nil {
		return
	}
	for _, file := range e.secretFiles() {
		if info, err := os.Stat(file); err == nil && !may(e.user, info, 0o4) {
			e.add(Finding{"user", Error, file, fmt.Sprintf("user %s may not read it (%s)", e.user.Name, owners(info)), fmt.Sprintf("sudo chgrp %s %s && sudo chmod 0640 %s", groupOf(e.user), file, file)})
		}
	}
}

func groupOf(a account.Account) string {
	if u, err := user.Lookup(a.Name); err == nil {
		if g, err := user.LookupGroupId(u.Gid); err == nil {
			return g.Name
		}
	}
	return a.Name
}

// secretFiles lists the files that the router must read: configuration files, keys and certificates.
func (e *examination) secretFiles() (files []string) {
	var named []string
	for _, r := range e.config.Realms {
		named = append(named, r.Place.File)
	}
	for _, l := range e.config.Listens {
		named = append(named, l.Place.File, string(l.Certificate), string(l.Key))
	}
	for _, s := range e.config.Serials {
		named = append(named, s.Place.File)
	}
	for _, u := range e.config.Uplinks {
		named = append(named, u.Place.File, string(u.Key), string(u.Certificate), string(u.CA))
	}
	for _, file := range named {
		if strings.Contains(file, "/") && !slices.Contains(files, file) { // the built-in default has none
			files = append(files, file)
		}
	}
	return files
}
