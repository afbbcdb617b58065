package serial

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	ports := []Info{
		{Device: "/dev/ttyS0", Driver: "8250"},
		{Device: "/dev/ttyUSB0", USB: USB{"0403", "6011", "FT1", "00"}, Product: "Quad"},
		{Device: "/dev/ttyUSB1", USB: USB{"0403", "6011", "FT1", "01"}, Product: "Quad"},
		{Device: "/dev/ttyUSB2", USB: USB{"1a86", "7523", "", "00"}, Names: []string{"/dev/serial/by-path/a"}},
		{Device: "/dev/ttyUSB3", USB: USB{"1a86", "7523", "", "00"}, Names: []string{"/dev/serial/by-path/b"}},
		{Device: "/dev/ttyACM0", USB: USB{"2341", "0043", "9573", "00"}},
	}
	for _, c := range []struct {
		usb  USB
		want string // the device, or part of the error
	}{
		{USB{VID: "2341"}, "/dev/ttyACM0"},
		{USB{Serial: "9573"}, "/dev/ttyACM0"},
		{USB{VID: "0403", Interface: "1"}, "/dev/ttyUSB1"},
		{USB{VID: "0403", Interface: "00"}, "/dev/ttyUSB0"},
		{USB{VID: "1A86", PID: "7523"}, "2 ports match: /dev/ttyUSB2 (usb 1a86:7523 interface 00, /dev/serial/by-path/a), " +
			"/dev/ttyUSB3 (usb 1a86:7523 interface 00, /dev/serial/by-path/b); name one by"},
		{USB{VID: "0403", Interface: "02"}, "there is /dev/ttyUSB0 (usb 0403:6011 serial FT1 interface 00, Quad), "},
		{USB{VID: "2341", Serial: "other"}, "file does not exist"},
	} {
		got, err := choose(c.usb, ports)
		if err != nil && strings.HasPrefix(c.want, "/dev") || err == nil && got.Device != c.want ||
			err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, %v, want %s", c.usb, got.Device, err, c.want)
		}
		if err != nil && errors.Is(err, os.ErrNotExist) == strings.Contains(err.Error(), "ports match") {
			t.Errorf("%v: %v: only what is not there does not exist", c.usb, err)
		}
	}
	if _, err := choose(USB{VID: "2341"}, ports[:1]); err == nil || !strings.HasSuffix(err.Error(), "there is no USB serial port") {
		t.Error(err)
	}
}
