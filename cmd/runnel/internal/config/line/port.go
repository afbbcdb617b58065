package line

import (
	"strings"

	"runnel/cmd/runnel/internal/config/check"
	"runnel/cmd/runnel/internal/config/directory"
	"runnel/cmd/runnel/internal/config/position"
)

// CheckPorts reports lines that use the same port.
func CheckPorts(k check.Keys, list []Serial) {
	for i, s := range list {
		for _, before := range list[:i] {
			switch {
			case s.Device != "" && before.Device != "" && directory.SamePath(string(s.Device), string(before.Device)) && s.Device != before.Device:
				k.Add(s.Place, "device", "the serial line %q at %s already uses this port: both names refer to %s", before.Name, before.Place, directory.RealPath(string(s.Device)))
			case s.USB == nil || before.USB == nil:
			case position.Equal(*s.USB, *before.USB):
				k.Add(s.Place, "usb", "the serial line %q at %s already uses this port; distinguish the two by serial or interface", before.Name, before.Place)
			case s.USB.covers(before.USB) || before.USB.covers(s.USB):
				k.Warn(s.Place, "usb", "the serial line %q at %s may use the same port; distinguish the two by serial or interface", before.Name, before.Place)
			}
		}
	}
}

// covers reports whether u matches every device that other matches.
func (u *USB) covers(other *USB) bool {
	means := func(mine, theirs string) bool { return mine == "" || strings.EqualFold(mine, theirs) }
	return means(u.VID, other.VID) && means(u.PID, other.PID) && means(u.Serial, other.Serial) && means(u.Interface, other.Interface)
}
