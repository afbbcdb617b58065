package term

import (
	"os"

	"golang.org/x/sys/unix"
)

// narrow is the width below which folding would cut tables to pieces.
const narrow = 40

// terminalWidth returns the columns of a terminal, at least narrow. It returns 0 if f is no terminal, or one without a size,
// such as a serial console.
func terminalWidth(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 0
	}
	return max(int(size.Col), narrow)
}
