package kit

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the system kill the program when the test process is killed and cannot end it itself.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
