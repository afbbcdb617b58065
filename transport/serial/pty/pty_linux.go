package pty

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Open creates a pseudo-terminal in raw mode. It returns the open master end and the path of the slave end, which
// disappears when the master is closed.
func Open() (master *os.File, slave string, err error) { return OpenAt("/dev/ptmx") }

// OpenAt is Open with the multiplexer at another path, such as that of a container. The slave's path is that in the container.
func OpenAt(multiplexer string) (master *os.File, slave string, err error) {
	master, err = os.OpenFile(multiplexer, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open pseudo-terminal: %w", err)
	}
	slave, err = setUp(master)
	if err != nil {
		master.Close()
		return nil, "", fmt.Errorf("open pseudo-terminal: %w", err)
	}
	return master, slave, nil
}

func setUp(master *os.File) (slave string, err error) {
	raw, err := master.SyscallConn()
	if err != nil {
		return "", err
	}
	var number int
	var failed error
	// Not master.Fd(): that would remove the file from the runtime's poller.
	err = raw.Control(func(fd uintptr) { number, failed = unlock(int(fd)) })
	if err == nil {
		err = failed
	}
	return "/dev/pts/" + strconv.Itoa(number), err
}

// unlock allows the slave to be opened. Both ends share their settings, so raw mode is set from the master.
func unlock(fd int) (number int, err error) {
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return 0, fmt.Errorf("unlock: %w", err)
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return 0, fmt.Errorf("get settings: %w", err)
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8 | unix.CREAD | unix.CLOCAL
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return 0, fmt.Errorf("make raw: %w", err)
	}
	return unix.IoctlGetInt(fd, unix.TIOCGPTN)
}
