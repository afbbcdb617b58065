package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
)

// centre runs a router whose sessions have the permissions, until the test ends. It returns its URL.
func centre(t *testing.T, permissions string, certificates *tls.Config) string {
	t.Helper()
	conf, err := config.Load(kit.Write(t, t.TempDir(), "runnel.toml", "version = 1\n[[realm]]\nname = \"plant\"\nanonymous = \"gateway\"\n[[realm.role]]\nname = \"gateway\"\n"+permissions), nil)
	kit.Must(t, err)
	opts, err := config.RealmOptions(conf, conf.Realms[0])
	kit.Must(t, err)
	quiet := slog.New(slog.DiscardHandler)
	router := edge.NewRouter(edge.Options{Log: quiet})
	kit.Must(t, router.AddRealm(opts))
	scheme := "tcp"
	if certificates != nil {
		scheme = "tls"
	}
	listener, err := transport.Listen(scheme+"://127.0.0.1:0", transport.ListenOptions{Log: quiet, TLS: certificates})
	kit.Must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { listener.Run(ctx, func(c transport.Conn) { router.Serve(c) }) })
	t.Cleanup(func() {
		stop()
		router.Close(context.Background())
		running.Wait()
	})
	return fmt.Sprintf("%s://%v", scheme, listener.Addr().(*net.TCPAddr))
}

func permit(uri, match, actions string) string {
	return fmt.Sprintf("[[realm.role.permission]]\nuri = %q\nmatch = %q\nallow = [%s]\n", uri, match, actions)
}

// Each permission that the rules of a link need is tried at the centre. The remedy lists those that are missing, once each.
func TestRights(t *testing.T) {
	topic, procedure, imported := "com.a.", "com.p", "org.b"
	prefix := config.Match(wamp.Prefix)
	u := config.Uplink{Name: "central", RemoteRealm: "plant",
		Exports: []config.Share{{Topic: &topic, Match: prefix}, {Procedure: &procedure}},
		Imports: []config.Share{{Topic: &imported}, {Procedure: &procedure}, {Topic: &imported}},
	}
	everything := permit("com.", "prefix", `"publish", "register"`) + permit("org.", "prefix", `"subscribe"`)
	meta := permit("wamp.", "prefix", `"subscribe", "call"`)
	for _, c := range []struct {
		what, permissions, want string
		remedy                  []string
	}{
		{"all", everything + meta, "", nil},
		{"no meta events", everything, "note: OBJECT: the centre does not permit role \"gateway\" to subscribe wamp.subscription., subscribe wamp.registration.: every exported event crosses the link, even without a subscriber",
			[]string{"permit-gw-1-central-meta.toml", "uri = \"wamp.subscription.\"\n    match = \"prefix\"\n    allow = [\"call\", \"subscribe\"]"}},
		{"no events", permit("com.p", "exact", `"register"`) + meta, "error: OBJECT: the centre does not permit role \"gateway\" to publish com.a., subscribe org.b, subscribe org.b",
			[]string{"permit-gw-1-central.toml", "uri = \"com.a.\"\n    match = \"prefix\"\n    allow = [\"publish\"]", "uri = \"org.b\""}},
		{"no procedure", permit("com.a.", "prefix", `"publish"`) + permit("org.", "prefix", `"subscribe"`) + meta, "error: OBJECT: the centre does not permit role \"gateway\" to register com.p",
			[]string{"uri = \"com.p\"\n    allow = [\"register\", \"call\"]"}},
	} {
		u.URL = []string{centre(t, c.permissions, nil)}
		e := &examination{config: &config.Config{Node: config.Node{ID: "gw-1"}, Uplinks: []config.Uplink{u}}}
		checkUplinks(t.Context(), e)
		if got := strings.ReplaceAll(found(e.findings), "uplink central, "+u.URL[0], "OBJECT"); got != c.want {
			t.Errorf("%s: %s", c.what, got)
		}
		for _, part := range c.remedy {
			if len(e.findings) == 1 && strings.Count(e.findings[0].Remedy, part) != 1 {
				t.Errorf("%s: not one %q in\n%s", c.what, part, e.findings[0].Remedy)
			}
		}
	}
	// Other errors of the centre are not reported as missing permissions.
	e := new(examination)
	tr := trial{e: e, object: "OBJECT"}
	tr.record("call", "com.x", prefix, errors.New("odd"))
	tr.record("register", "com.x", prefix, wamp.ProcedureAlreadyExists)
	if found(e.findings) != "warning: OBJECT: call com.x: odd" || len(tr.missing) != 0 {
		t.Errorf("%s, %v", found(e.findings), tr.missing)
	}
}

// A link presents its certificate. The key of the certificate is not mistaken for a key of the node.
func TestLinkWithACertificate(t *testing.T) {
	dir := t.TempDir()
	kit.Certificates(t, dir, "127.0.0.1", "centre", "node")
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, "centre.pem"), filepath.Join(dir, "centre.key"))
	kit.Must(t, err)
	path := func(name string) config.Path { return config.Path(filepath.Join(dir, name)) }
	url := centre(t, permit("", "prefix", `"subscribe"`), &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert})
	for _, c := range []struct {
		what string
		u    config.Uplink
		want string // of the error
	}{
		{"its certificate", config.Uplink{Certificate: path("node.pem"), Key: path("node.key"), CA: path("ca.pem")}, ""},
		{"none", config.Uplink{CA: path("ca.pem")}, "certificate required"},
		{"no authority", config.Uplink{Certificate: path("node.pem"), Key: path("node.key")}, "unknown authority"},
		{"a file that is missing", config.Uplink{Certificate: path("none.pem"), Key: path("node.key"), CA: path("ca.pem")}, "none.pem"},
		{"an authority that is missing", config.Uplink{CA: path("none.pem")}, "none.pem"},
		{"a key that is none", config.Uplink{Authid: "gw-1", Key: path("node.key"), CA: path("ca.pem")}, "node.key"},
	} {
		c.u.RemoteRealm = "plant"
		conn, err := new(examination).join(t.Context(), c.u, url)
		if err == nil {
			conn.Close(t.Context())
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// A centre does not enrol a node that has another identity there.
func TestAdmitAnotherIdentity(t *testing.T) {
	e := &examination{config: &config.Config{Node: config.Node{ID: "gw-1"}}}
	for authid, enrols := range map[string]bool{"gw-1": true, "plant/gw-1": false} {
		got := e.admit(config.Uplink{Authid: authid, Key: "k", URL: []string{"tls://c"}})
		if strings.Contains(got, "runnel token new") != enrols || strings.Contains(got, "conf.d/plant_gw-1.toml") == enrols {
			t.Errorf("%s: %s", authid, got)
		}
	}
}

// While the files are invalid, the last configuration that worked is examined.
func TestLastConfigurationThatWorked(t *testing.T) {
	dir := t.TempDir()
	text := realm + "[node]\nid = \"n\"\ndata = " + fmt.Sprintf("%q", dir) + "\n"
	const broken = "[[uplink]]\nname = \"x\"\n"
	file := kit.Write(t, dir, "runnel.toml", text+"[[serial]]\nname = \"bus\"\ndevice = \"/dev/none-of-these\"\nmode = \"lines\"\nformat = \"json\"\ntopic = \"com.a\"\nrole = \"all\"\n")
	kept, err := config.Load(file, nil)
	kit.Must(t, err)
	kit.Must(t, config.KeepLastGood(kept))
	kit.Write(t, dir, "runnel.toml", text+broken)
	for status, want := range map[string]string{"": "runnel check -c FILE", "{}": "runnel check -c FILE && runnel reload"} {
		r, err := Examine(t.Context(), Options{File: file, Status: func(context.Context, *config.Config) ([]byte, error) {
			if status == "" {
				return nil, ErrNotRunning
			}
			return []byte(status), nil
		}})
		kit.Must(t, err)
		line, remedy := false, ""
		for _, f := range r.Findings {
			line = line || f.Object == "serial line bus"
			if f.Check == "config" && f.Level == Warning {
				remedy = strings.ReplaceAll(f.Remedy, file, "FILE")
			}
		}
		if !line || remedy != "correct the problems above, then: "+want {
			t.Errorf("%q\n%s", remedy, found(r.Findings))
		}
	}
}

// failing is a writer that fails.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

func TestPrintFails(t *testing.T) {
	r := &Report{Findings: []Finding{{"a", Error, "", "x", ""}}}
	if r.Print(failing{}) == nil || r.PrintJSON(failing{}) == nil {
		t.Error("the error is lost")
	}
}

// A durable import needs a centre that keeps events, and the permission for it.
func TestDurableImport(t *testing.T) {
	imported := "com.command."
	u := config.Uplink{Name: "central", RemoteRealm: "plant", Imports: []config.Share{{Topic: &imported, Match: config.Match(wamp.Prefix), Store: "durable"}}}
	allowed := permit("", "prefix", `"subscribe", "call"`)
	for _, c := range []struct {
		what, role, more, want string
	}{
		{"no data", "durable = true\n", "", "warning: OBJECT: the centre has no durable subscriptions: events published while the link is down are lost"},
		{"no permission", "", "data", "error: OBJECT: the centre does not permit role \"gateway\" to create durable subscriptions: events published while the link is down are lost"},
		{"permission", "durable = true\n", "data", ""},
	} {
		if c.more != "" {
			c.more = fmt.Sprintf("[node]\ndata = %q\n", t.TempDir())
		}
		u.URL = []string{centre(t, c.role+allowed+c.more, nil)}
		e := &examination{config: &config.Config{Node: config.Node{ID: "gw-1"}, Uplinks: []config.Uplink{u}}}
		checkUplinks(t.Context(), e)
		if got := strings.ReplaceAll(found(e.findings), "uplink central, "+u.URL[0], "OBJECT"); got != c.want {
			t.Errorf("%s: %s", c.what, got)
		}
		if c.what == "no permission" && (len(e.findings) != 1 || !strings.Contains(e.findings[0].Remedy, "durable = true")) {
			t.Errorf("%s: %+v", c.what, e.findings)
		}
	}
}
