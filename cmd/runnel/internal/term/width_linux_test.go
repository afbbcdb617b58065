package term

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTerminalWidth(t *testing.T) {
	_, tty := terminal(t)
	for _, c := range []struct {
		columns uint16
		want    int
	}{{0, 0}, {80, 80}, {200, 200}, {9, narrow}} {
		if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: c.columns}); err != nil {
			t.Fatal(err)
		}
		if got := terminalWidth(tty); got != c.want {
			t.Errorf("%d columns: %d, want %d", c.columns, got, c.want)
		}
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := terminalWidth(file); got != 0 {
		t.Errorf("no terminal: %d", got)
	}
}
