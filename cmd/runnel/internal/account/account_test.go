//go:build unix

package account

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"testing"
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
