package stories

import (
	"syscall"
	"testing"
)

// A router that routes messages feeds systemd's watchdog.
func TestWatchdog(t *testing.T) {
	dir := t.TempDir()
	systemd := notified(t, dir)
	cmd := command("run", "-c", write(t, dir, "runnel.toml", realm))
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+dir+"/notify", "WATCHDOG_USEC=300000")
	p := launch(t, cmd)
	var b [256]byte
	for fed := 0; fed < 2; {
		n, err := systemd.Read(b[:])
		if err != nil {
			t.Fatalf("fed %d times: %v", fed, err)
		}
		if string(b[:n]) == "WATCHDOG=1" {
			fed++
		}
	}
	p.Signal(syscall.SIGTERM)
}
