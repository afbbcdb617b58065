package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config/position"
	"runnel/edge"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink/spool"
)

// A router whose files have become invalid starts with the texts that it has kept, as long as they are those of its file.
func TestKeptConfiguration(t *testing.T) {
	dir := t.TempDir()
	text := realm1 + "[node]\nid = \"first\"\ndata = \"" + dir + "\"\n"
	file := kit.Write(t, dir, "runnel.toml", text)
	c, err := Load(file, nil)
	kit.Must(t, err)
	kept := filepath.Join(dir, lastGoodFile)
	kit.Must(t, KeepLastGood(c))
	first, err := os.Stat(kept)
	kit.Must(t, err)
	if first.Mode().Perm() != 0o600 {
		t.Errorf("%v: the texts may hold secrets", first.Mode())
	}
	past := time.Now().Add(-time.Hour)
	kit.Must(t, os.Chtimes(kept, past, past))
	kit.Must(t, KeepLastGood(c))
	if again, err := os.Stat(kept); err != nil || again.ModTime().Unix() != past.Unix() {
		t.Errorf("the same texts are written again: %v", err)
	}
	if c, err := LoadFallback(file, nil); err != nil || c.Fallback != nil {
		t.Errorf("valid files: %v, %+v", err, c)
	}

	kit.Write(t, dir, "runnel.toml", text+"oops = 1\nalas = 2\n")
	c, err = LoadFallback(file, nil)
	if err != nil || c.Node.ID != "first" || c.Fallback == nil || c.Fallback.File != kept || c.Fallback.Saved.Unix() != past.Unix() {
		t.Fatalf("%v, %+v", err, c)
	}
	if got := c.Fallback.Describe(); !strings.HasPrefix(got, "the last configuration that worked, saved in "+kept+" at ") {
		t.Error(got)
	}
	if got := c.Fallback.Error(); !strings.HasPrefix(got, "invalid, so the last configuration that worked is in use: ") || !strings.HasSuffix(got, "; and 1 more problems, see runnel check") {
		t.Error(got)
	}
	kit.Must(t, os.Remove(kept))
	if kit.Must(t, KeepLastGood(c)); exists(kept) {
		t.Error("a configuration in place of another is kept")
	}
	if c, err := LoadFallback(file, nil); err == nil || c != nil {
		t.Errorf("without kept texts: %+v", c)
	}
	for what, content := range map[string]string{"no JSON": "{", "another file's": `{"file":"/other.toml","files":{}}`, "texts that are invalid": `{"file":"` + file + `","files":{"` + file + `":"version = 7"}}`} {
		kit.Write(t, dir, lastGoodFile, content)
		if c, err := LoadFallback(file, nil); err == nil {
			t.Errorf("%s: %+v", what, c)
		}
	}
	if _, err := LoadFallback(filepath.Join(dir, "none.toml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is missing: %v", err)
	}
	for _, c := range []*Config{{KeepsNothing: true, sources: Drafts{}}, {Node: Node{Data: Path(filepath.Join(dir, "no", "where"))}}} {
		if err := KeepLastGood(c); err != nil {
			t.Errorf("there is nothing to keep: %v", err)
		}
	}
	if err := KeepLastGood(&Config{Node: Node{Data: Path(filepath.Join(file, "below"))}, sources: Drafts{}}); err == nil {
		t.Error("the error of the directory is lost")
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// Without kept texts, a router starts without the files of conf.d that are invalid.
func TestConfigurationWithoutInvalidFiles(t *testing.T) {
	dir := t.TempDir()
	file := kit.Write(t, dir, "runnel.toml", realm1+"[node]\nid = \"n\"\n")
	kit.Must(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o755))
	kit.Write(t, dir, filepath.Join("conf.d", "good.toml"), "[[listen]]\nurl = \"tcp://127.0.0.1:1\"\n")
	bad := kit.Write(t, dir, filepath.Join("conf.d", "bad.toml"), "[[listen]]\nurl = \"tcp://127.0.0.1:2\"\noops = 1\nalas = 2\n")
	c, err := LoadFallback(file, nil)
	if err != nil || c.Fallback == nil || c.Fallback.Describe() != "the configuration without "+bad || len(c.Listens) != 1 || c.Listens[0].URL != "tcp://127.0.0.1:1" {
		t.Fatalf("%v, %+v", err, c)
	}
	kit.Write(t, dir, "runnel.toml", realm1+"oops = 1\n")
	if c, err := LoadFallback(file, nil); err == nil {
		t.Errorf("a main file that is invalid: %+v", c)
	}
	// A file that was added since does not spoil the kept texts.
	kit.Write(t, dir, "runnel.toml", realm1+"[node]\nid = \"n\"\ndata = \""+dir+"\"\n")
	kit.Must(t, os.Remove(bad))
	c, err = Load(file, nil)
	kit.Must(t, err)
	kit.Must(t, KeepLastGood(c))
	kit.Write(t, dir, filepath.Join("conf.d", "bad.toml"), "[[listen]]\nurl = \"tcp://127.0.0.1:2\"\noops = 1\n")
	if c, err = LoadFallback(file, nil); err != nil || c.Fallback == nil || c.Fallback.File == "" || len(c.Listens) != 1 {
		t.Errorf("%v, %+v", err, c)
	}
}

// Durable exports hold back the acknowledgements of a realm, each by the number of its uplinks.
func TestConfirmations(t *testing.T) {
	topic, other := "a.b", "a.c"
	durable := func(topic *string, store string) Share { return Share{Topic: topic, Store: store} }
	c := &Config{
		Uplinks: []Uplink{
			{Realm: "realm1", Exports: []Share{durable(&topic, "durable"), durable(&topic, "durable"), durable(&other, "disk"), {Procedure: &topic, Store: "durable"}}},
			{Realm: "realm1", Exports: []Share{durable(&topic, "durable"), {Topic: &topic, Store: "durable", Match: Match(wamp.Prefix)}, durable(&other, "durable")}},
			{Realm: "realm2", Exports: []Share{durable(&topic, "durable")}},
		},
		Absent: []Uplink{{Realm: "realm1", Exports: []Share{durable(&topic, "durable")}}},
	}
	want := []edge.ConfirmRule{{URI: "a.b", By: 3}, {URI: "a.b", Match: wamp.Prefix, By: 1}, {URI: "a.c", By: 1}}
	got := confirmations(c, "realm1")
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, not %+v", got[i], want[i])
		}
	}
}

// The events of an uplink are on disk if its rules say so, or by default if there is a data directory.
func TestQueueOfAnUplink(t *testing.T) {
	topic := "a.b"
	for _, c := range []struct {
		share  Share
		place  bool
		stores bool
		class  spool.Class
	}{
		{Share{Topic: &topic}, true, true, spool.Disk}, {Share{Topic: &topic}, false, false, spool.Memory}, {Share{Topic: &topic, Store: "memory"}, true, false, spool.Memory},
		{Share{Topic: &topic, Store: "durable"}, true, true, spool.Durable}, {Share{Topic: &topic, Store: "disk"}, false, true, spool.Disk}, {Share{Procedure: &topic, Store: "disk"}, true, false, spool.Disk},
	} {
		if got := (Uplink{Exports: []Share{c.share}}).Stores(c.place); got != c.stores || c.share.Class(c.place) != c.class {
			t.Errorf("%+v, %v: %v, %v", c.share, c.place, got, c.share.Class(c.place))
		}
	}
	if (Uplink{}).Stores(true) {
		t.Error("an uplink without exports stores events")
	}
	for drop, want := range map[string]spool.Drop{"": spool.Oldest, "oldest": spool.Oldest, "newest": spool.Newest} {
		if got := (Uplink{Place: position.Missing("f", "uplink"), Drop: drop}).SpoolOptions().Drop; got != want {
			t.Errorf("%s: %v", drop, got)
		}
	}
	one := 1
	if (&Uplink{}).Quality() != 1 || (&Uplink{QoS: new(int)}).Quality() != 0 || (&Uplink{QoS: &one}).Quality() != 1 {
		t.Error("the quality of service")
	}
}

// Without a data directory no part has a path on disk.
func TestPlacesOfData(t *testing.T) {
	none, some := &Config{KeepsNothing: true}, &Config{Node: Node{Data: "/data"}}
	for what, at := range map[string]func(*Config) string{
		"/data/cookies.json": CookieFile, "/data/realm/a%2Fb": func(c *Config) string { return stateDir(c, "a/b") },
		"/data/uplink/c": func(c *Config) string { return SpoolDir(c, "c") }, "/data/uplink/%2E.": func(c *Config) string { return SpoolDir(c, "..") }, "/data": DataDir,
	} {
		if at(none) != "" || at(some) != what {
			t.Errorf("%q, %q, not %q", at(none), at(some), what)
		}
	}
	if url, err := ListenURL("unix:///a"); url != "unix:///a" || err != nil {
		t.Errorf("%s, %v", url, err)
	}
}

// The values derived from files determine whether a part must restart, and why.
func TestReasonsForChanges(t *testing.T) {
	dir := t.TempDir()
	kit.Certificates(t, dir, "127.0.0.1", "node")
	kit.Write(t, dir, "secret", "one-secret-of-many")
	text := realm1 + "[[realm.principal]]\nauthid = \"a\"\nrole = \"guest\"\nticket = \"file:secret\"\n[[realm.principal]]\nauthid = \"b\"\nrole = \"guest\"\nticket = \"another-secret-of-many\"\n" +
		"[node]\nid = \"n\"\ndata = \"" + dir + "\"\n" +
		"[[listen]]\nurl = \"tls://127.0.0.1:1\"\ncertificate = \"node.pem\"\nkey = \"node.key\"\nclient_ca = \"ca.pem\"\n" +
		"[[uplink]]\nname = \"c\"\nurl = [\"tls://127.0.0.1:1\"]\ncertificate = \"node.pem\"\nkey = \"node.key\"\n[[uplink.export]]\ntopic = \"a.b\"\n"
	read := func(text string) *Config {
		t.Helper()
		c, err := Load(kit.Write(t, dir, "runnel.toml", text), nil)
		kit.Must(t, err)
		return c
	}
	old := read(text)
	same := read(text)
	l, u := old.Listens[0], old.Uplinks[0]
	if !l.Same(same.Listens[0]) || l.Renewed(same.Listens[0]) || !u.Same(same.Uplinks[0]) || u.Renewed(same.Uplinks[0]) || u.ChangeReason(same.Uplinks[0]) != "" || l.ChangeReason(same.Listens[0]) != "" ||
		len(RotatedSecrets(old.Realms[0], same.Realms[0])) != 0 {
		t.Error("what is the same differs")
	}
	next := read(strings.Replace(text, "id = \"n\"", "id = \"m\"", 1))
	if got := u.ChangeReason(next.Uplinks[0]); got != ": the node's id has changed" || u.Same(next.Uplinks[0]) {
		t.Error(got)
	}
	kit.Certificates(t, dir, "127.0.0.1", "node")
	kit.Write(t, dir, "secret", "two-secrets-of-many")
	next = read(text)
	if !u.Same(next.Uplinks[0]) || !u.Renewed(next.Uplinks[0]) || !l.Renewed(next.Listens[0]) {
		t.Error("a new certificate does not need a new uplink, and is noticed")
	}
	if got := l.ChangeReason(next.Listens[0]); got != ": the file of client_ca has changed" || l.Same(next.Listens[0]) {
		t.Error(got)
	}
	if got := RotatedSecrets(old.Realms[0], next.Realms[0]); len(got) != 1 || got[0] != "a" {
		t.Errorf("%q", got)
	}
	if !Equal(WithoutFiles(old.Realms[0].Principals), WithoutFiles(next.Realms[0].Principals)) {
		t.Error("the principals differ by their files alone")
	}
	moved := read(strings.Replace(text, "ticket = \"file:secret\"", "ticket = \"file:./secret\"", 1))
	if got := RotatedSecrets(old.Realms[0], moved.Realms[0]); len(got) != 0 {
		t.Errorf("a principal that is written otherwise: %q", got)
	}
}
