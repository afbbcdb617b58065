package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/test/kit"
)

// summary writes the changes as one line.
func (p *Changes) summary() string {
	var list []string
	add := func(kind string, added, replaced, gone []string) {
		for _, part := range []struct {
			sign  string
			names []string
		}{{"+", added}, {"~", replaced}, {"-", gone}} {
			for _, name := range part.names {
				list = append(list, part.sign+kind+" "+name)
			}
		}
	}
	summarize(add, "realm", p.realms, func(r *config.Realm) string { return r.Name })
	summarize(add, "listener", p.listens, func(l *config.Listen) string { return l.URL })
	summarize(add, "line", p.lines, func(s *config.Serial) string { return s.Name })
	summarize(add, "uplink", p.uplinks, func(u *config.Uplink) string { return u.Name })
	slices.Sort(list)
	return strings.Join(append(append(append(list, p.settings...), p.updated...), p.renewed...), ", ")
}

func summarize[T any](add func(string, []string, []string, []string), kind string, d difference[T], name func(T) string) {
	names := func(parts []T) (list []string) {
		for _, part := range parts {
			list = append(list, name(part))
		}
		return list
	}
	add(kind, names(d.added), names(d.starting()[len(d.added):]), names(d.gone))
}

// planRealm begins each configuration.
const planRealm = "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"guest\"\n[[realm.role]]\nname = \"guest\"\n"

func TestPlan(t *testing.T) {
	const (
		listen  = "[[listen]]\nurl = \"tcp://127.0.0.1:1\"\n"
		uplink  = "[[uplink]]\nname = \"c\"\nurl = \"tcp://127.0.0.1:2\"\n[[uplink.export]]\ntopic = \"a.b\"\n"
		serial  = "[[serial]]\nname = \"s\"\ndevice = \"/dev/ttyS9\"\n"
		metrics = "[metrics]\nurl = \"http://127.0.0.1:1\"\n"
		role    = "[[realm.role]]\nname = \"b\"\n"
		realm2  = "[[realm]]\nname = \"realm2\"\n"
		data    = "[node]\nid = \"x\"\ndata = \"/a\"\n"
		whole   = "[node]\nid = \"x\"\n" + listen + uplink + serial
	)
	for _, c := range []struct{ old, next, want string }{
		{whole, whole, ""},
		{whole, "[node]\nid = \"x\"\n# moved\n" + serial + uplink + listen, ""},
		{"", listen, "+listener tcp://127.0.0.1:1"},
		{listen, "", "-listener tcp://127.0.0.1:1"},
		{listen, listen + "max_connections = 5\n", "~listener tcp://127.0.0.1:1"},
		{listen, strings.Replace(listen, ":1", ":3", 1), "+listener tcp://127.0.0.1:3, -listener tcp://127.0.0.1:1"},
		{listen, "[limits]\nmax_message = \"2MB\"\n" + listen, "~listener tcp://127.0.0.1:1"},
		{listen, "[limits]\nmax_calls = 5\n" + listen, "[limits]"},
		{uplink, uplink + "match = \"prefix\"\n", "~uplink c"},
		{whole, strings.Replace(whole, `"x"`, `"y"`, 1), "~uplink c, [node] id: the node is y"},
		{serial, serial + "baud = 9600\n", "~line s"},
		{"", "[[realm]]\nname = \"realm2\"\n", "+realm realm2"},
		{"[[realm]]\nname = \"realm2\"\n", "", "-realm realm2"},
		{"[node]\ndata = \"/a\"\n", "[node]\ndata = \"/b\"\n", "[node] data: takes effect at the next start"},
		{"", "[metrics]\nurl = \"http://127.0.0.1:1\"\n", "[metrics] url"},
		{metrics, metrics + "hosts = [\"gateway.local\"]\n", "[metrics] hosts"},
		{metrics + "hosts = [\"a.local\"]\n", metrics + "hosts = [\"a.local\"]\n", ""},
		{"", "[log]\nlevel = \"debug\"\n", "[log] level"},
		{"", "[log]\nformat = \"json\"\n", "[log] format"},
		{"", role, "~realm realm1, realm realm1: who may join and what they may do"},
		{role, "", "~realm realm1, realm realm1: who may join and what they may do"},
		{"", "[[realm.history]]\nuri = \"a.b\"\n", "~realm realm1, realm realm1: histories"},
		{data, "[[realm.durable]]\nname = \"d\"\nuri = \"a.b\"\n" + data, "~realm realm1, realm realm1: durable subscriptions"},
		{realm2 + data, realm2 + "strict = true\n" + data, "~realm realm2, realm realm2: strict, for sessions that join from now on"},
		{realm2 + data, realm2 + "durable_size = \"1MiB\"\n" + data, "~realm realm2, realm realm2: durable_size: takes effect at the next start"},
	} {
		read := func(text string) *config.Config {
			config, err := config.Parse("test.toml", planRealm+text)
			if err != nil {
				t.Fatal(err)
			}
			return config
		}
		old, next := read(c.old), read(c.next)
		before, after := fmt.Sprintf("%+v", *old), fmt.Sprintf("%+v", *next)
		p := Plan(old, next)
		if fmt.Sprintf("%+v", *old) != before || fmt.Sprintf("%+v", *next) != after {
			t.Errorf("from\n%s\nto\n%s\nPlan has changed a configuration", c.old, c.next)
		}
		if got := p.summary(); got != c.want {
			t.Errorf("from\n%s\nto\n%s\ngot  %s\nwant %s", c.old, c.next, got, c.want)
		}
	}
}

// A certificate that is replaced in its files is reported, and its listener and its uplink stay open.
func TestPlanCertificates(t *testing.T) {
	dir := t.TempDir()
	pair := "certificate = \"" + dir + "/ca.pem\"\nkey = \"" + dir + "/ca.key\"\n"
	text := planRealm + "[node]\nid = \"x\"\n[[listen]]\nurl = \"tls://127.0.0.1:1\"\n" + pair + "[[listen]]\nurl = \"tcp://127.0.0.1:3\"\n" +
		"[[uplink]]\nname = \"c\"\nurl = \"tls://127.0.0.1:2\"\n" + pair + "[[uplink.export]]\ntopic = \"a.b\"\n"
	read := func() *config.Config {
		c, err := config.Parse("test.toml", text)
		kit.Must(t, err)
		return c
	}
	kit.Certificates(t, dir, "127.0.0.1")
	old := read()
	if got := Plan(old, read()).summary(); got != "" {
		t.Errorf("the same files: %q", got)
	}
	kit.Certificates(t, dir, "127.0.0.1")
	want := "listener tls://127.0.0.1:1: new certificate, uplink c: new certificate, from its next connection on"
	if got := Plan(old, read()).summary(); got != want {
		t.Errorf("other files: %q, want %q", got, want)
	}
}
