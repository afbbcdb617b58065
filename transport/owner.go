package transport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
)

// The owner and the group of a Unix socket. A process without privileges can give its socket to a group of which it is a
// member, but not to another user.

// LookupOwner returns an error if the owner or the group of a Unix socket does not exist on this machine.
func LookupOwner(owner, group string) error {
	_, _, err := OwnerIDs(owner, group)
	return err
}

// OwnerIDs returns the numbers of the owner and the group of a Unix socket, and -1 for "".
func OwnerIDs(owner, group string) (uid, gid int, err error) {
	if uid, err = lookupUser(owner); err == nil {
		gid, err = lookupGroup(group)
	}
	return uid, gid, err
}

func lookupUser(name string) (int, error) {
	return lookupID(name, func() (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

func lookupGroup(name string) (int, error) {
	return lookupID(name, func() (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

// lookupID returns the id of a name or a number, and -1 for "". lookup returns the id of the name as text.
func lookupID(name string, lookup func() (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	id, err := lookup()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(id)
}

// OwnerRemedy returns the steps that give a Unix socket an owner that the router cannot set.
func OwnerRemedy(owner string) string {
	return fmt.Sprintf("remove owner and write group, or let systemd make the socket: url = \"systemd:\" here, and SocketUser=%s in a socket unit", owner)
}

// GroupRemedy returns the steps that give a Unix socket a group that the router cannot set.
func GroupRemedy(group string) string {
	return fmt.Sprintf("make the router's user a member: SupplementaryGroups=%s in the [Service] section (sudo systemctl edit runnel), "+
		"or let systemd make the socket: url = \"systemd:\" here, and SocketGroup=%s in a socket unit", group, group)
}

func changeOwner(path, owner string) error {
	uid, err := lookupUser(owner)
	if err != nil || uid < 0 {
		return err
	}
	if err = os.Chown(path, uid, -1); errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("give %s to the owner %s: %w; %s", path, owner, errors.Unwrap(err), OwnerRemedy(owner))
	}
	return err
}

func changeGroup(path, group string) error {
	gid, err := lookupGroup(group)
	if err != nil || gid < 0 {
		return err
	}
	if err = os.Chown(path, -1, gid); errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("give %s to the group %s: %w; %s", path, group, errors.Unwrap(err), GroupRemedy(group))
	}
	return err
}
