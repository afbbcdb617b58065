package doctor

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/test/kit"
)

// The doctor logs in at a NATS server and tests what the rules need.
func TestNATS(t *testing.T) { kit.EachNATS(t, testNATS) }

func testNATS(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, `authorization { users: [ { user: gw, password: secret, permissions: { publish: ">", subscribe: ["_INBOX.>", "com.open.>"] } } ] }`)
	examine := func(password string) string {
		t.Helper()
		text := fmt.Sprintf("version = 1\n[node]\ndata = %q\n[[realm]]\nname = \"realm1\"\n[[uplink]]\nname = \"cluster\"\nrealm = \"realm1\"\nurl = [\"nats://%s\"]\nusername = \"gw\"\npassword = %q\n",
			t.TempDir(), server.Address, password)
		for _, topic := range []string{"com.open.", "com.closed."} {
			text += fmt.Sprintf("[[uplink.import]]\ntopic = %q\nmatch = \"prefix\"\n", topic)
		}
		text += "[[uplink.export]]\ntopic = \"com.kept\"\nstore = \"durable\"\n"
		c, err := config.Load(kit.Write(t, t.TempDir(), "runnel.toml", text), nil)
		kit.Must(t, err)
		e := &examination{config: c}
		at, err := url.Parse("nats://" + server.Address)
		kit.Must(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
		defer cancel()
		e.tryNATS(ctx, "uplink cluster", c.Uplinks[0], at)
		return fmt.Sprint(e.findings)
	}
	if got := examine("wrong"); !strings.Contains(got, "Authorization Violation; check credentials") {
		t.Error(got)
	}
	got := examine("secret")
	if !strings.Contains(got, "allow the user of this link to subscribe to com.closed.>") || !strings.Contains(got, "com.kept (exact): the NATS server has no JetStream") || strings.Contains(got, "com.open") {
		t.Error(got)
	}
}
