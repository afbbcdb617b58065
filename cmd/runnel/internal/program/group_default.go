//go:build !unix

package program

import "os/exec"

// alone does nothing: this system has no process groups, and only the program itself is killed.
func alone(*exec.Cmd) {}
