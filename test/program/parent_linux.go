package program

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the system kill the program when the test is killed, which can't end it then.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
