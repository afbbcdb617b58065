package stories

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
)

// remote is the configuration of a router that keeps data, with a Unix socket.
func remote(more string) string {
	return realm + patient + "[node]\ndata = \"data\"\n[[listen]]\nurl = \"unix://runnel.sock\"\n" + more
}

// gatewayIn starts a router, waits until it listens on the Unix socket of dir, and returns it with the socket's URL.
func gatewayIn(t *testing.T, dir string) (p *process, url string) {
	t.Helper()
	p = start(t, "run", "-c", filepath.Join(dir, "runnel.toml"))
	return p, p.logs(`listening.*url=(unix://\S+)`)[1]
}

// A router whose configuration has become invalid starts with the last one that worked, says so everywhere, and takes the
// files into use once they are valid.
func TestStartWithInvalidConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	drop := filepath.Join(dir, "conf.d")
	if err := os.Mkdir(drop, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "runnel.toml", remote(""))
	write(t, drop, "metrics.toml", "[metrics]\nurl = \"http://127.0.0.1:0/m\"\n")
	p, url := gatewayIn(t, dir)
	kit.Eventually(t, "the configuration to be kept", func() bool {
		_, err := os.Stat(filepath.Join(dir, "data", "last-good.json"))
		return err == nil
	})
	runnel(t, "status", "--url", url).expect(t, 0, "realm1", "")
	p.Signal(syscall.SIGTERM)
	p.wait()

	write(t, drop, "metrics.toml", "[metrics\n")
	write(t, drop, "new.toml", "[[serial]]\nnmae = \"x\"\n")
	runnel(t, "run", "--strict", "-c", filepath.Join(dir, "runnel.toml")).expect(t, 3, "", "new.toml:2")
	p, url = gatewayIn(t, dir)
	p.logs(`level=INFO msg=metrics`)
	p.logs(`level=ERROR msg="invalid configuration" err=.*metrics.toml:`)
	p.logs(`level=ERROR msg="invalid configuration" err=.*new.toml:2`)
	runnel(t, "status", "--url", url).expect(t, 0, ": configuration: invalid, so the last", "")
	runnel(t, "pub", "story.x", "--ack", "--url", url).expect(t, 0, "", "")
	findings := examine(t, filepath.Join(dir, "runnel.toml"), 1)
	found(t, findings, "config: ", "new.toml:2")
	found(t, findings, "config: ", "since 20", "the router runs with the last configuration that worked, saved in "+filepath.Join(dir, "data", "last-good.json"), "runnel reload")
	runnel(t, "check", "-c", filepath.Join(dir, "runnel.toml")).expect(t, 3, "a start uses the last configuration that worked, saved in "+filepath.Join(dir, "data", "last-good.json"), "new.toml:2")

	write(t, drop, "metrics.toml", "[metrics]\nurl = \"http://127.0.0.1:0/m\"\n")
	write(t, drop, "new.toml", "")
	p.logs(`configuration applied`)
	kit.Eventually(t, "the files to be taken into use", func() bool { return !strings.Contains(runnel(t, "status", "--url", url).stdout, "ALARM") })
}

// Without a configuration that worked, the files of conf.d that are invalid are left out.
func TestStartWithoutInvalidFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "runnel.toml", remote(""))
	write(t, dir, "conf.d/bad.toml", "nonsense")
	_, url := gatewayIn(t, dir)
	runnel(t, "status", "--url", url).expect(t, 0, "so the configuration without", "")
	write(t, dir, "runnel.toml", "nonsense") // then no fault is left
	runnel(t, "run", "-c", filepath.Join(dir, "runnel.toml")).expect(t, 3, "", "runnel.toml:1")
}

// A listener that cannot open is left out, reported and tried again.
func TestStartWithoutTakenPort(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", kit.FreePort(t))) // no connection takes the port when it is free
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	dir := t.TempDir()
	taken := "tcp://" + other.Addr().String()
	write(t, dir, "runnel.toml", remote("[[listen]]\nurl = \""+taken+"\"\n"))
	runnel(t, "run", "--strict", "-c", filepath.Join(dir, "runnel.toml")).expect(t, 1, "", "address already in use")
	p, url := gatewayIn(t, dir)
	runnel(t, "status", "--url", url).expect(t, 0, ": listener "+taken, "")
	runnel(t, "pub", "story.x", "--ack", "--url", url).expect(t, 0, "", "")
	other.Close()
	p.logs(`part started.*` + other.Addr().String())
	runnel(t, "pub", "story.x", "--ack", "--url", taken).expect(t, 0, "", "")
	if out := runnel(t, "status", "--url", url).stdout; strings.Contains(out, "ALARM") {
		t.Errorf("an alarm is left:\n%s", out)
	}
}

// A part may need a resource that the machine lacks now, such as its address before the network is up. The router omits
// such a part, whatever its file, and whether or not a configuration has worked before. A strict router ends.
func TestStartWithoutItsSurroundings(t *testing.T) {
	for _, c := range []struct{ name, table, part string }{
		{"an address that the machine does not have", "[[listen]]\nurl = \"tcp://192.0.2.1:9000\"\n", "listener tcp://192.0.2.1:9000"},
		{"a path that leads nowhere", "[[listen]]\nurl = \"unix://runnel.toml/a.sock\"\n", "a.sock"},
		{"a group that is missing", "[[listen]]\nurl = \"unix://other.sock\"\ngroup = \"nobodys-group\"\n", "other.sock"},
		{"a certificate that is missing", "[[listen]]\nurl = \"tls://127.0.0.1:0\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n", "listener tls://127.0.0.1:0"},
		{"a key that is missing", "[[uplink]]\nname = \"central\"\nurl = [\"tcp://127.0.0.1:1\"]\nauthid = \"a\"\nkey = \"k.pem\"\n  [[uplink.export]]\n  topic = \"a.b\"\n", "uplink central"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "runnel.toml", remote(c.table))
			runnel(t, "run", "--strict", "-c", filepath.Join(dir, "runnel.toml")).expect(t, 3, "", "runnel.toml:")
			_, url := gatewayIn(t, dir)
			runnel(t, "pub", "story.x", "--ack", "--url", url).expect(t, 0, "", "")
			runnel(t, "status", "--url", url).expect(t, 0, "ALARM", "")
			if out := runnel(t, "status", "--url", url, "--json").stdout; !strings.Contains(out, c.part) {
				t.Errorf("%q is not among the faults:\n%s", c.part, out)
			}
		})
	}
}

// A file of conf.d that cannot be read is left out like an invalid one.
func TestStartWithUnreadableFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	drop := filepath.Join(dir, "conf.d")
	if err := os.MkdirAll(filepath.Join(drop, "a.toml"), 0o755); err != nil { // a directory, which root can't read either
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(drop, "b.toml")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "runnel.toml", remote(""))
	runnel(t, "run", "--strict", "-c", filepath.Join(dir, "runnel.toml")).expect(t, 1, "", "a.toml")
	p, url := gatewayIn(t, dir)
	runnel(t, "status", "--url", url).expect(t, 0, "b.toml", "")
	runnel(t, "doctor", "--url", url, "-c", filepath.Join(dir, "runnel.toml")).expect(t, 1, "a.toml", "")
	for _, name := range []string{"a.toml", "b.toml"} {
		if err := os.Remove(filepath.Join(drop, name)); err != nil {
			t.Fatal(err)
		}
	}
	p.logs(`configuration applied`)
	kit.Eventually(t, "the alarm to end", func() bool { return !strings.Contains(runnel(t, "status", "--url", url).stdout, "ALARM") })
}
