// Package examples runs the programs of examples/ as their README says, against the real router. With RUNNEL_EXAMPLES=1
// it also runs those that need Debian's python3-autobahn, Node, a C compiler and socat. Without it, the Go and shell
// programs run.
package examples

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
	"runnel/test/program"
)

var runnel program.Binary

func TestMain(m *testing.M) { kit.Main(m, program.BuiltPlain(&runnel)) }

// said is the output of each program.
const said = "event com.example.weather 21.5\nresult 70.7\n"

func TestGo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "weather")
	run(t, exec.Command("go", "build", "-o", program, "../../examples/go"))
	expect(t, exec.Command(program, "tcp://"+start(t)))
}

func TestShell(t *testing.T) {
	cmd := exec.Command("sh", "../../examples/shell/weather.sh", "tcp://"+start(t))
	// The script calls "runnel", as a user does.
	cmd.Env = append(os.Environ(), "PATH="+pathTo(t, "runnel", runnel)+":"+os.Getenv("PATH"))
	expect(t, cmd)
}

func TestPython(t *testing.T) {
	all(t)
	expect(t, exec.Command("/usr/bin/python3", "../../examples/python/weather.py", "ws://"+start(t)+"/ws"))
}

func TestNode(t *testing.T) {
	all(t)
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "weather.mjs"} {
		text, err := os.ReadFile(filepath.Join("../../examples/node", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	npm(t, dir)
	cmd := exec.Command("node", "weather.mjs", "ws://"+start(t)+"/ws")
	cmd.Dir = dir
	expect(t, cmd)
}

// The archives of examples/archive miss no reading, although each is killed while readings arrive.
func TestArchive(t *testing.T) {
	all(t)
	dir := t.TempDir()
	for name, text := range kit.Files(t, "../../examples/archive/*") {
		kit.Write(t, dir, name, strings.ReplaceAll(text, "127.0.0.1:8080", "127.0.0.1:0"))
	}
	npm(t, dir)
	for name, command := range map[string][]string{
		"autobahn-js": {"node", "autobahn.mjs"}, "wampy": {"node", "wampy.mjs"}, "autobahn-python": {"/usr/bin/python3", "autobahn_archive.py"},
	} {
		t.Run(name, func(t *testing.T) {
			config := filepath.Join(dir, "runnel.toml")
			kit.Must(t, os.RemoveAll(filepath.Join(dir, "data")))
			p := background(t, runnel.Command("run", "-c", config))
			found, err := p.Logs(`msg=listening url=tcp://(\S+)`)
			kit.Must(t, err)
			publish := func(reading string) {
				run(t, runnel.Command("pub", "com.example.reading", reading, "--url", "tcp://"+found[1]))
			}
			archive := func() *program.Process {
				cmd := exec.Command(command[0], append(command[1:], "ws://"+found[1]+"/ws")...)
				cmd.Dir = dir
				return background(t, cmd)
			}
			prints := func(a *program.Process, text string) {
				t.Helper()
				kit.Eventually(t, name+" prints "+text, func() bool { return strings.Contains(a.Stdout.Text(), text+"\n") }, a.String)
			}
			publish("1") // before the archive has ever run
			first := archive()
			prints(first, "acknowledged 1")
			publish("2")
			prints(first, "acknowledged 2")
			first.Kill()
			publish("3")
			publish("4")
			second := archive()
			prints(second, "acknowledged 3")
			prints(second, "acknowledged 4")
			if got := second.Stdout.Text(); strings.Contains(got, "stored 1\n") || strings.Contains(got, "stored 2\n") {
				t.Errorf("the second archive printed:\n%s", got)
			}
		})
	}
}

func TestC(t *testing.T) {
	all(t)
	dir := t.TempDir()
	thermometer := filepath.Join(dir, "thermometer")
	run(t, exec.Command("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-I../../boards/mcu/src", "-o", thermometer,
		"../../examples/c/thermometer.c", "../../boards/mcu/src/runnel.c"))

	routerEnd, deviceEnd := filepath.Join(dir, "router-end"), filepath.Join(dir, "device-end")
	const options = ",raw,echo=0,wait-slave" // socat must not hold the ends itself
	background(t, exec.Command("socat", "PTY,link="+routerEnd+options, "PTY,link="+deviceEnd+options))
	text, err := os.ReadFile("../../examples/c/runnel.toml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "runnel.toml")
	changed := strings.NewReplacer("/tmp/router-end", routerEnd, "127.0.0.1:8080", "127.0.0.1:0").Replace(string(text))
	if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	background(t, runnel.Command("run", "-c", config))
	kit.Eventually(t, deviceEnd, func() bool {
		_, err := os.Stat(deviceEnd)
		return err == nil
	})
	expect(t, exec.Command(thermometer, deviceEnd))
}

// npm installs the dependencies of the package.json in a directory.
func npm(t *testing.T, dir string) {
	t.Helper()
	install := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	run(t, install)
}

// all skips a test that needs more than Go and a shell, unless everything is to run.
func all(t *testing.T) {
	if os.Getenv("RUNNEL_EXAMPLES") == "" {
		t.Skip("set RUNNEL_EXAMPLES=1; it needs python3-autobahn, Node, a C compiler and socat")
	}
}

// start runs a router as the README says, but on a free port, and returns its address.
func start(t *testing.T) (address string) {
	t.Helper()
	text, err := runnel.Command("check", "--print-default").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "runnel.toml")
	changed := strings.ReplaceAll(string(text), "127.0.0.1:8080", "127.0.0.1:0")
	if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := runnel.Command("run", "-c", config)
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+dir)
	p := background(t, cmd)
	found, err := p.Logs(`msg=listening url=tcp://(\S+)`)
	if err != nil {
		t.Fatal(err)
	}
	return found[1]
}

func background(t *testing.T, cmd *exec.Cmd) *program.Process {
	t.Helper()
	p, err := program.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Signal(syscall.SIGTERM)
		p.Wait()
	})
	return p
}

// pathTo creates a folder with the binary under the given name.
func pathTo(t *testing.T, name string, b program.Binary) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\nexec " + strings.Join(b, " ") + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// expect runs an example to its end.
func expect(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	bounded := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	bounded.Dir, bounded.Env = cmd.Dir, cmd.Env
	var stderr strings.Builder
	bounded.Stderr = &stderr
	out, err := bounded.Output()
	if err != nil || !strings.HasPrefix(string(out), said) { // autobahn-python adds a line of its own
		t.Fatalf("%v: %v\nprinted: %s\nstderr: %s", cmd.Args, err, out, &stderr)
	}
}
