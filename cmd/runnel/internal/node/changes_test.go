package node

import (
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// Each reload reports its changes, and the parts then run accordingly.
func TestReloadParts(t *testing.T) {
	centre, n := site(t, "centre").start(""), site(t, "x").start("")
	own := centre.Status().Router.Realms[0].Sessions
	const realm2 = "[[realm]]\nname = \"realm2\"\nanonymous = \"guest\"\n[[realm.role]]\nname = \"guest\"\n"
	uplink := linkTo(centre)
	serial := "[[serial]]\nname = \"s\"\ndevice = \"" + n.dir + "/tty\"\nrole = \"guest\"\nrealm = \"realm1\"\n"
	all := n.listen("b") + realm2 + uplink + serial
	for _, step := range []struct {
		what, more, want                  string
		listeners, realms, lines, uplinks int
	}{
		{"nothing", "", "", 1, 1, 0, 0},
		{"all parts", all, "realm realm2 added, listener B opened, serial line s started, uplink c started", 2, 2, 1, 1},
		{"the same", all, "", 2, 2, 1, 1},
		{"other settings", n.listen("b") + "max_connections = 5\n" + strings.Replace(realm2, "anonymous", "strict = true\nanonymous", 1) + uplink + "match = \"prefix\"\n" + serial + "baud = 9600\n",
			"realm realm2: strict, for sessions that join from now on, listener B opened again, serial line s started again, uplink c started again", 2, 2, 1, 1},
		{"gone", "", "listener B closed, serial line s ended, realm realm2 removed, uplink c ended", 1, 1, 0, 0},
	} {
		got := strings.ReplaceAll(strings.Join(n.become(step.more), ", "), n.socket("b"), "B")
		s := n.Status()
		if got != step.want || len(s.Listeners) != step.listeners || len(s.Router.Realms) != step.realms || len(s.Serial) != step.lines || len(s.Uplinks) != step.uplinks {
			t.Errorf("%s: %q, want %q; %d listeners, %d realms, %d lines, %d uplinks", step.what, got, step.want, len(s.Listeners), len(s.Router.Realms), len(s.Serial), len(s.Uplinks))
		}
		for name, open := range map[string]bool{"a": true, "b": step.listeners == 2} {
			if _, err := join(t, n.socket(name), client.Options{Realm: "realm1"}); (err == nil) != open {
				t.Errorf("%s: joining at socket %s: %v", step.what, name, err)
			}
		}
		if _, err := join(t, n.socket("a"), client.Options{Realm: "realm2"}); (err == nil) != (step.realms == 2) {
			t.Errorf("%s: joining realm2: %v", step.what, err)
		}
		if step.uplinks > 0 {
			kit.Eventually(t, step.what+": the uplink joins", func() bool { return n.Uplinks()[0].Up })
		} else {
			kit.Eventually(t, step.what+": the uplink has left", func() bool { return centre.Status().Router.Realms[0].Sessions == own })
		}
	}
}
