package stories

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
)

// change replaces text in the router's config.
func (r *router) change(t *testing.T, old, next string) {
	t.Helper()
	file := filepath.Join(r.dir, "runnel.toml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("%q is not in %s", old, b)
	}
	write(t, r.dir, "runnel.toml", strings.Replace(string(b), old, next, 1))
}

func (r *router) reload(t *testing.T) result {
	t.Helper()
	return runnel(t, "reload", "--url", r.unix)
}

const sensors = `
[[realm.role]]
name = "sensor"
[[realm.role.permission]]
uri = "story."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"] # sensors
[[realm.principal]]
authid = "pump"
role = "sensor"
ticket = "pump's"
[[realm.principal]]
authid = "drill"
role = "sensor"
ticket = "drill's"
`

// serveSensors starts a router with the principals "pump" and "drill".
func serveSensors(t *testing.T) *router {
	t.Helper()
	r := serve(t, sensors)
	return r
}

// A reload revokes a permission: sessions that used it lose it, and others are not affected.
func TestReloadPermission(t *testing.T) {
	r := serveSensors(t)
	pump := r.subscribe(t, r.tcp, "story.a", "--authid", "pump", "--ticket", "pump's")
	guest := r.subscribe(t, r.ws(), "story.a", "--match", "prefix")
	open := r.subscribe(t, r.unix, "story.b", "--authid", "drill", "--ticket", "drill's")
	before := r.count(t)
	r.change(t, "[[realm.principal]]", "[[realm.role.permission]]\nuri = \"story.a\"\nallow = [\"publish\"]\n[[realm.principal]]")
	r.reload(t).expect(t, 0, "realm realm1: who may join and what they may do", "")
	if after := r.count(t); after.Subscriptions != before.Subscriptions-1 {
		t.Errorf("%+v became %+v; one subscription should be gone", before, after)
	}
	runnel(t, "pub", "story.a", "1", "--ack", "--url", r.tcp).expect(t, 0, "", "")
	guest.sees("story.a 1")
	runnel(t, "pub", "story.b", "2", "--ack", "--url", r.tcp).expect(t, 0, "", "")
	open.sees("story.b 2")
	if text := pump.Stdout.Text(); text != "" {
		t.Errorf("it had no right to %s", text)
	}
	for _, p := range []*process{guest, open} {
		if text := p.Stderr.Text(); text != "" {
			t.Errorf("a session that is not concerned says %s", text)
		}
	}
	runnel(t, "sub", "story.a", "--url", r.tcp, "--authid", "pump", "--ticket", "pump's").expect(t, 1, "", "wamp.error.not_authorized")
}

// A reload ends the sessions of a removed principal and admits a new one.
func TestReloadPrincipal(t *testing.T) {
	r := serveSensors(t)
	pump := r.subscribe(t, r.tcp, "story.a", "--authid", "pump", "--ticket", "pump's")
	drill := r.subscribe(t, r.tcp, "story.b", "--authid", "drill", "--ticket", "drill's")
	r.change(t, `authid = "pump"`, `authid = "saw"`)
	r.reload(t).expect(t, 0, "realm realm1", "")
	pump.logs(`wamp\.close\.killed`)
	runnel(t, "pub", "story.b", "1", "--ack", "--url", r.tcp, "--authid", "saw", "--ticket", "pump's").expect(t, 0, "", "")
	drill.sees("story.b 1")
	if text := drill.Stderr.Text(); text != "" {
		t.Errorf("a session that is not concerned says %s", text)
	}
}

func TestReloadListeners(t *testing.T) {
	r := serve(t, "[[listen]]\nurl = \"unix://second.sock\"\n")
	second := "unix://" + r.dir + "/second.sock"
	stays := r.subscribe(t, r.tcp, "story.a")
	goes := r.subscribe(t, second, "story.b")
	r.change(t, "second.sock", "third.sock")
	r.reload(t).expect(t, 0, "listener "+second+" closed\nlistener unix://"+r.dir+"/third.sock opened\n", "")
	goes.logs(`wamp\.close\.system_shutdown.*configuration has changed`)
	runnel(t, "pub", "story.a", "1", "--ack", "--url", second).expect(t, 1, "", "no such file")
	runnel(t, "pub", "story.a", "1", "--ack", "--url", "unix://"+r.dir+"/third.sock").expect(t, 0, "", "")
	stays.sees("story.a 1")
	if text := stays.Stderr.Text(); text != "" {
		t.Errorf("a session that is not concerned says %s", text)
	}

	// The listener that the request used is itself replaced.
	r.change(t, "third.sock\"", "third.sock\"\nmode = \"0600\"")
	runnel(t, "reload", "--url", "unix://"+r.dir+"/third.sock").expect(t, 0, "and with it this session", "")
	if info, err := os.Stat(r.dir + "/third.sock"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	r.reload(t).expect(t, 0, "nothing has changed", "")
}

// A listener takes over the address of another one.
func TestReloadSameAddress(t *testing.T) {
	dir := t.TempDir()
	certificates(t, dir)
	r := serve(t, "")
	tls := strings.Replace(r.tcp, "tcp", "tls", 1)
	r.change(t, "tcp://127.0.0.1:0\"", tls+"\"\ncertificate = \""+dir+"/router.pem\"\nkey = \""+dir+"/router.pem\"")
	r.reload(t).expect(t, 0, "listener "+r.tcp+" closed\nlistener "+tls+" opened", "")
	runnel(t, "pub", "story.a", "--ack", "--url", tls, "--ca", dir+"/ca.pem").expect(t, 0, "", "")

	// A reload with an address that another program uses changes nothing.
	other := serve(t, "")
	r.change(t, "[[listen]]", "[[listen]]\nurl = \""+other.tcp+"\"\n[[listen]]")
	r.change(t, `anonymous = "guest"`, "")
	r.reload(t).expect(t, 1, "", "address already in use")
	runnel(t, "pub", "story.a", "--ack", "--url", tls, "--ca", dir+"/ca.pem").expect(t, 0, "", "")
}

// An invalid configuration changes nothing.
func TestReloadInvalid(t *testing.T) {
	r := serveSensors(t)
	sub := r.subscribe(t, r.tcp, "story.a", "--authid", "pump", "--ticket", "pump's")
	r.change(t, sensors, "")
	r.change(t, "[[listen]]", "[[listen]]\nurl = \"unix://another.sock\"\n[[listen]]")
	r.change(t, `anonymous = "guest"`, `anonymous = "gest"`)
	r.reload(t).expect(t, 3, "", `runnel.toml:5: realm.anonymous: realm "realm1" has no role "gest"; did you mean "guest"?`)
	r.Signal(syscall.SIGHUP)
	r.logs(`(?s)configuration not applied.*configuration not applied`)
	runnel(t, "pub", "story.a", "1", "--ack", "--url", r.tcp, "--authid", "drill", "--ticket", "drill's").expect(t, 0, "", "")
	sub.sees("story.a 1")
	if _, err := os.Stat(r.dir + "/another.sock"); err == nil {
		t.Error("a listener was opened")
	}
}

// A reload adds and removes realms with the router's procedures.
func TestReloadRealms(t *testing.T) {
	r := serve(t, "")
	more := strings.Replace(strings.Replace(realm, "version = 1", "", 1), "realm1", "realm2", 1)
	r.change(t, "[[listen]]", more+"[[listen]]")
	r.reload(t).expect(t, 0, "realm realm2 added", "")
	status := func() bool { return runnel(t, "status", "--realm", "realm2", "--url", r.unix).status == 0 }
	kit.Eventually(t, "runnel.status in realm2", status)
	sub := start(t, "sub", "story.a", "--realm", "realm2", "--url", r.tcp)
	kit.Eventually(t, "the subscription in realm2", func() bool { return r.countIn(t, "realm2").Subscriptions > 0 })
	r.change(t, more, "")
	r.reload(t).expect(t, 0, "realm realm2 removed", "")
	sub.logs(`wamp\.close\.close_realm`)
	runnel(t, "status", "--realm", "realm2", "--url", r.unix).expect(t, 1, "", "wamp.error.no_such_realm")
	runnel(t, "status", "--url", r.unix).expect(t, 0, "realm1", "")
}

func TestReloadUplink(t *testing.T) {
	centre := serve(t, "")
	link := "[[uplink]]\nname = \"central\"\nurl = \"" + centre.tcp + "\"\n[[uplink.export]]\ntopic = \"story.a\"\n"
	r := serve(t, "")
	sub := centre.subscribe(t, centre.tcp, "story.a")
	r.change(t, "[[listen]]", link+"[[listen]]")
	r.reload(t).expect(t, 0, "uplink central started", "")
	r.logs(`link is up`)
	kit.Eventually(t, "an event at the centre", func() bool {
		runnel(t, "pub", "story.a", "1", "--ack", "--url", r.tcp).expect(t, 0, "", "")
		return strings.Contains(sub.Stdout.Text(), "story.a 1")
	})
	r.reload(t).expect(t, 0, "nothing has changed", "")
	sessions := centre.count(t).Sessions
	r.change(t, link, "")
	r.reload(t).expect(t, 0, "uplink central ended", "")
	kit.Eventually(t, "the link's session at the centre to end", func() bool { return centre.count(t).Sessions == sessions-1 })
}

// Changed limits, log settings, histories and strict take effect without a restart. Settings that need one are reported.
func TestReloadTheRest(t *testing.T) {
	r := serve(t, "")
	lax := r.subscribe(t, r.tcp, "story.kept")
	r.change(t, "[limits]\n", "[limits]\nmax_subscriptions = 1\n")
	r.change(t, "[[listen]]", "[node]\ndata = \"elsewhere\"\n[log]\nlevel = \"debug\"\nformat = \"json\"\n[[listen]]")
	r.change(t, "anonymous", "strict = true\nanonymous")
	r.change(t, "[limits]\n", "[[realm.history]]\nuri = \"story.kept\"\n[limits]\n")
	r.reload(t).expect(t, 0, "[node] data: takes effect at the next start\n[limits]\n[log] level\n[log] format\n"+
		"realm realm1: strict, for sessions that join from now on\nrealm realm1: histories\n", "")
	r.logs(`"msg":"configuration applied"`)
	runnel(t, "sub", "story.a", "story.b", "-n", "1", "--timeout", "30s", "--url", r.tcp).expect(t, 1, "", "wamp.error.unavailable")
	runnel(t, "pub", "story.UPPER", "--ack", "--url", r.tcp).expect(t, 1, "", "wamp.error.invalid_uri")
	runnel(t, "pub", "story.kept", "21.5", "--ack", "--url", r.tcp).expect(t, 0, "", "")
	lax.sees("story.kept 21.5")
	id := strings.TrimSpace(runnel(t, "call", "wamp.subscription.lookup", "story.kept", "--url", r.tcp).stdout)
	runnel(t, "call", "wamp.subscription.get_events", id, "--json", "--url", r.tcp).expect(t, 0, `21.5`, "")
}

// A reload needs the permission to call runnel.reload.
func TestReloadNeedsPermission(t *testing.T) {
	r := serveSensors(t)
	runnel(t, "reload", "--url", r.unix, "--authid", "pump", "--ticket", "pump's").expect(t, 1, "", "wamp.error.not_authorized")
}

// The router tells systemd when a reload begins and when it ends, even if it changes nothing.
func TestReloadNotifies(t *testing.T) {
	dir := t.TempDir()
	receives := notices(t, dir)
	cmd := command("run", "-c", write(t, dir, "runnel.toml", realm))
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+dir+"/notify")
	p := launch(t, cmd)
	receives(`^READY=1$`)
	for range 2 {
		p.Signal(syscall.SIGHUP)
		receives(`^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+$`)
		receives(`^READY=1\nSTATUS=configuration (not )?applied`)
		write(t, dir, "runnel.toml", "nonsense")
	}
	p.Signal(syscall.SIGTERM)
	receives(`^STOPPING=1$`)
}

// A line with changed settings is opened again, after its device was told. A removed line is closed.
func TestReloadSerial(t *testing.T) {
	r, device := serveLine(t, "")
	mcu := sensor(t, device)
	other := r.subscribe(t, r.tcp, "story.a")
	r.change(t, `authid = "greenhouse-mcu"`, `authid = "greenhouse-2"`)
	r.reload(t).expect(t, 0, "serial line greenhouse started again\n", "")
	<-mcu.Done()
	if err := mcu.Err(); err == nil || !strings.Contains(err.Error(), "the router's configuration has changed") {
		t.Errorf("the device heard %v", err)
	}
	file := filepath.Join(r.dir, "runnel.toml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	device.Close() // as the client does when it has left, sooner or later
	kit.Eventually(t, "the line to be lost", func() bool { return lineState(t, r) == "waiting" })
	again := plug(t, regexp.MustCompile(`device = "(.*)"`).FindStringSubmatch(string(b))[1])
	kit.Eventually(t, "the line to be open", func() bool { return lineState(t, r) == "listening" })
	sensor(t, again)
	r.logs(`session joined.*authid=greenhouse-2`)
	before, _, _ := strings.Cut(string(b), "[[serial]]")
	write(t, r.dir, "runnel.toml", before)
	r.reload(t).expect(t, 0, "serial line greenhouse ended\n", "")
	if text := other.Stderr.Text(); text != "" {
		t.Errorf("a session that is not concerned says %s", text)
	}
}
