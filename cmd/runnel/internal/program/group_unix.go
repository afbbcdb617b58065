//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

// alone gives a program a process group of its own, so that its children end with it, and Ctrl-C at the terminal reaches
// it through runnel only.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
