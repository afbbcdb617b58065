package program

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the system kill the program when the test process is killed and cannot end it itself.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
