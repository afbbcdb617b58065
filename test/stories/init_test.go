package stories

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// place creates a directory whose path is short enough for a Unix socket.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "runnel")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// "runnel init" writes configurations that are valid without a warning, and serve at once.
func TestInitWritesWhatRuns(t *testing.T) {
	for kind, flags := range map[string][]string{
		"standalone": {"--listen", "tcp://127.0.0.1:0"},
		"centre":     {"--listen", "tcp://127.0.0.1:0,tls://127.0.0.1:0", "--prefix", "org.plant"},
		"gateway":    {"--listen", "tcp://127.0.0.1:0", "--centre", "tls://127.0.0.1:1", "--id", "gw-001", "--pin", strings.Repeat("ab", 32)},
	} {
		t.Run(kind, func(t *testing.T) {
			dir := place(t)
			file := filepath.Join(dir, "runnel.toml")
			url := "unix://" + filepath.Join(dir, "runnel.sock")
			args := append([]string{"init", kind, "-c", file, "--yes"}, flags...)
			runnel(t, args...).expect(t, 0, "runnel run -c "+file, "")
			checked := runnel(t, "check", "-c", file)
			checked.expect(t, 0, "is valid", "")
			if checked.stderr != "" {
				t.Error(checked.stderr)
			}
			for _, secret := range []string{"gateway.key", "runnel.key"} {
				if info, err := os.Stat(filepath.Join(dir, secret)); err == nil && info.Mode().Perm()&0o007 != 0 {
					t.Errorf("%s has mode %v", secret, info.Mode())
				}
			}
			p := start(t, "run", "-c", file)
			p.logs(`msg=listening url=unix://`)
			runnel(t, "status", "--url", url).expect(t, 0, "realm1", "")

			// The same command again changes nothing. Another prefix changes the file, and the router applies it.
			again := runnel(t, args...)
			again.expect(t, 0, file+" is unchanged", "")
			again.expect(t, 0, "runs with it already", "")
			if _, err := os.Stat(file + ".old"); err == nil {
				t.Error("an equal configuration was kept as .old")
			}
			runnel(t, append(args, "--prefix", "org.other")...).expect(t, 0, "has applied it:\n  ", "")
		})
	}
}

// A configuration that was changed is not replaced, and one that would be invalid is not written.
func TestInitReplacesNothing(t *testing.T) {
	dir := place(t)
	file := filepath.Join(dir, "runnel.toml")
	own := "# my own\nversion = 1\n[[realm]]\nname = \"mine\"\n"
	if err := os.WriteFile(file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	runnel(t, "init", "standalone", "-c", file, "--yes").expect(t, 1, "", "--force")
	if text, _ := os.ReadFile(file); string(text) != own {
		t.Errorf("replaced by %s", text)
	}
	runnel(t, "init", "standalone", "-c", file, "--yes", "--force").expect(t, 0, "wrote", "")
	if text, _ := os.ReadFile(file + ".old"); string(text) != own {
		t.Errorf("kept %s", text)
	}
	before, _ := os.ReadFile(file)
	if err := os.WriteFile(filepath.Join(dir, "conf.d", "a.toml"), []byte("[[serial]]\nname = \"a\"\ndevice = \"/dev/ttyS9\"\nrealm = \"realm1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runnel(t, "init", "standalone", "-c", file, "--yes", "--realm", "other").expect(t, 3, "", "a.toml:4: serial.realm")
	if text, _ := os.ReadFile(file); string(text) != string(before) {
		t.Error("the configuration was replaced by one that is invalid")
	}
}

// Without flags init asks. It repeats a question after an invalid answer; an invalid flag is a usage error.
func TestInitAsks(t *testing.T) {
	file := filepath.Join(place(t), "runnel.toml")
	cmd := command("init", "-c", file)
	cmd.Stdin = strings.NewReader("gateway\ngw 1\ngw-1\n\norg.plant\ntcp://127.0.0.1:1\n")
	finish(t, cmd).expect(t, 0, "node gw-1, realm realm1", `"gw 1" is not a valid node id`)
	for _, c := range []struct{ args, says string }{
		{"bogus", `"bogus" is not known`}, {"gateway", "--centre"}, {"gateway --centre ftp://x", "tls://"}, {"gateway --centre tls://x", "port"},
		{"gateway --centre tls://x:1 --pin 12", "pin"}, {"standalone --pin 12", "gateway"}, {"standalone --id a.b", "valid node id"},
		{"standalone --realm a..b", "WAMP URI"}, {"standalone --prefix wamp.", "belongs to the router"}, {"centre extra", `unexpected argument "extra"`},
	} {
		runnel(t, append(append([]string{"init"}, strings.Fields(c.args)...), "--yes", "-c", file+".other")...).expect(t, 2, "", c.says)
	}
}

// "runnel serial add" detects the device and writes the line's file, and the running router reads the device at once.
func TestSerialAdd(t *testing.T) {
	dir := place(t)
	file, tty := filepath.Join(dir, "runnel.toml"), filepath.Join(dir, "tty")
	url := "unix://" + filepath.Join(dir, "runnel.sock")
	runnel(t, "init", "standalone", "-c", file, "--yes", "--listen", "tcp://127.0.0.1:0", "--prefix", "org.plant").expect(t, 0, "", "")
	p := start(t, "run", "-c", file)
	p.logs(`msg=listening url=unix://`)
	talk(t, plug(t, tty), "{\"temperature\": 21.5}\n")

	add := func(args ...string) result {
		return runnel(t, append([]string{"serial", "add", "-c", file, "--yes", "--each", "10s"}, args...)...)
	}
	add(tty).expect(t, 0, "serial line tty started", "lines of JSON")
	runnel(t, "sub", "org.plant.tty", "-n", "1", "--timeout", "50s", "--url", url).expect(t, 0, "temperature=21.5", "")
	runnel(t, "check", "-c", file).expect(t, 0, "1 serial line", "")

	// The same port, and the same name, are not added twice.
	add(tty, "--name", "other").expect(t, 1, "", `already uses this port`)

	// A command that only listens names the router's line as well, and how to free the port.
	lineFile := filepath.Join(dir, "conf.d", "tty.toml")
	for _, verb := range []string{"probe", "sniff"} {
		got := runnel(t, "serial", verb, tty, "-c", file)
		got.expect(t, 1, "", `the serial line "tty" of the running router (`+lineFile+":")
		got.expect(t, 1, "", "mv "+lineFile+" "+lineFile+".off && runnel reload")
	}
	second := filepath.Join(dir, "second")
	talk(t, plug(t, second), "$GPGGA,1,2*41\r\nlevel=7\r\n")
	add(second, "--name", "tty").expect(t, 1, "", "exists already; choose another --name")
	add(filepath.Join(dir, "missing")).expect(t, 1, "", "runnel serial ls")
	add(second, "--name", "../x").expect(t, 2, "", "is not a valid line name")
	add(second, "--role", "nothing").expect(t, 3, "", `has no role "nothing"`)
	if _, err := os.Stat(filepath.Join(dir, "conf.d", "second.toml")); err == nil {
		t.Error("an invalid line was written")
	}

	// A user may decline.
	cmd := command("serial", "add", second, "-c", file)
	cmd.Stdin = strings.NewReader("level\norg.plant.level\nn\n")
	finish(t, cmd).expect(t, 1, `topic = "org.plant.level"`, "nothing was written")
}

// talk simulates a device that prints the same text repeatedly.
func talk(t *testing.T, d io.Writer, text string) {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				io.WriteString(d, text)
			case <-done:
				return
			}
		}
	}()
}
