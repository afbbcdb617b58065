package config

import (
	"slices"

	"runnel/cmd/runnel/internal/account"
	"runnel/transport"
)

// ownership warns about an owner or a group that the router can't give to a Unix socket. It is not a problem, because the
// router still starts, without this listener.
func (k checker) ownership(l Listen) {
	uid, gid, err := transport.OwnerIDs(l.Owner, l.Group)
	if err != nil || uid < 0 && gid < 0 {
		return
	}
	a := account.OfRouter()
	if a.MayChown() {
		return
	}
	if uid >= 0 && uid != a.UID {
		k.c.Warnings.add(l.Place, "owner", "user %s can't give a socket to another user, so this listener will not open; %s", a.Name, transport.OwnerRemedy(l.Owner))
	}
	if gid >= 0 && !slices.Contains(a.Groups, gid) {
		k.c.Warnings.add(l.Place, "group", "user %s is not a member of %s, so this listener will not open; %s", a.Name, l.Group, transport.GroupRemedy(l.Group))
	}
}
