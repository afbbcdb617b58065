package term

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// hideTyping stops the echo of a terminal until show is called; a signal that ends the process calls it, too. It
// returns false if f is not a terminal.
func hideTyping(in *os.File) (show func(), isTerminal bool) {
	fd := int(in.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, false
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	show = sync.OnceFunc(func() {
		signal.Stop(signals)
		unix.IoctlSetTermios(fd, unix.TCSETS, before)
		close(signals)
	})
	go func() {
		if _, signalled := <-signals; signalled {
			unix.IoctlSetTermios(fd, unix.TCSETS, before)
			os.Exit(1)
		}
	}()
	unix.IoctlSetTermios(fd, unix.TCSETS, &hidden)
	return show, true
}
