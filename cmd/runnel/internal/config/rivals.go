package config

import (
	"slices"
	"strings"

	"runnel/transport/serial"
)

// devices reports serial lines that use the same port.
func (k checker) devices() {
	for i, s := range k.c.Serials {
		for _, before := range k.c.Serials[:i] {
			switch {
			case s.Device != "" && before.Device != "" && SamePath(string(s.Device), string(before.Device)) && s.Device != before.Device:
				k.add(s.Place, "device", "the serial line %q at %s already uses this port: both names refer to %s", before.Name, before.Place, RealPath(string(s.Device)))
			case s.USB == nil || before.USB == nil:
			case Equal(*s.USB, *before.USB):
				k.add(s.Place, "usb", "the serial line %q at %s already uses this port; distinguish the two by serial or interface", before.Name, before.Place)
			case s.USB.covers(before.USB) || before.USB.covers(s.USB):
				k.c.Warn(s.Place, "usb", "the serial line %q at %s may use the same port; distinguish the two by serial or interface", before.Name, before.Place)
			}
		}
	}
}

// LineAt returns the serial line whose port is device, or nil. ports are the ports of this machine.
func (c *Config) LineAt(device string, ports []serial.Info) *Serial {
	for i := range c.Serials {
		if port, err := c.Serials[i].port().Find(ports); err == nil && SamePath(port, device) {
			return &c.Serials[i]
		}
	}
	return nil
}

// covers reports whether u matches every device that other matches.
func (u *USB) covers(other *USB) bool {
	means := func(mine, theirs string) bool { return mine == "" || strings.EqualFold(mine, theirs) }
	return means(u.VID, other.VID) && means(u.PID, other.PID) && means(u.Serial, other.Serial) && means(u.Interface, other.Interface)
}

// rivals reports uplinks with the same client id at one broker, which would disconnect them in turn.
func (k checker) rivals() {
	for i, u := range k.c.Uplinks {
		for _, before := range k.c.Uplinks[:i] {
			shared := slices.ContainsFunc(u.URL, func(text string) bool { return slices.Contains(before.URL, text) })
			if shared && u.ClientID != "" && u.ClientID == before.ClientID {
				k.add(u.Place, "client_id", "the uplink %q at %s uses this id at the same broker, which accepts only one of them; choose another", before.Name, before.Place)
			}
		}
	}
}
