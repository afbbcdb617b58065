package stories

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// A service that has ended many times in a row soon after its start waits before it starts again, and tells systemd. SIGHUP
// ends the wait, and SIGTERM ends the process. The start after a regular end does not wait.
func TestRestartsWait(t *testing.T) {
	dir := t.TempDir()
	receives := notices(t, dir)
	run := func(config string) *process {
		cmd := command("run", "--strict", "-c", write(t, dir, "runnel.toml", config))
		cmd.Env = append(cmd.Env, "RUNTIME_DIRECTORY="+dir, "NOTIFY_SOCKET="+dir+"/notify")
		return launch(t, cmd)
	}
	good := realm + "[[listen]]\nurl = \"unix://runnel.sock\"\n"
	if p := run("nonsense"); p.wait() != 3 {
		t.Fatal("the configuration is not invalid")
	}
	write(t, dir, "starts", "9") // as after more of these

	p := run(good)
	p.logs(`level=ERROR msg="the router has exited soon after each of its last starts; .*total=9 retry_in=4m55s`)
	receives(`^EXTEND_TIMEOUT_USEC=385000000\nSTATUS=waiting 4m55s after 9 failed starts`)
	p.Signal(syscall.SIGHUP)
	receives(`^STATUS=$`)
	receives(`^READY=1$`)
	p.Signal(syscall.SIGKILL)
	p.wait()

	p = run(good)
	receives(`^EXTEND_TIMEOUT_USEC=`)
	p.Signal(syscall.SIGTERM)
	receives(`^STOPPING=1$`)
	if status := p.wait(); status != 0 {
		t.Errorf("stopped while it waits: status %d", status)
	}

	p = run(good)
	receives(`^READY=1$`)
	p.Signal(syscall.SIGTERM)
	receives(`^STOPPING=1$`)
	p.wait()
	if _, err := os.Stat(dir + "/starts"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the count of starts after a regular end: %v", err)
	}
}
