package doctor

import "golang.org/x/sys/unix"

// clockSynchronised asks the kernel whether a program such as chrony or systemd-timesyncd synchronises the clock. known is
// false if the kernel does not answer, as in some containers.
func clockSynchronised() (synchronised, known bool) {
	state, err := unix.Adjtimex(&unix.Timex{})
	return state != unix.TIME_ERROR, err == nil
}
