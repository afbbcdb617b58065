package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/doctor"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/standin"
	"runnel/transport/serial"
)

// router runs a router at a Unix socket until the test ends. Its procedures answer with the handlers; its sessions have the
// permissions. It returns the configuration of such a router.
func router(t *testing.T, allow []auth.Permission, answers map[string]client.Handler) *config.Config {
	t.Helper()
	_, url := standin.Plant(t, allow, answers)
	return &config.Config{Name: "/nowhere/runnel.toml", Realms: []config.Realm{{Name: "plant"}}, Listens: []config.Listen{{URL: url}}}
}

// saying answers each call with the arguments, or with an error.
func saying(err error, args ...any) client.Handler {
	return func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args(args...), err }
}

func at(c *config.Config) *Router {
	return &Router{URL: c.Listens[0].URL, Realm: "plant", Serializer: "cbor"}
}

func TestURLs(t *testing.T) {
	for text, valid := range map[string]bool{
		"tcp://a:1": true, "tls://a:65535": true, "wss://a": true, "unix:///r.sock": true, "serial:///dev/x": true,
		"tcp://a:0": false, "tcp://a:65536": false, "http://a": false, "a:1": false, "%": false, "": false,
	} {
		if err := checkURL(text); (err == nil) != valid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Contradicting flags are errors before a connection attempt.
func TestOptions(t *testing.T) {
	dir := t.TempDir()
	key := kit.Write(t, dir, "key", strings.Repeat("00", 32))
	kit.Certificates(t, dir, "127.0.0.1", "node")
	pem, private := filepath.Join(dir, "node.pem"), filepath.Join(dir, "node.key")
	for _, c := range []struct {
		what    string
		r       Router
		methods int
		want    string // of the error
	}{
		{"anonymous", Router{URL: "tcp://a:1", Serializer: "cbor"}, 0, ""},
		{"a serializer", Router{URL: "tcp://a:1", Serializer: "xml"}, 0, "use cbor, msgpack or json"},
		{"a ticket", Router{URL: "tcp://a:1", Serializer: "json", authid: "x", ticket: "t"}, 1, ""},
		{"a key", Router{URL: "tcp://a:1", Serializer: "json", authid: "x", key: key}, 1, ""},
		{"a key that is missing", Router{URL: "tcp://a:1", Serializer: "json", authid: "x", key: key + "-"}, 0, "no such file"},
		{"a name alone", Router{URL: "tcp://a:1", Serializer: "json", authid: "x"}, 0, "the proof is missing"},
		{"a name at a socket", Router{URL: "unix:///r.sock", Serializer: "json", authid: "x"}, 0, ""},
		{"a certificate", Router{URL: "tls://a:1", Serializer: "json", authid: "x", certificate: pem, certKey: private}, 0, ""},
		{"a certificate without its key", Router{URL: "tls://a:1", Serializer: "json", authid: "x", certificate: pem}, 0, "key"},
		{"a binding", Router{URL: "tls://a:1", Serializer: "json", authid: "x", key: key, binding: "tls-exporter"}, 1, ""},
		{"a binding of a ticket", Router{URL: "tls://a:1", Serializer: "json", authid: "x", ticket: "t", binding: "tls-exporter"}, 0, "--channel-binding takes"},
		{"an unknown binding", Router{URL: "tls://a:1", Serializer: "json", authid: "x", key: key, binding: "x"}, 0, "--channel-binding takes"},
		{"a URL", Router{URL: "http://a", Serializer: "json"}, 0, "--url"},
	} {
		o, err := c.r.Options()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || err == nil && len(o.Auth) != c.methods {
			t.Errorf("%s: %d methods, %v", c.what, len(o.Auth), err)
		}
	}
}

// Without --url a command looks at the usual sockets, then at the loopback address.
func TestAddress(t *testing.T) {
	if _, err := os.Stat(config.SystemSocket); err == nil {
		t.Skip("a router runs on this machine")
	}
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if got := (&Router{}).Address(); got != loopbackURL || likelySocket() != "" {
		t.Error(got, likelySocket())
	}
	kit.Must(t, os.Mkdir(filepath.Join(dir, "runnel"), 0o755))
	socket := kit.Write(t, dir, "runnel/runnel.sock", "")
	if got := (&Router{}).Address(); got != "unix://"+socket || likelySocket() != socket {
		t.Error(got, likelySocket())
	}
	if got := (&Router{URL: "tcp://a:1"}).Address(); got != "tcp://a:1" {
		t.Error(got)
	}
	if got := localURL(&config.Config{Listens: []config.Listen{{URL: "tcp://127.0.0.1:1"}, {URL: "systemd:"}}}); got != "unix://"+socket {
		t.Errorf("sockets of systemd: %s", got)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if len(sockets()) != 1 {
		t.Errorf("%q", sockets())
	}
}

func TestLocalURL(t *testing.T) {
	for want, urls := range map[string][]string{
		"unix:///r.sock":    {"tcp://127.0.0.1:1", "unix:///r.sock", "unix:///s.sock"},
		"tcp://127.0.0.1:1": {"tls://127.0.0.1:9", "tcp://0.0.0.0:9", "tcp://127.0.0.1:0", "%", "tcp://127.0.0.1:1", "ws://localhost:2"},
		"ws://localhost:2":  {"wss://localhost:1", "ws://localhost:2"},
		"tcp://[::1]:1":     {"tcp://centre.example:1", "tcp://[::1]:1"},
		"":                  {"tcp://192.0.2.1:1"},
	} {
		c := new(config.Config)
		for _, url := range urls {
			c.Listens = append(c.Listens, config.Listen{URL: url})
		}
		if got := localURL(c); got != want {
			t.Errorf("%q: %s", urls, got)
		}
	}
}

// An error of the router names the procedure, once.
func TestErrors(t *testing.T) {
	refused := func(uri string, args ...any) error {
		return CallError(fmt.Errorf("call: %w", client.NewError(uri, args...)))
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{About("a.b", refused("wamp.error.canceled", "too late")), "wamp.error.canceled: call a.b: too late"}, {About("a.b", refused("com.x", "too late")), "com.x: too late"},
		{About("a.b", refused("wamp.error.no_such_procedure", "there is no a.b")), "wamp.error.no_such_procedure: there is no a.b"}, {About("a.b", refused("wamp.error.canceled")), "wamp.error.canceled: call a.b"},
		{refused("com.x"), "com.x"}, {CallError(fs.ErrClosed), fs.ErrClosed.Error()}, {About("a.b", fs.ErrClosed), fs.ErrClosed.Error()},
	} {
		if c.err.Error() != c.want {
			t.Errorf("%q, not %q", c.err, c.want)
		}
	}
	denied := CallError(client.NewError(string(wamp.NotAuthorized), "no"))
	for _, c := range []struct {
		url, procedure string
		explains       bool
		want           string
	}{
		{"tcp://a:1", "runnel.status", true, "administration is for "}, {"unix:///r.sock", "runnel.status", true, "give the role permission to call runnel.status"},
		{"tcp://a:1", "wamp.session.kill_by_authid", true, "administration is for "}, {"tcp://a:1", "com.x", false, ""},
	} {
		err := (&Router{URL: c.url}).Explain(c.procedure, denied)
		if _, explains := err.(deniedError); explains != c.explains || !strings.Contains(err.Error(), c.want) || !errors.Is(err, wamp.NotAuthorized) {
			t.Errorf("%s: %v", c.procedure, err)
		}
	}
	if err := (&Router{}).Explain("runnel.status", fs.ErrClosed); err != fs.ErrClosed {
		t.Error(err)
	}
}

// A question to the router returns the first value of the answer.
func TestAsk(t *testing.T) {
	c := router(t, standin.Everything, map[string]client.Handler{
		"runnel.one": saying(nil, map[string]any{"a": 1}, 2), "runnel.none": saying(nil), "runnel.no": saying(client.NewError("com.no", "because")), report.ProcedureStatus: saying(nil, map[string]any{"version": "1.2"}),
	})
	r := at(c)
	if text, err := r.Ask("runnel.one"); err != nil || text != `{"a":1}` {
		t.Errorf("%s, %v", text, err)
	}
	var result struct{ A int }
	if err := r.Read("runnel.one", nil, &result); err != nil || result.A != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	var wrong []string
	if err := r.Read("runnel.one", nil, &wrong); err == nil || !strings.Contains(err.Error(), "cannot read the answer") {
		t.Error(err)
	}
	if err := r.Read("runnel.one", nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := r.Ask("runnel.none"); err == nil || !strings.Contains(err.Error(), "cannot read the answer") {
		t.Error(err)
	}
	if err := r.Read("runnel.no", nil, &result); err == nil || err.Error() != "com.no: because" {
		t.Error(err)
	}
	// The status is requested at a listener of the configuration.
	if text, err := (&Router{Serializer: "cbor"}).StatusOf(t.Context(), c); err != nil || string(text) != `{"version":"1.2"}` {
		t.Errorf("%s, %v", text, err)
	}
	gone := *c
	gone.Listens = []config.Listen{{URL: c.Listens[0].URL + "-"}}
	for what, other := range map[string]*config.Config{"a socket that is missing": &gone, "no listener": {}} {
		if _, err := (&Router{Serializer: "cbor"}).StatusOf(t.Context(), other); err != doctor.ErrNotRunning {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := at(&gone).Ask("runnel.one"); err == nil || !strings.Contains(err.Error(), "is there a router?") {
		t.Error(err)
	}
	elsewhere := at(c)
	elsewhere.Realm = "nowhere"
	if _, err := elsewhere.Ask("runnel.one"); !errors.Is(err, wamp.NoSuchRealm) || strings.Contains(err.Error(), "is there a router?") {
		t.Error(err)
	}
	none := router(t, nil, nil)
	if _, err := at(none).Ask("runnel.one"); err == nil || !strings.Contains(err.Error(), "give the role permission to call runnel.one") {
		t.Error(err)
	}
}

// A router that runs with a configuration reloads it, and must then have the new part.
func TestReload(t *testing.T) {
	c := router(t, standin.Everything, map[string]client.Handler{report.ProcedureReload: saying(nil, "serial line a started", 7, "uplink \x1b[2J stopped")})
	lines, url, err := ReloadRunning("1", nil, &config.Config{Listens: []config.Listen{{URL: "tcp://127.0.0.1:1"}}}, c)
	if err != nil || url != c.Listens[0].URL || len(lines) != 2 || lines[0] != "serial line a started" || strings.Contains(lines[1], "\x1b") {
		t.Errorf("%q, %s, %v", lines, url, err)
	}
	for part, valid := range map[string]bool{"serial line a": true, "serial line": true, "serial": true, "serial line b": false, "serial li": false} {
		var out bytes.Buffer
		if err := ReloadFile(&out, "1", c, "a.toml", part); (err == nil) != valid || !strings.HasPrefix(out.String(), "serial line a started\n") {
			t.Errorf("%s: %v, %s", part, err, &out)
		}
	}
	idle := &config.Config{Name: "/x.toml", Realms: c.Realms, Listens: []config.Listen{{URL: "unix:///nowhere/r.sock"}}}
	var out bytes.Buffer
	if err := ReloadFile(&out, "1", idle, "a.toml", "a"); err != nil || out.String() != "no router runs with this configuration; \"runnel run -c /x.toml\" starts one\n" {
		t.Errorf("%s%v", &out, err)
	}
	if configArgument(&config.Config{Name: config.File("")}) != "" || configArgument(&config.Config{Name: "built-in default"}) != "" {
		t.Error("the default configuration is named")
	}
	broken := router(t, standin.Everything, map[string]client.Handler{report.ProcedureReload: saying(client.NewError(report.ErrorConfig, "a.toml:1: bad", "a.toml:2: worse"))})
	_, _, err = ReloadRunning("1", broken)
	if problems := (config.Problems)(nil); !errors.As(err, &problems) || len(problems) != 2 {
		t.Error(err)
	}
	if err := ReloadFile(&out, "1", broken, "a.toml", "a"); err == nil || !strings.Contains(err.Error(), "a.toml is written") {
		t.Error(err)
	}
	if _, reconnected, err := at(broken).Reload(t.Context()); err == nil || reconnected {
		t.Errorf("%v, %v", reconnected, err)
	}
}

// The remedy for a port that is in use names the router's line.
func TestPortErrors(t *testing.T) {
	held := func(name string) error {
		return fmt.Errorf("open: %w", &serial.Held{By: []serial.Process{{PID: 1, Name: name}}})
	}
	dir := t.TempDir()
	file := kit.Write(t, dir, "runnel.toml", "version = 1\n[[realm]]\nname = \"plant\"\nanonymous = \"a\"\n[[realm.role]]\nname = \"a\"\n[[serial]]\nname = \"bus\"\ndevice = \"/dev/none-of-these\"\nmode = \"lines\"\nformat = \"json\"\ntopic = \"a.b\"\nrole = \"a\"\n")
	for _, c := range []struct {
		device string
		err    error
		want   string
	}{
		{"/dev/x", fs.ErrNotExist, "\"runnel serial ls\" lists the ports"}, {"/dev/x", fs.ErrPermission, "run the command with sudo"}, {"/dev/x", fs.ErrClosed, fs.ErrClosed.Error()},
		{"/dev/x", held("minicom"), "stop the program that holds the port"}, {"/dev/x", held("runnel"), "a router or another runnel command"},
		{"/dev/none-of-these", held("runnel"), "it is the serial line \"bus\" of the running router (" + file + ":7)"},
	} {
		if err := PortError(file, c.device, c.err); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.device, err)
		}
	}
	// The lines of the running router take precedence over the configuration.
	c := router(t, standin.Everything, map[string]client.Handler{report.ProcedureStatus: saying(nil, map[string]any{"serial": []any{map[string]any{"name": "old", "device": "/dev/old"}}})})
	c.Realms[0].Name = "plant"
	if got := routerLine(c, "/dev/old"); got != "old" {
		t.Error(got)
	}
	if got := freeLine(nil, "/dev/old"); got != "" {
		t.Error(got)
	}
}

func TestAnswers(t *testing.T) {
	path := filepath.Join(kit.ShortDir(t), "s")
	l, err := net.Listen("unix", path)
	kit.Must(t, err)
	if !answers(path) || answers(path+"-") {
		t.Error("a socket that a process listens at answers, and no other")
	}
	l.Close()
	if answers(path) {
		t.Error("a socket that is closed answers")
	}
}

// A command for a node goes to the node's procedure at the centre. In a strict realm its name is escaped.
func TestNode(t *testing.T) {
	c := router(t, standin.Everything, map[string]client.Handler{
		"runnel.node.gw-1.status": saying(nil, "one"), "runnel.node.gw.2.status": saying(client.NewError(wamp.InvalidURI.Error())), "runnel.node." + wamp.Component("gw.2") + ".status": saying(nil, "two"),
		"runnel.node.gw-1.reload": saying(nil, "uplink a started"), "runnel.status": saying(nil, "centre"), "runnel.node.gw-3.status": saying(client.NewError(string(wamp.NotAuthorized))),
	})
	for node, want := range map[string]string{"": `"centre"`, "gw-1": `"one"`, "gw.2": `"two"`} {
		r := at(c)
		r.node = node
		if text, err := r.Ask("runnel.status"); err != nil || text != want || r.Node() != node {
			t.Errorf("node %q: %s, %v", node, text, err)
		}
	}
	r := at(c)
	r.node = "gw-3"
	if _, err := r.Ask("runnel.status"); err == nil || !strings.Contains(err.Error(), "permission to call runnel.node.gw-3.status") {
		t.Errorf("a node that may not be asked: %v", err)
	}
	r.node = "gw-1"
	if lines, again, err := r.Reload(t.Context()); err != nil || again || len(lines) != 1 {
		t.Errorf("%q, %v, %v", lines, again, err)
	}
}

// A reload that ends its own session is repeated as soon as the router can be reached.
func TestReloadAgain(t *testing.T) {
	for _, c := range []struct {
		what, node string
		first      error
		then       error
		again      bool
		want       string // of the error
	}{
		{"the session has ended", "", client.NewError(wamp.NetworkFailure.Error()), nil, true, ""},
		{"the session has ended, and the file is faulty", "", client.NewError(wamp.NetworkFailure.Error()), client.NewError(report.ErrorConfig, "a.toml:1: bad"), true, "a.toml:1: bad"},
		{"another error", "", client.NewError("com.x", "no"), nil, false, "com.x: no"},
		{"the node has left", "gw-1", client.NewError(errorNodeOffline), nil, true, ""},
		{"no node has left", "", client.NewError(errorNodeOffline), nil, false, errorNodeOffline},
		{"the node has another error", "gw-1", client.NewError("com.x", "no"), nil, false, "com.x: no"},
	} {
		calls := 0
		answer := func(context.Context, *client.Invocation) (client.Payload, error) {
			switch calls++; calls {
			case 1, 2:
				return client.Payload{}, c.first
			}
			return client.Args("realm a"), c.then
		}
		r := at(router(t, standin.Everything, map[string]client.Handler{report.ProcedureReload: answer, "runnel.node.gw-1.reload": answer}))
		r.node = c.node
		lines, again, err := r.Reload(t.Context())
		if again != c.again || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || err == nil && (len(lines) != 1 || calls != 3) {
			t.Errorf("%s: %q, again %v after %d calls, %v", c.what, lines, again, calls, err)
		}
	}
}

// The status of a router that denies it, or answers without one, is an error.
func TestStatusErrors(t *testing.T) {
	for want, c := range map[string]*config.Config{
		"permission to call runnel.status": router(t, nil, nil),
		"cannot read the answer":           router(t, standin.Everything, map[string]client.Handler{report.ProcedureStatus: saying(nil)}),
		"com.no: because":                  router(t, standin.Everything, map[string]client.Handler{report.ProcedureStatus: saying(client.NewError("com.no", "because"))}),
	} {
		if text, err := (&Router{Serializer: "cbor"}).StatusOf(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, %v, want %s", text, err, want)
		}
	}
	if _, err := (&Router{Serializer: "xml"}).StatusOf(t.Context(), router(t, nil, nil)); err == nil || err == doctor.ErrNotRunning {
		t.Errorf("a wrong flag: %v", err)
	}
	c := router(t, standin.Everything, map[string]client.Handler{report.ProcedureStatus: saying(nil, "named")})
	named := Router{URL: c.Listens[0].URL, Realm: "plant", Serializer: "cbor"}
	if text, err := named.StatusOf(t.Context(), &config.Config{}); err != nil || string(text) != `"named"` {
		t.Errorf("with --url: %s, %v", text, err)
	}
}

// The remedy for a port that a line of the router holds names the line's file.
func TestFreeLine(t *testing.T) {
	c := router(t, standin.Everything, map[string]client.Handler{report.ProcedureStatus: saying(nil, map[string]any{"serial": []any{
		map[string]any{"name": "absent", "device": ""}, map[string]any{"name": "gone", "device": "/dev/gone"}, map[string]any{"name": "bus", "device": "/dev/bus"}, map[string]any{"name": "extra", "device": "/dev/extra"},
	}})})
	c.Serials = make([]config.Serial, 2)
	c.Serials[0].Name, c.Serials[0].Place = "bus", position.Missing("/etc/runnel/runnel.toml", "serial")
	c.Serials[1].Name, c.Serials[1].Place = "extra", position.Missing("/etc/runnel/conf.d/extra.toml", "serial")
	for device, want := range map[string]string{
		"/dev/bus": "remove the table [[serial]] there", "/dev/extra": "mv /etc/runnel/conf.d/extra.toml /etc/runnel/conf.d/extra.toml.off", "/dev/gone": "does not have the line any more", "/dev/free": "", "": "",
	} {
		if got := freeLine(c, device); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %s", device, got)
		}
	}
}

// A command that lasts joins the realm of the router.
func TestConnectLasting(t *testing.T) {
	r := at(router(t, standin.Everything, map[string]client.Handler{"runnel.one": saying(nil, 1)}))
	o, err := r.Options()
	kit.Must(t, err)
	c, err := r.ConnectLasting(t.Context(), o)
	kit.Must(t, err)
	_, err = c.Call(t.Context(), "runnel.one", client.CallOptions{}, client.Payload{})
	kit.Must(t, err)
	kit.Must(t, Close(c))
}
