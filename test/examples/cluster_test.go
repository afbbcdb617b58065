package examples

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
)

// The cluster shows an event and a call before and after two of its parts are killed. It leaves no processes or files.
func TestCluster(t *testing.T) {
	if _, err := exec.LookPath("nats-server"); err != nil {
		if os.Getenv("RUNNEL_BROKERS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("sh", "../../examples/cluster/cluster.sh")
	cmd.Env = append(os.Environ(), "PATH="+pathTo(t, "runnel", runnel)+":"+os.Getenv("PATH"), "TMPDIR="+dir, fmt.Sprint("BASE=", ports(t)))
	p := background(t, cmd)
	status, err := p.Wait()
	kit.Must(t, err)
	if got := p.Stdout.Text(); status != 0 || strings.Count(got, said) != 2 {
		t.Errorf("it ended with %d and printed:\n%s\n%s", status, got, p.Stderr.Text())
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// ports returns the first of 40 ports that are free now. Other tests take higher ones.
func ports(t *testing.T) int {
	for range 100 {
		base := 9000 + 40*rand.IntN(140)
		busy := false
		for port := base + 1; port < base+40; port++ {
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err == nil {
				conn.Close()
			}
			busy = busy || !errors.Is(err, syscall.ECONNREFUSED)
		}
		if !busy {
			return base
		}
	}
	t.Fatal("no ports are free")
	return 0
}
