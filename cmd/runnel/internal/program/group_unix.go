//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

// alone gives a program its own process group. Its children are killed with it, and Ctrl-C at the terminal reaches it
// only through runnel.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
