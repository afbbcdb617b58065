package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config/directory"
)

// Settings that make "runnel run" fail are problems of the configuration, with line and key.
func TestUnworkable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	listen := func(urls ...string) (text string) {
		for _, url := range urls {
			text += "[[listen]]\nurl = \"" + url + "\"\n"
		}
		return text
	}
	link := func(url, more string) string {
		return "[[uplink]]\nname = \"c\"\nurl = [\"" + url + "\"]\n" + more + "[[uplink.export]]\ntopic = \"a.b\"\n"
	}
	metrics := func(url string) string { return "[metrics]\nurl = \"" + url + "\"\n" }
	twice := "this address is already used by"
	for _, c := range []struct{ text, want string }{
		{listen("tcp://127.0.0.1:70000"), `listen.url: "tcp://127.0.0.1:70000": "70000" is not a port`},
		{listen("ws://127.0.0.1:8081/ws?a=b"), "neither a query nor a fragment"},
		{metrics("http://127.0.0.1:70000"), `metrics.url: "http://127.0.0.1:70000": "70000" is not a port`},
		{listen("tcp://127.0.0.1:8081", "ws://127.0.0.1:8081"), twice},
		{listen("ws://127.0.0.1:8081/a", "ws://127.0.0.1:8081/b"), twice},
		{listen("tcp://0.0.0.0:8081", "tcp://127.0.0.1:8081"), twice},
		{listen("tcp://127.0.0.1:8081", "tcp://[::]:8081"), twice},
		{listen("tcp://:8081", "tcp://[::1]:8081"), twice},
		{listen("tcp://localhost:8081", "tcp://127.0.0.1:8081"), twice},
		{listen("tcp://[::ffff:127.0.0.1]:8081", "tcp://127.0.0.1:8081"), twice},
		{listen("tcp://127.0.0.1:8081") + metrics("http://localhost:8081/metrics"), "metrics.url: this address is already used by listener tcp://127.0.0.1:8081 at"},
		{listen("unix://a.sock", "unix://./b/../a.sock"), "is already defined at"},
		{listen("unix://"+dir+"/a.sock", "unix://"+dir+"/link/a.sock"), twice},
		{listen("unix://" + file), "listen.url: " + file + " exists and is not a socket"},
		{listen("unix://" + file + "/a.sock"), "listen.url: " + file + " is not a directory"},
		{listen("unix://a.sock") + "owner = \"no-such-user\"\n", "listen.owner: user: unknown user no-such-user"},
		{listen("unix://a.sock") + "group = \"no-such-group\"\n", "listen.group: group: unknown group no-such-group"},
		{listen("tcp://192.0.2.1:8081"), `listen.url: this machine cannot listen at "192.0.2.1"`},
		{metrics("http://192.0.2.1:8081"), `metrics.url: this machine cannot listen at "192.0.2.1"`},
		{"[node]\ndata = \"" + file + "\"\n", "node.data: " + file + " is not a directory"},
		{"[node]\ndata = \"" + file + "/a/b\"\n", "node.data: " + file + " is not a directory"},
		{link("tcp://127.0.0.1", ""), "uplink.url: tcp://127.0.0.1: the port is missing"},
		{link("tcp://127.0.0.1:70000", ""), `uplink.url: "tcp://127.0.0.1:70000": "70000" is not a port`},
		{link("mqtt://127.0.0.1:70000", ""), `uplink.url: "mqtt://127.0.0.1:70000": "70000" is not a port`},
		{link("ws://127.0.0.1:0", ""), `cannot connect to port 0`},
		{link("tcp://127.0.0.1:1/ws", ""), "a tcp URL has no path"},
		{link("tcp://joe:x@127.0.0.1:1", ""), "has more than a host and a port; give the link"},
		{link("tcp://127.0.0.1:1", "") + strings.Replace(link("mqtt://127.0.0.1:2", "client_id = \"x\"\n"), `"c"`, `"d"`, 1) +
			strings.Replace(link("mqtt://127.0.0.1:2", "client_id = \"x\"\n"), `"c"`, `"e"`, 1), `uplink.client_id: the uplink "d" at`},
		{"[[serial]]\nname = \"a\"\ndevice = \"" + file + "\"\n[[serial]]\nname = \"b\"\ndevice = \"" + dir + "/link/file\"\n", `serial.device: the serial line "a" at`},
		{"[[serial]]\nname = \"a\"\nusb = { vid = \"2341\", pid = \"0043\" }\n[[serial]]\nname = \"b\"\nusb = { vid = \"2341\", pid = \"0043\" }\n", `serial.usb: the serial line "a" at`},
	} {
		_, _, err := load(t, realm1+c.text)
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(problems[0].Error(), c.want) || problems[0].Line == 0 {
			t.Errorf("%s\n%v\nwant %s", c.text, err, c.want)
		}
	}
	for _, text := range []string{
		listen("tcp://127.0.0.1:8081", "tcp://[::1]:8081"), listen("tcp://127.0.0.1:0", "tcp://127.0.0.1:0/"), link("unix://a.sock", ""),
		listen("tcp://127.0.0.1:8081", "tcp://127.0.0.2:8081") + metrics("http://127.0.0.3:8081"), "[node]\ndata = \"" + dir + "/new/place\"\n",
	} {
		if _, _, err := load(t, realm1+text); err != nil && !strings.Contains(err.Error(), "listener tcp") {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

// A port that another process uses is not a problem of the configuration: the process may be the running router.
func TestTakenPortIsValid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, _, err := load(t, realm1+fmt.Sprintf("[[listen]]\nurl = \"tcp://%s\"\n", l.Addr())); err != nil {
		t.Error(err)
	}
}

// Storing on disk needs a data directory.
func TestStoreNeedsAPlace(t *testing.T) {
	if directory.Writable(systemData) == nil {
		t.Skip("there is a usual place on this machine")
	}
	for store, refused := range map[string]bool{"memory": false, "disk": true, "durable": true} {
		text := "[[uplink]]\nname = \"c\"\nurl = \"tcp://127.0.0.1:1\"\n[[uplink.export]]\ntopic = \"a.b\"\nstore = \"" + store + "\"\n"
		_, _, err := load(t, realm1+text)
		if (err != nil) != refused || err != nil && !strings.Contains(err.Error(), "uplink.export.store: \""+store+"\" needs a data directory; write [node] data") {
			t.Errorf("%s: %v", store, err)
		}
	}
}

// Valid settings that are most likely mistakes get a warning.
func TestHints(t *testing.T) {
	const (
		permission = "[[realm.role.permission]]\nallow = [\"publish\"]\nuri = "
		export     = "[[uplink]]\nname = \"c\"\nurl = \"tcp://127.0.0.1:1\"\n[[uplink.export]]\ntopic = "
	)
	for _, c := range []struct{ text, want string }{
		{permission + `"com.example.*"`, `realm.role.permission.uri: "com.example.*" is matched character by character and most likely matches nothing; write uri = "com.example." with match = "prefix"`},
		{permission + `"com.example*"`, `write uri = "com.example" with match = "prefix"`},
		{permission + `"com.*.temperature"`, `write uri = "com..temperature" with match = "wildcard"`},
		{permission + `"com.<device>.temperature"`, `write uri = "com..temperature" with match = "wildcard"`},
		{permission + "\"com.*.x\"\nmatch = \"wildcard\"", `write uri = "com..x" with match = "wildcard"`},
		{permission + "\"com.example.*\"\nmatch = \"prefix\"", `write uri = "com.example." with match = "prefix"`},
		{permission + `"com.+.x"`, `write uri = "com..x" with match = "wildcard"`},
		{permission + `"com/example/+"`, `write uri = "com.example." with match = "wildcard"`},
		{permission + `"*"`, `write uri = "" with match = "prefix"`},
		{export + `"com.example.*"`, `uplink.export.topic: "com.example.*" is matched character by character`},
		{"[[realm.history]]\nuri = \"com.example.*\"", `realm.history.uri: "com.example.*" is matched character by character`},
		{permission + "\"com.example\"\nmatch = \"prefix\"", `the prefix "com.example" also matches URIs like "com.example2"; write "com.example."`},
		{export + "\"com.example\"\nmatch = \"prefix\"", `uplink.export.topic: the prefix "com.example" also matches`},
		{permission + "\"com.\"\nmatch = \"prefix\"\n" + permission + "\"com..x\"\nmatch = \"wildcard\"", `this permission never decides: the one for prefix "com." is more specific`},
		{"[[realm.role]]\nname = \"other\"\n" + permission + `"a.b"`, `realm.role.name: no session can have the role "other"`},
		{"[[realm.role]]\nname = \"other\"\n[[realm.principal]]\nauthid = \"a\"\nrole = \"other\"\nuid = 1", `the role "other" allows nothing`},
		{"[[realm]]\nname = \"realm2\"\n[[listen]]\nurl = \"tcp://127.0.0.1:0\"", `realm.name: no client can join the realm "realm2"`},
		{"[[realm]]\nname = \"realm2\"\nanonymous = \"guest\"\n[[realm.role]]\nname = \"guest\"\n" + permission + "\"a\"\n[[listen]]\nurl = \"tcp://127.0.0.1:0\"\nrealm = \"realm1\"",
			`no listener and no serial line leads to the realm "realm2"`},
		{permission + "\"com.example.\"\nmatch = \"prefix\"\n" + permission + "\"com.example.a\"\n" + permission + "\"..b\"\nmatch = \"wildcard\"", ""},
		{"[[realm.role]]\nname = \"other\"\nauthorizer = \"a.b\"\n[realm.authenticator]\nticket = \"a.c\"", ""},
	} {
		config, err := Parse("test.toml", realm1+permission+"\"z.z\"\n"+c.text+"\n")
		if err != nil {
			t.Errorf("%s\n%v", c.text, err)
			continue
		}
		found := slices.ContainsFunc(config.Warnings, func(p Problem) bool { return c.want != "" && strings.Contains(p.Error(), c.want) })
		if found != (c.want != "") || c.want == "" && len(config.Warnings) > 0 {
			t.Errorf("%s\n%v\nwant %s", c.text, config.Warnings, c.want)
		}
	}
	// These are no URIs at all.
	for uri, want := range map[string]string{"com.example.#": `write uri = "com.example." with match = "prefix"`, "com/example/#": `write uri = "com.example." with match = "prefix"`} {
		if _, err := Parse("test.toml", realm1+permission+"\""+uri+"\"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// Neither the built-in default nor the configuration of the packages causes a warning.
func TestNoWarningsToBeginWith(t *testing.T) {
	packaged, err := os.ReadFile("../../../../boards/packaging/runnel.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"default.toml": Default, "runnel.toml": string(packaged)} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file, nil)
		if problems := (Problems)(nil); errors.As(err, &problems) {
			t.Skip(err) // no permission to write there
		}
		if err != nil || len(c.Warnings) > 0 {
			t.Errorf("%s: %v, %v", name, err, c.Warnings)
		}
	}
}
