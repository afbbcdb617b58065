package stories

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/test/kit"
)

// passwd creates the line of a principal's table as a user does.
func passwd(t *testing.T, password string, args ...string) string {
	t.Helper()
	cmd := command(append([]string{"passwd"}, args...)...)
	cmd.Stdin = strings.NewReader(password + "\n")
	got := finish(t, cmd)
	got.expect(t, 0, "", "")
	if strings.Contains(got.stdout, password) {
		t.Errorf("the password itself is in it: %s", got.stdout)
	}
	return got.stdout
}

// house starts a router that requires authentication. Each principal may publish to the topic of its own name.
func house(t *testing.T, dir string, principals map[string]string) *router {
	t.Helper()
	var b strings.Builder
	b.WriteString("version = 1\n[[realm]]\nname = \"realm1\"\n")
	for authid, key := range principals {
		fmt.Fprintf(&b, "[[realm.role]]\nname = %[1]q\n[[realm.role.permission]]\nuri = \"story.%[1]s\"\nallow = [\"publish\"]\n", authid)
		fmt.Fprintf(&b, "[[realm.principal]]\nauthid = %[1]q\nrole = %[1]q\n%[2]s\n", authid, key)
	}
	b.WriteString(patient + "[[listen]]\nurl = \"tcp://127.0.0.1:0\"\n[[listen]]\nurl = \"unix://runnel.sock\"\n")
	if _, err := os.Stat(filepath.Join(dir, "router.pem")); err == nil {
		b.WriteString("[[listen]]\nurl = \"tls://127.0.0.1:0\"\ncertificate = \"router.pem\"\nkey = \"router.pem\"\nclient_ca = \"ca.pem\"\n")
	}
	p := start(t, "run", "-c", write(t, dir, "runnel.toml", b.String()))
	r := &router{process: p, dir: dir}
	r.tcp, r.unix = p.logs(`msg=listening url=(tcp://127\.0\.0\.1:\d+)`)[1], p.logs(`msg=listening url=(unix://\S+)`)[1]
	return r
}

// greet publishes where the name is, by a router's URL.
func greet(t *testing.T, url, name string, args ...string) result {
	t.Helper()
	return runnel(t, append([]string{"pub", "story." + name, "hello", "--ack", "--url", url}, args...)...)
}

// Every method that uses a secret, from the command that creates the secret to the command that shows it.
func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "ticket", "open sesame\n")
	key := filepath.Join(dir, "pump.key")
	made := runnel(t, "keygen", key)
	made.expect(t, 0, "ssh-ed25519 AAAA", "")
	runnel(t, "keygen", key).expect(t, 1, "", "the file exists")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	other := filepath.Join(dir, "other.key")
	runnel(t, "keygen", other).expect(t, 0, "", "")

	r := house(t, dir, map[string]string{
		"ticket":   `ticket = "file:ticket"`,
		"cra":      `wampcra = { secret = "pencil" }`,
		"salted":   passwd(t, "pencil", "--wampcra"),
		"argon":    passwd(t, "pencil", "--iterations", "1", "--memory", "64"),
		"pbkdf":    passwd(t, "pencil", "--kdf", "pbkdf2"),
		"crossbar": passwd(t, "pencil", "--kdf", "argon2id-13"),
		"plain":    `scram = { secret = "pencil", kdf = "pbkdf2", iterations = 10 }`,
		"key":      fmt.Sprintf("authorized_keys = [%q]", strings.TrimSpace(made.stdout)),
	})
	greet(t, r.tcp, "ticket").expect(t, 1, "", "wamp.error.authentication_required")
	for _, c := range []struct{ name, flag, right, wrong string }{
		{"ticket", "--ticket", "open sesame", "pencil"},
		{"ticket", "--ticket", "file:" + dir + "/ticket", "file:" + key},
		{"cra", "--secret", "pencil", "Pencil"},
		{"salted", "--secret", "pencil", "Pencil"},
		{"argon", "--secret", "pencil", "Pencil"},
		{"pbkdf", "--secret", "pencil", "Pencil"},
		{"crossbar", "--secret", "pencil", "Pencil"},
		{"plain", "--secret", "pencil", "Pencil"},
		{"key", "--key", key, other},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // the router delays its answer to a wrong secret
			greet(t, r.tcp, c.name, "--authid", c.name, c.flag, c.right).expect(t, 0, "", "")
			greet(t, r.ws(), c.name, "--authid", c.name, c.flag, c.right, "--serializer", "json").expect(t, 0, "", "")
			greet(t, r.tcp, c.name, "--authid", c.name, c.flag, c.wrong).expect(t, 1, "", "wamp.error.authentication_failed")
			greet(t, r.tcp, c.name, "--authid", "nobody", c.flag, c.right).expect(t, 1, "", "wamp.error.authentication_failed")
			greet(t, r.tcp, "another", "--authid", c.name, c.flag, c.right).expect(t, 1, "", "wamp.error.not_authorized")
		})
	}
}

// A connection identifies its peer by a TLS certificate or by the process of a Unix socket.
func TestConnectionsProve(t *testing.T) {
	dir := t.TempDir()
	certificates(t, dir, "pump", "drill")
	sum := sha256.Sum256(first(t, filepath.Join(dir, "drill.pem")))
	r := house(t, dir, map[string]string{
		"user":  fmt.Sprintf("uid = %d", os.Getuid()),
		"pump":  `certificate = "pump"`,
		"drill": fmt.Sprintf("certificate = \"%x\"", sum),
	})
	tls := r.logs(`msg=listening url=(tls://127\.0\.0\.1:\d+)`)[1]
	greet(t, r.unix, "user").expect(t, 0, "", "")
	greet(t, r.unix, "user", "--authid", "user").expect(t, 0, "", "")
	greet(t, r.unix, "user", "--authid", "pump").expect(t, 1, "", "wamp.error.authentication")
	greet(t, r.tcp, "user").expect(t, 1, "", "wamp.error.authentication_required")
	ca := []string{"--ca", filepath.Join(dir, "ca.pem")}
	for _, name := range []string{"pump", "drill"} {
		file := filepath.Join(dir, name+".pem")
		greet(t, tls, name, append(ca, "--certificate", file)...).expect(t, 0, "", "")
		greet(t, tls, name, append(ca, "--certificate", file, "--certkey", file)...).expect(t, 0, "", "")
	}
	greet(t, tls, "pump", append(ca, "--certificate", filepath.Join(dir, "drill.pem"))...).expect(t, 1, "", "wamp.error.not_authorized")
	greet(t, tls, "pump", ca...).expect(t, 1, "", "wamp.error.authentication_required")
	greet(t, tls, "pump").expect(t, 1, "", "certificate")
}

// certificates creates ca.pem, router.pem and a file for each name, each of them with its key.
func certificates(t *testing.T, dir string, names ...string) {
	t.Helper()
	kit.Certificates(t, dir, "127.0.0.1", append([]string{"router"}, names...)...)
	for name, key := range kit.Files(t, filepath.Join(dir, "*.key")) {
		file := strings.TrimSuffix(name, ".key") + ".pem"
		cert, err := os.ReadFile(filepath.Join(dir, file))
		kit.Must(t, err)
		write(t, dir, file, string(cert)+key)
	}
}

// first returns the certificate in a PEM file.
func first(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	return block.Bytes
}

// An uplink authenticates, too.
func TestUplinkAuthenticates(t *testing.T) {
	dir := t.TempDir()
	certificates(t, dir, "cert")
	key := filepath.Join(dir, "key.key")
	made := runnel(t, "keygen", key)
	centre := house(t, dir, map[string]string{
		"ticket": `ticket = "open sesame"`,
		"scram":  passwd(t, "pencil", "--kdf", "pbkdf2"),
		"cra":    `wampcra = { secret = "pencil" }`,
		"key":    fmt.Sprintf("authorized_keys = [%q]", strings.TrimSpace(made.stdout)),
		"cert":   `certificate = "cert"`,
	})
	tls := centre.logs(`msg=listening url=(tls://127\.0\.0\.1:\d+)`)[1]
	var b strings.Builder
	for name, how := range map[string]string{
		"ticket": `ticket = "open sesame"`, "scram": `secret = "pencil"`, "cra": `secret = "pencil"`, "key": fmt.Sprintf("key = %q", key),
	} {
		fmt.Fprintf(&b, "[[uplink]]\nname = %[1]q\nauthid = %[1]q\nurl = %[2]q\n%[3]s\n[[uplink.export]]\ntopic = \"story.%[1]s\"\n", name, centre.tcp, how)
	}
	pem := filepath.Join(dir, "cert.pem")
	fmt.Fprintf(&b, "[[uplink]]\nname = \"cert\"\nurl = %q\nca = %q\ncertificate = %q\nkey = %q\n[[uplink.export]]\ntopic = \"story.cert\"\n",
		tls, filepath.Join(dir, "ca.pem"), pem, pem)
	edge := serve(t, b.String())
	for _, name := range []string{"ticket", "scram", "cra", "key", "cert"} {
		edge.logs(`msg="link is up" uplink=` + name + ` .*authid=` + name + ` role=` + name + `\b`)
	}
}

// "runnel check --explain" prints the permissions of a peer, and their places in the configuration.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "runnel.toml", realm+`
[[realm.role]]
name = "sensor"
[[realm.role.permission]]
uri = "com.example."
match = "prefix"
allow = ["publish", "subscribe"]
[[realm.role.permission]]
uri = "com.example.secret"
allow = []
[[realm.role]]
name = "asking"
authorizer = "com.example.may"
[[realm.principal]]
authid = "pump-7"
role = "sensor"
ticket = "x"
[[listen]]
url = "unix://a.sock"
realm = "realm1"
authid = "local"
role = "sensor"
[node]
data = "data"
[[webhook]]
name = "erp"
topic = "com.example.order"
url = "http://127.0.0.1:1/"
role = "sensor"
`)
	for _, c := range []struct {
		args   string
		status int
		want   string // of standard output, FILE stands for the file
	}{
		{"pump-7 publish com.example.a", 0, `"pump-7" has the role "sensor" (FILE:25)` + "\n  the permission for prefix \"com.example.\" decides: it allows publish, subscribe (FILE:15)"},
		{"local publish com.example.a", 0, `"local" has the role "sensor" (FILE:29)`},
		{"erp subscribe com.example.order", 0, `"erp" has the role "sensor" (FILE:36)`},
		{"erp subscribe org.example.order", 1, `"erp" has the role "sensor" (FILE:36)`},
		{"pump-7 call com.example.a", 1, "denied: "},
		{"pump-7 publish com.example.secret", 1, `the permission for exact "com.example.secret" decides: it allows nothing (FILE:19)`},
		{"pump-7 publish org.example", 1, `no permission of the role matches, so it is denied (FILE:13)`},
		{"pump-7 subscribe com.example. --match prefix", 0, "other permissions decide for some"},
		{"pump-7 subscribe com. --match prefix", 1, "no permission of the role matches"},
		{"role:asking call com.example.a", 1, "left to an authorizer: "},
		{"anonymous call com.example.a", 0, `anonymous sessions have the role "guest" (FILE:5)`},
		{"anonymous publish wamp.session.on_join", 1, "belong to the router"},
	} {
		got := runnel(t, append([]string{"check", "-c", file, "--explain"}, strings.Fields(c.args)...)...)
		if text := strings.ReplaceAll(got.stdout, file, "FILE"); got.status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: status %d\n%s%s", c.args, got.status, text, got.stderr)
		}
	}
	runnel(t, "check", "-c", file, "--explain", "pump-8", "call", "a").expect(t, 1, "", `did you mean "pump-7"?`)
	runnel(t, "check", "-c", file, "--explain", "pump-7", "dance", "a").expect(t, 2, "", `"dance" is not an action`)
	runnel(t, "check", "-c", file, "--explain", "pump-7", "call", "a b").expect(t, 2, "", `"a b" is not a WAMP URI`)
	runnel(t, "check", "-c", file, "--explain", "pump-7", "call", "a", "--realm", "x").expect(t, 2, "", `there is no realm "x"`)
	runnel(t, "check", "-c", file, "--explain", "pump-7").expect(t, 2, "", "arg")
}

// "runnel check" warns about secrets that every user can read.
func TestOpenSecrets(t *testing.T) {
	dir := t.TempDir()
	ticket := write(t, dir, "ticket", "x")
	file := write(t, dir, "runnel.toml", realm+"[[realm.principal]]\nauthid = \"a\"\nrole = \"guest\"\nticket = \"file:ticket\"\nwampcra = { secret = \"x\" }\n")
	if got := runnel(t, "check", "-c", file); got.status != 0 || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	for _, open := range []string{ticket, file} {
		if err := os.Chmod(open, 0o644); err != nil {
			t.Fatal(err)
		}
		runnel(t, "check", "-c", file).expect(t, 0, "is valid", open+" holds a secret, but every user of this machine can read it")
	}
}
