package account

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"runnel/transport"
)

// SocketOwnerProblems returns the reasons why a router of this account cannot give a Unix socket to an owner or to a
// group, with remedies. Each result is "" if the router can. Names that do not exist are ignored.
func (a Account) SocketOwnerProblems(owner, group string) (noOwner, noGroup string) {
	uid, gid, err := transport.OwnerIDs(owner, group)
	if err != nil || uid < 0 && gid < 0 || a.mayChown() {
		return "", ""
	}
	if uid >= 0 && uid != a.UID {
		noOwner = fmt.Sprintf("user %s cannot give a socket to another user, so this listener will not open; %s", a.Name, transport.OwnerRemedy(owner))
	}
	if gid >= 0 && !slices.Contains(a.Groups, gid) {
		noGroup = fmt.Sprintf("user %s is not a member of %s, so this listener will not open; %s", a.Name, group, transport.GroupRemedy(group))
	}
	return noOwner, noGroup
}

// mayChown reports whether the account can give files to any user and group: root, or a process with CAP_CHOWN.
func (a Account) mayChown() bool {
	if a.UID != os.Geteuid() {
		return a.UID <= 0 // without numeric user ids, files have no owner either
	}
	status, err := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "\nCapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	capabilities, bad := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if err != nil || bad != nil {
		return a.UID <= 0
	}
	return capabilities&1 != 0 // CAP_CHOWN is bit 0
}
