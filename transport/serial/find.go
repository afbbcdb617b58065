package serial

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// find returns the path of the device described by c.
func (c Config) find() (string, error) {
	if c.Device != "" {
		return c.Device, nil
	}
	ports, err := ports()
	if err != nil {
		return "", err
	}
	return c.Find(ports)
}

// Find returns the path of the device described by c among ports, a result of List.
func (c Config) Find(ports []Info) (string, error) {
	if c.Device != "" {
		return c.Device, nil
	}
	info, err := choose(c.USB, ports)
	return info.Device, err
}

// present reports whether the device described by c is present.
func (c Config) present() bool {
	if c.Networked() {
		return true
	}
	device, err := c.find()
	if err != nil {
		return false
	}
	_, err = os.Stat(device)
	return err == nil
}

// choose returns the port with identity u. It is an error if several match: the router must not guess, and the guess might
// change with the next boot.
func choose(u USB, ports []Info) (Info, error) {
	var found []Info
	for _, p := range ports {
		if u.matches(p.USB) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return Info{}, fmt.Errorf("%w: %s", os.ErrNotExist, offer(ports))
	case 1:
		return found[0], nil
	}
	return Info{}, fmt.Errorf("%d ports match: %s; name one by its serial number, its interface, or as device by its by-path name",
		len(found), join(found))
}

// offer describes the ports that exist instead.
func offer(ports []Info) string {
	var usb []Info
	for _, p := range ports {
		if p.USB != (USB{}) {
			usb = append(usb, p)
		}
	}
	if len(usb) == 0 {
		return "there is no USB serial port"
	}
	return "there is " + join(usb)
}

func join(ports []Info) string {
	names := make([]string, len(ports))
	for i, p := range ports {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}

// matches reports whether u describes a port with identity port.
func (u USB) matches(port USB) bool {
	return port != (USB{}) &&
		(u.VID == "" || strings.EqualFold(u.VID, port.VID)) &&
		(u.PID == "" || strings.EqualFold(u.PID, port.PID)) &&
		(u.Serial == "" || u.Serial == port.Serial) &&
		(u.Interface == "" || hex(u.Interface) == hex(port.Interface))
}

// hex parses an interface number, so that "0" and "00" are equal.
func hex(s string) uint64 {
	n, err := strconv.ParseUint(s, 16, 8)
	if err != nil {
		return 1 << 32 // not an interface number
	}
	return n
}
