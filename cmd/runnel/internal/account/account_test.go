//go:build unix

package account

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"runnel/test/kit"
)

func TestOfRouter(t *testing.T) {
	a := OfRouter()
	_, installed := user.Lookup(Service)
	if os.Geteuid() == 0 && installed == nil {
		if a.Name != Service || a.UID == 0 {
			t.Errorf("root checks for %+v, not for the service", a)
		}
		return
	}
	if a.UID != os.Geteuid() || !slices.Contains(a.Groups, os.Getegid()) {
		t.Errorf("%+v", a)
	}
	if u, err := user.Current(); err == nil && a.Name != u.Username {
		t.Errorf("the name is %s, not %s", a.Name, u.Username)
	}
}

func TestOf(t *testing.T) {
	a := of(&user.User{Username: "nobody-such", Uid: "4000123", Gid: "4000124"})
	if a.Name != "nobody-such" || a.UID != 4000123 || !slices.Contains(a.Groups, 4000124) {
		t.Errorf("%+v", a)
	}
	if a := of(&user.User{Username: "windows", Uid: "S-1-5", Gid: "S-1-6"}); a.UID != -1 || len(a.Groups) > 0 {
		t.Errorf("%+v", a)
	}
}

// The service has the groups of the first unit that exists and of its drop-in files, and no other.
func TestGroupsOfTheUnit(t *testing.T) {
	var names []string
	var gids []int
	for gid := 0; gid < 100 && len(gids) < 4; gid++ {
		if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil && !strings.Contains(g.Name, " ") {
			names, gids = append(names, g.Name), append(gids, gid)
		}
	}
	if len(gids) < 4 {
		t.Skip("this machine has too few groups")
	}
	dir := t.TempDir()
	own := kit.Write(t, dir, "own.service", "[Service]\nUser=runnel\n  SupplementaryGroups="+names[0]+" no-such-group "+names[1]+"\nExecStartPre=chgrp "+names[3]+" /run\n")
	packaged := kit.Write(t, dir, "packaged.service", "SupplementaryGroups="+names[2]+"\n")
	kit.Write(t, dir, "drop-in.conf", "SupplementaryGroups="+names[3])
	missing, dropIns, none := filepath.Join(dir, "missing"), filepath.Join(dir, "*.conf"), filepath.Join(dir, "*.none")
	for _, c := range []struct {
		what, dropIns string
		units         []string
		want          []int
	}{
		{"the administrator's unit", none, []string{own, packaged}, gids[:2]},
		{"the packaged unit", none, []string{missing, packaged}, gids[2:3]},
		{"a drop-in file", dropIns, []string{missing, packaged}, []int{gids[3], gids[2]}},
		{"a drop-in file without a unit", dropIns, []string{missing}, gids[3:]},
		{"an unreadable unit", dropIns, []string{dir}, gids[3:]},
		{"none", none, nil, nil},
	} {
		if got := unitGroups(c.dropIns, c.units); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", c.what, got, c.want)
		}
	}
}

// Only an error of permission gets the remedy, which names the file.
func TestUnreadable(t *testing.T) {
	denied, missing := &fs.PathError{Op: "open", Path: "/etc/runnel/key", Err: fs.ErrPermission}, &fs.PathError{Op: "open", Path: "/etc/runnel/key", Err: fs.ErrNotExist}
	for _, err := range []error{nil, missing, fs.ErrPermission, fs.ErrClosed} {
		if got := Unreadable(err); got != err {
			t.Errorf("%v: %v", err, got)
		}
	}
	got := Unreadable(fmt.Errorf("realm: %w", denied))
	if !errors.Is(got, denied) || !strings.HasPrefix(got.Error(), "realm: open ") || !strings.Contains(got.Error(), "; run the command with sudo; for the service: sudo chgrp runnel /etc/runnel/key && sudo chmod g+r /etc/runnel/key") {
		t.Error(got)
	}
}

// A socket can be given to another user by root only, and to a group by its members.
func TestSocketOwnerProblems(t *testing.T) {
	own := 4_000_123 // no process of this machine has this id, so its capabilities are unknown
	a := Account{Name: "gw", UID: own, Groups: []int{4_000_200, 4_000_201}}
	for _, c := range []struct {
		what, owner, group string
		a                  Account
		noOwner, noGroup   bool
	}{
		{"nothing", "", "", a, false, false},
		{"its own user and group", strconv.Itoa(own), "4000201", a, false, false},
		{"another user", "4000999", "", a, true, false},
		{"another group", "", "4000999", a, false, true},
		{"both", "4000999", "4000998", a, true, true},
		{"root's user and group", "0", "0", a, true, true},
		{"root's user", "0", "", a, true, false},
		{"names that do not exist", "no-such-user", "no-such-group", a, false, false},
		{"a system without numbers", "4000999", "4000998", Account{UID: -1}, false, false},
	} {
		noOwner, noGroup := c.a.SocketOwnerProblems(c.owner, c.group)
		if (noOwner != "") != c.noOwner || (noGroup != "") != c.noGroup {
			t.Errorf("%s: %q, %q", c.what, noOwner, noGroup)
		}
		for _, text := range []string{noOwner, noGroup} {
			if text != "" && (!strings.HasPrefix(text, "user gw ") || !strings.Contains(text, "; ")) {
				t.Errorf("%s: %q", c.what, text)
			}
		}
	}
	if os.Geteuid() != 0 {
		if root := (Account{UID: 0}); !root.mayChown() {
			t.Error("root may not give files to others")
		}
	}
}

// A process may give files to others if it has CAP_CHOWN, whatever its user is.
func TestOwnCapabilities(t *testing.T) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc")
	}
	capable := false
	for line := range strings.Lines(string(text)) {
		if set, ok := strings.CutPrefix(line, "CapEff:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			capable = n%2 == 1
		}
	}
	if got := (Account{UID: os.Geteuid()}).mayChown(); got != capable {
		t.Errorf("may give files to others: %v", got)
	}
}

// Only the service's user has the groups of the unit.
func TestGroupsOfTheService(t *testing.T) {
	own := UnitFiles
	defer func() { UnitFiles = own }()
	root, err := user.LookupGroupId("0")
	if err != nil {
		t.Skip("there is no group 0")
	}
	UnitFiles = []string{kit.Write(t, t.TempDir(), "runnel.service", "SupplementaryGroups="+root.Name+"\n")}
	for name, want := range map[string]bool{Service: true, "nobody-such": false} {
		if a := of(&user.User{Username: name, Uid: "4000123", Gid: "4000124"}); slices.Contains(a.Groups, 0) != want {
			t.Errorf("%s has the groups %v", name, a.Groups)
		}
	}
}
