package term

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"runnel/transport/serial/pty"
)

// terminal is a terminal that shows what is typed, as a user's does, and its other end.
func terminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, name, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if tty, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	settings := termios(t, tty)
	settings.Lflag |= unix.ECHO | unix.ICANON
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
	return keyboard, tty
}

func termios(t *testing.T, tty *os.File) *unix.Termios {
	t.Helper()
	settings, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestPasswordIsNotShown(t *testing.T) {
	for _, c := range []struct{ first, second, want string }{
		{"open sesame", "open sesame", ""},
		{"open sesame", "open  sesame", "read password: the two passwords differ"},
		{"", "", "read password: it is empty"},
	} {
		keyboard, tty := terminal(t)
		type answer struct {
			password string
			err      error
		}
		answered := make(chan answer, 1)
		var prompts bytes.Buffer
		ready := make(chan struct{}, 2)
		go func() {
			password, err := ReadPassword(tty, writerFunc(func(b []byte) (int, error) {
				if strings.Contains(string(b), ": ") {
					ready <- struct{}{}
				}
				return prompts.Write(b)
			}))
			answered <- answer{password, err}
		}()
		<-ready // the terminal no longer echoes by then
		if _, err := keyboard.WriteString(c.first + "\n" + c.second + "\n"); err != nil {
			t.Fatal(err)
		}
		got := <-answered
		if c.want == "" && (got.err != nil || got.password != c.first) || c.want != "" && (got.err == nil || got.err.Error() != c.want) {
			t.Errorf("%q, %v", got.password, got.err)
		}
		if termios(t, tty).Lflag&unix.ECHO == 0 {
			t.Error("the terminal shows nothing any more")
		}
		if _, err := tty.WriteString("end"); err != nil {
			t.Fatal(err)
		}
		if shown := untilEnd(t, keyboard); strings.Contains(shown, "sesame") {
			t.Errorf("the terminal shows %q", shown)
		}
	}
}

func untilEnd(t *testing.T, keyboard *os.File) string {
	t.Helper()
	keyboard.SetReadDeadline(time.Now().Add(time.Minute))
	var shown []byte
	for b := make([]byte, 100); !bytes.HasSuffix(shown, []byte("end")); {
		n, err := keyboard.Read(b)
		if err != nil {
			t.Fatal(err, string(shown))
		}
		shown = append(shown, b[:n]...)
	}
	return string(shown)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
