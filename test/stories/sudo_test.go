package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// asNobody prepares runnel for a user without rights. It skips the test where this user can't change to another one.
func asNobody(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	setpriv, err := exec.LookPath("setpriv")
	if err != nil || os.Getuid() != 0 {
		t.Skip("changing the user needs root and setpriv")
	}
	inner := command(args...)
	cmd := exec.Command(setpriv, append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", inner.Path}, inner.Args[1:]...)...)
	cmd.Env = inner.Env
	return cmd
}

// Every command that may not read or write the configuration says that it needs sudo.
func TestCommandsAskForSudo(t *testing.T) {
	dir := place(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file, empty := filepath.Join(dir, "runnel.toml"), filepath.Join(dir, "empty", "runnel.toml")
	if err := os.Mkdir(filepath.Dir(empty), 0o755); err != nil {
		t.Fatal(err)
	}
	runnel(t, "init", "standalone", "--yes", "-c", file, "--listen", "tcp://127.0.0.1:0").expect(t, 0, "", "")
	closed := [][]string{
		{"check", "-c", file}, {"run", "-c", file}, {"init", "standalone", "--yes", "-c", file}, {"serial", "add", "/dev/null", "--yes", "-c", file},
		{"init", "standalone", "--yes", "-c", empty}, {"init", "centre", "--yes", "-c", empty}, {"keygen", filepath.Join(dir, "key")},
		{"init", "gateway", "--yes", "--centre", "tcp://127.0.0.1:1", "-c", empty},
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range closed {
		finish(t, asNobody(t, args...)).expect(t, 1, "", "with sudo")
	}
	finish(t, asNobody(t, "doctor", "-c", file)).expect(t, 1, "sudo runnel doctor", "")

	// A file of conf.d is closed; then only the directory is.
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	line := filepath.Join(dir, "conf.d", "line.toml")
	if err := os.WriteFile(line, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	finish(t, asNobody(t, "check", "-c", file)).expect(t, 1, "", "with sudo")
	if err := os.Remove(line); err != nil {
		t.Fatal(err)
	}
	finish(t, asNobody(t, "serial", "add", "/dev/null", "--yes", "--profile", "sdm120", "-c", file)).expect(t, 3, "", "with sudo")

	p := start(t, "run", "-c", file)
	p.logs("msg=listening url=unix://")
	for _, args := range [][]string{{"status"}, {"reload"}, {"token", "new", "--role", "sensor"}, {"token", "ls"}, {"fleet", "ls"}, {"queue", "ls"}} {
		finish(t, asNobody(t, append(args, "--url", "unix://"+filepath.Join(dir, "runnel.sock"))...)).expect(t, 1, "", "with sudo")
	}
}
