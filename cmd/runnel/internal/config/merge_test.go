package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files writes configuration files and loads them: the first is the main one, the others are those of conf.d.
func files(t *testing.T, texts ...string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		name := filepath.Join(dir, "runnel.toml")
		if i > 0 {
			name = filepath.Join(dir, "conf.d", string(rune('a'+i-1))+".toml")
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(filepath.Join(dir, "runnel.toml"), nil)
}

const (
	mainFile = "version = 1\n[[realm]]\nname = \"realm1\"\n[[realm.role]]\nname = \"sensor\"\n[[realm.role.permission]]\nuri = \"com.example.\"\nmatch = \"prefix\"\nallow = [\"publish\"]\n"
	again    = "[[realm]]\nname = \"realm1\"\n"
)

// A realm of the same name in several files is one realm.
func TestRealmsAddUp(t *testing.T) {
	principal := "[[realm.principal]]\nauthid = \"pump-7\"\nrole = \"sensor\"\nticket = \"x\"\n"
	c, err := files(t, mainFile,
		again+principal+"[[realm.history]]\nuri = \"com.example.a\"\n",
		again+principal+"[[realm.principal]]\nauthid = \"pump-8\"\nrole = \"guest\"\nticket = \"y\"\n",
		again+"anonymous = \"guest\"\n[[realm.role]]\nname = \"guest\"\n[[realm.role]]\nname = \"sensor\"\nauthorizer = \"com.example.may\"\n[[realm.role.permission]]\nuri = \"com.example.x\"\nallow = []\n",
	)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Realms[0]
	if len(c.Realms) != 1 || len(r.Principals) != 2 || len(r.Histories) != 1 || len(r.Roles) != 2 || len(r.Roles[0].Permissions) != 2 || r.Anonymous != "guest" || r.Roles[0].Authorizer == "" {
		t.Errorf("%+v", c.Realms)
	}
	if _, err := RealmOptions(c, r); err != nil {
		t.Error(err)
	}
}

// If two files define the same item differently, the error names both.
func TestRealmsContradict(t *testing.T) {
	for _, c := range []struct{ first, second, at, want string }{
		{"[[realm.principal]]\nauthid = \"p\"\nrole = \"sensor\"\nticket = \"SECRET1\"\n", "[[realm.principal]]\nauthid = \"p\"\nrole = \"sensor\"\nticket = \"SECRET2\"\n",
			"b.toml:4: realm.principal.authid", `the principal "p" is defined differently at`},
		{"[[realm.role]]\nname = \"sensor\"\nforward = true\n", "[[realm.role]]\nname = \"sensor\"\nforward = false\n", "b.toml:5: realm.role.forward", "another forward at"},
		{"[[realm.role]]\nname = \"sensor\"\n[[realm.role.permission]]\nuri = \"a.b\"\nallow = [\"call\"]\n", "[[realm.role]]\nname = \"sensor\"\n[[realm.role.permission]]\nuri = \"a.b\"\nallow = []\n",
			"b.toml:6: realm.role.permission.uri", `another permission for exact "a.b" at`},
		{"anonymous = \"sensor\"\n", "anonymous = \"other\"\n", "b.toml:3: realm.anonymous", "another anonymous at"},
		{"strict = true\n", "strict = false\n", "b.toml:3: realm.strict", "another strict at"},
		{"[realm.authenticator]\nticket = \"a.b\"\n", "[realm.authenticator]\nticket = \"a.c\"\n", "b.toml:4: realm.authenticator.ticket", "has another authenticator at"},
		{"[[realm.history]]\nuri = \"a.b\"\nevents = 1\n", "[[realm.history]]\nuri = \"a.b\"\nevents = 2\n", "b.toml:4: realm.history.uri", "is defined differently at"},
	} {
		_, err := files(t, mainFile, again+c.first, again+c.second)
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(problems[0].Error(), c.at) || !strings.Contains(problems[0].Text, c.want) || !strings.Contains(problems[0].Text, "a.toml:") || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v\nwant %s and %s", err, c.at, c.want)
		}
	}
	// A problem of a key names the file that sets the key.
	if _, err := files(t, mainFile, again, again+"anonymous = \"nobody\"\n"); err == nil || !strings.Contains(err.Error(), "b.toml:3: realm.anonymous") {
		t.Error(err)
	}
	// Within one file every name is unique.
	for _, text := range []string{again + again, again + "[[realm.principal]]\nauthid = \"p\"\nrole = \"sensor\"\nuid = 1\n[[realm.principal]]\nauthid = \"p\"\nrole = \"sensor\"\nuid = 1\n"} {
		if _, err := files(t, mainFile, text); err == nil || !strings.Contains(err.Error(), "is already defined at") {
			t.Errorf("%s%v", text, err)
		}
	}
}

// The node's id can come from a file or the environment, and {node} is replaced with it.
func TestNodeID(t *testing.T) {
	uplink := "[[uplink]]\nname = \"c-{node}\"\nurl = \"ws://127.0.0.1:1/{node}\"\nauthid = \"{node}\"\nticket = \"t-{node}\"\n[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\nlocal_prefix = \"com.\"\nremote_prefix = \"com.{node}.\"\n[[uplink.import]]\ntopic = \"command.{node}.\"\nmatch = \"prefix\"\n" +
		"[[serial]]\nname = \"w\"\ndevice = \"/dev/ttyS9\"\nrole = \"sensor\"\nmode = \"lines\"\nformat = \"json\"\ntopic = \"com.example.{node}.{sensor}\"\n"
	dir := t.TempDir()
	id := filepath.Join(dir, "id")
	if err := os.WriteFile(id, []byte("gw-7\x00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RUNNEL_TEST_NODE", "gw-7")
	for _, source := range []string{"gw-7", "file:" + id, "env:RUNNEL_TEST_NODE"} {
		c, err := files(t, mainFile+uplink, "[node]\nid = \""+source+"\"\n")
		if err != nil {
			t.Error(err)
			continue
		}
		u := c.Uplinks[0]
		ticket, _ := u.Ticket.Value()
		if got := strings.Join([]string{c.NodeID(), c.RouterID(), u.Name, u.URL[0], u.Authid, ticket, u.Exports[0].RemotePrefix, *u.Imports[0].Topic, c.Serials[0].Topic}, " "); got !=
			"gw-7 gw-7 c-gw-7 ws://127.0.0.1:1/gw-7 gw-7 t-gw-7 com.gw-7. command.gw-7. com.example.gw-7.{sensor}" {
			t.Error(got)
		}
	}
	if err := os.WriteFile(id, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"file:" + id: "holds no id", "file:" + id + "x": "no such file or directory; write the id into that file", "env:RUNNEL_NO_SUCH_NODE": "is not set; set it",
	} {
		_, err := files(t, mainFile+uplink, "[node]\nid = \""+source+"\"\n")
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), "a.toml:2: node.id") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}
