package setup

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/directory"
	"runnel/edge/atomicfile"
	"runnel/edge/wamp"
	"runnel/transport/serial"
	"runnel/transport/serial/detect"
	"runnel/transport/serial/modbus"
)

// Line is a serial line whose device was detected by listening, or named by its profile.
type Line struct {
	Name     string // default: the last part of the device's path
	Realm    string // "": the only realm
	Role     string // "": the role of anonymous sessions
	Topic    string // "": the default of the format; unused for a device that speaks WAMP
	Port     serial.Config
	USB      serial.USB // identifies the port independently of its device name; zero: Port.Device identifies it
	Detected detect.Guess

	Profile *config.Profile // of the device; nil if it has none
	Slave   int             // of a profile's registers; 0: the profile's
}

// Lines reports whether the line publishes readings under a topic. A device that speaks WAMP publishes by itself.
func (l *Line) Lines() bool {
	if l.Profile != nil {
		return l.Profile.Mode() != "wamp"
	}
	return l.Detected.Kind != detect.Link && l.Detected.Kind != detect.RawSocket
}

// SuggestTopic returns a topic for the detected format and the name of the line, below a prefix.
func (l *Line) SuggestTopic(prefix string) string {
	if l.Profile != nil {
		return l.Profile.Topic(prefix + component(cmp.Or(l.Name, l.Profile.Name)))
	}
	switch l.Detected.Kind {
	case detect.NMEA:
		return prefix + "{sentence}"
	case detect.Modbus:
		return prefix + "{slave}.{name}"
	}
	return prefix + component(cmp.Or(l.Name, "reading"))
}

// Text returns the line's TOML table.
func (l *Line) Text() string {
	var b document
	line := b.add
	if l.Detected.Octets > 0 || l.Profile == nil {
		l.comment(line)
	}
	if l.Profile != nil {
		line("# %s", printable(l.Profile.Description))
	}
	line("[[serial]]\nname = %s", quoted(cmp.Or(l.Name, filepath.Base(l.Port.Device))))
	if l.USB != (serial.USB{}) {
		line("%s", usbKey(l.USB))
	} else {
		line("device = %s", quoted(l.Port.Device))
	}
	if l.Profile != nil {
		line("profile = %s", quoted(l.Profile.Name))
	}
	if l.Slave > 0 {
		line("slave = %d", l.Slave)
	}
	l.port(line)
	for _, option := range []struct{ key, value string }{{"realm", l.Realm}, {"role", l.Role}} {
		if option.value != "" {
			line("%s = %s", option.key, quoted(option.value))
		}
	}
	if l.Profile == nil {
		b.WriteString(l.format())
	} else if topic := cmp.Or(l.Topic, l.SuggestTopic("com.example.")); topic != "" {
		line("topic = %s", quoted(topic))
	}
	return b.String()
}

// port writes the port's settings, as far as they differ from the defaults and from those of the profile.
func (l *Line) port(line func(format string, args ...any)) {
	var preset config.Serial
	if l.Profile != nil {
		preset = l.Profile.Serials[0]
	}
	if l.Port.Baud > 0 && l.Port.Baud != preset.Baud {
		line("baud = %d", l.Port.Baud)
	}
	if l.Profile != nil && l.Detected.Octets == 0 {
		return // all others are the profile's
	}
	if parity := l.Port.Parity.String(); parity != cmp.Or(preset.Parity, "none") {
		line("parity = %s", quoted(parity))
	}
	if bits := cmp.Or(l.Port.DataBits, 8); bits != cmp.Or(preset.DataBits, 8) {
		line("data_bits = %d", bits)
	}
}

// comment writes comments with samples of the port's input.
func (l *Line) comment(line func(format string, args ...any)) {
	line("# Detected from %d bytes: %v, such as", l.Detected.Octets, l.Detected)
	line("#   %s", printable(l.Detected.Sample))
	if !l.Detected.Sure {
		line("# This is too little data to be sure; a longer --each listens for more.")
	}
}

// component makes a component of a URI from a name.
func component(name string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return '_'
		}
		return r
	}, name))
}

// format returns the keys for the detected format.
func (l *Line) format() string {
	topic := "topic = " + quoted(cmp.Or(l.Topic, l.SuggestTopic("com.example."))) + "\n"
	lines := "mode = \"lines\"\nformat = "
	switch l.Detected.Kind {
	case detect.Link:
		return "framing = \"hdlc\"\n"
	case detect.RawSocket:
		return "framing = \"none\"\n"
	case detect.Modbus:
		return "mode = \"modbus\"\n" + topic + "# A master polls this bus already, and a bus has only one: disconnect it first. It reads these values.\n" + l.registers()
	case detect.NMEA:
		return lines + "\"nmea\"\n" + topic
	case detect.JSON:
		return lines + "\"json\"\n" + topic
	case detect.KeyValue:
		return lines + "\"keyvalue\"\n" + topic
	case detect.CSV:
		return lines + "\"csv\"\n" + l.table() + topic
	}
	return lines + "\"regexp\"\npattern = '(?P<text>.*)'\n" + topic + "\n[[serial.field]]\nname = \"text\"\ntype = \"text\"\n"
}

// table returns the keys for lines of separated values.
func (l *Line) table() string {
	t, keys := l.Detected.Table, ""
	if t.Separator != "," {
		keys = "separator = " + quoted(t.Separator) + "\n"
	}
	if t.Comma {
		keys += "decimal = \"comma\"\n"
	}
	names := make([]string, len(t.Columns))
	for i, name := range t.Columns {
		names[i] = quoted(name)
	}
	return keys + "columns = [" + strings.Join(names, ", ") + "]\n"
}

// registers returns the tables of the values that a master reads on a Modbus bus.
func (l *Line) registers() string {
	var b strings.Builder
	requests := l.Detected.Requests
	if len(requests) == 0 { // the port received only answers
		requests = []modbus.Request{{Slave: 1, Count: 1}}
	}
	for _, r := range requests {
		fmt.Fprintf(&b, "\n[[serial.modbus]]\nname = \"%s_%d\"\nslave = %d\ntable = %s\naddress = %d\n", modbus.TableNames[r.Table], r.Address, r.Slave, quoted(modbus.TableNames[r.Table]), r.Address)
		if r.Count > 1 {
			fmt.Fprintf(&b, "count = %d\n", r.Count)
		}
	}
	return b.String()
}

func usbKey(u serial.USB) string {
	keys := []string{"vid = " + quoted(u.VID), "pid = " + quoted(u.PID)}
	if u.Serial != "" {
		keys = append(keys, "serial = "+quoted(u.Serial))
	}
	if u.Interface != "" {
		keys = append(keys, "interface = "+quoted(u.Interface))
	}
	return "usb = { " + strings.Join(keys, ", ") + " }"
}

// printable makes a sample safe for a comment and a terminal: one line without control characters.
func printable(sample string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(sample, "?"))
}

// Identify returns the best identification of a port. This is the USB identity of its adapter if it is unique, otherwise a
// path: for an adapter, the path of the USB socket that it is plugged into.
func Identify(device string, ports []serial.Info) (usb serial.USB, path string) {
	i := slices.IndexFunc(ports, func(p serial.Info) bool { return directory.SamePath(p.Device, device) })
	if i < 0 || ports[i].USB.VID == "" || ports[i].USB.PID == "" {
		return usb, device
	}
	usb = ports[i].USB
	same := 0
	for _, p := range ports {
		if p.USB == usb {
			same++
		}
	}
	if same == 1 {
		return usb, device
	}
	for _, name := range ports[i].Names {
		if strings.Contains(name, "by-path") {
			return serial.USB{}, name
		}
	}
	return serial.USB{}, device
}

// CheckUnused returns an error if the configuration already has a line for the port.
func CheckUnused(c *config.Config, device string, ports []serial.Info) error {
	if s := c.LineAt(device, ports); s != nil {
		return fmt.Errorf("add serial line %s: the line %q at %s already uses this port, and \"runnel status\" shows it; change it there, or remove it and \"runnel reload\" first", device, s.Name, s.Place)
	}
	return nil
}

// Defaults sets the role to "sensor" if the realm has it. It returns the URI prefix under which the role may publish.
func (l *Line) Defaults(c *config.Config) (prefix string) {
	prefix = "com.example."
	for _, r := range c.Realms {
		if l.Realm != "" && r.Name != l.Realm {
			continue
		}
		for _, role := range r.Roles {
			if role.Name != cmp.Or(l.Role, "sensor") {
				continue
			}
			l.Role = role.Name
			for _, p := range role.Permissions {
				if wamp.Match(p.Match) == wamp.Prefix && p.URI != "" && slices.Contains(p.Allow, "publish") {
					return strings.TrimSuffix(p.URI, ".") + "."
				}
			}
			return prefix
		}
	}
	return prefix
}

// CheckLineName checks that a name can be a file name.
func CheckLineName(name string) error {
	if name == "" || len(name) > 64 || name[0] == '.' || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return fmt.Errorf("%.80q is not a valid line name; write letters, digits, \"-\" and \"_\", like \"greenhouse\"", name)
	}
	return nil
}

// Write adds the line's file to a configuration and checks all files together first. It returns the new configuration and the
// file.
func (l *Line) Write(main string, check config.UplinkCheck) (*config.Config, string, error) {
	file := filepath.Join(filepath.Dir(config.File(main)), "conf.d", l.Name+".toml")
	if _, err := os.Lstat(file); err == nil {
		return nil, "", fmt.Errorf("write %s: the file exists already; choose another --name, or remove it", file)
	}
	text := l.Text()
	c, err := config.LoadDraft(main, config.Drafts{file: text}, check)
	if err != nil {
		return nil, "", err
	}
	if err := makeDir(filepath.Dir(file)); err != nil {
		return nil, "", err
	}
	if err := writeNew(file, []byte(text), 0o640); err != nil {
		if errors.Is(err, os.ErrExist) {
			err = errors.New("the file exists already; choose another --name, or remove it")
		}
		return nil, "", fmt.Errorf("write %s: %w%s", file, bare(err), asRoot(err))
	}
	atomicfile.SyncDir(filepath.Dir(file))
	return c, file, nil
}
