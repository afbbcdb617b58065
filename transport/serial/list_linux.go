package serial

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

func ports() ([]Info, error) { return portsUnder("/") }

// portsUnder reads sysfs below root. It opens no port, as opening changes the modem lines.
func portsUnder(root string) ([]Info, error) {
	class := filepath.Join(root, "sys/class/tty")
	entries, err := os.ReadDir(class)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var found []Info
	for _, e := range entries {
		if info, ok := describe(filepath.Join(class, e.Name())); ok {
			found = append(found, info)
		}
	}
	addNames(root, found)
	sort.Slice(found, func(i, j int) bool { return natural(found[i].Device, found[j].Device) < 0 })
	return found, nil
}

// describe reads one entry of the tty class. Consoles and pseudo-terminals have no device; UARTs that the kernel reserves
// without hardware have type 0.
func describe(class string) (info Info, ok bool) {
	device, err := filepath.EvalSymlinks(filepath.Join(class, "device"))
	if err != nil || attribute(class, "type") == "0" {
		return info, false
	}
	info.Device = "/dev/" + filepath.Base(class)
	info.Driver = driver(device)
	describeUSB(device, &info)
	return info, true
}

// driver searches the parents for the driver of the hardware. Since Linux 6.5 the first two parents of a UART belong to
// the serial core: "port" and "ctrl".
func driver(device string) string {
	for range 4 {
		path, err := os.Readlink(filepath.Join(device, "driver"))
		if err == nil && !strings.Contains(path, "/serial-base/") {
			return filepath.Base(path)
		}
		device = filepath.Dir(device)
	}
	return ""
}

// describeUSB searches the parents for the USB interface and device of the port.
func describeUSB(device string, info *Info) {
	for dir := device; strings.Contains(dir, "/usb"); dir = filepath.Dir(dir) {
		if n := attribute(dir, "bInterfaceNumber"); n != "" {
			info.USB.Interface = n
		}
		if vid := attribute(dir, "idVendor"); vid != "" {
			info.USB.VID, info.USB.PID = vid, attribute(dir, "idProduct")
			info.USB.Serial = attribute(dir, "serial")
			info.Manufacturer, info.Product = attribute(dir, "manufacturer"), attribute(dir, "product")
			return
		}
	}
}

func attribute(dir, name string) string {
	text, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(text))
}

func addNames(root string, ports []Info) {
	for _, dir := range [...]string{"/dev/serial/by-id", "/dev/serial/by-path"} {
		entries, _ := os.ReadDir(filepath.Join(root, dir))
		for _, e := range entries {
			to, err := os.Readlink(filepath.Join(root, dir, e.Name()))
			if err != nil {
				continue
			}
			i := slices.IndexFunc(ports, func(p Info) bool { return filepath.Base(p.Device) == filepath.Base(to) })
			if i >= 0 {
				ports[i].Names = append(ports[i].Names, filepath.Join(dir, e.Name()))
			}
		}
	}
}

// natural compares names so that ttyUSB2 comes before ttyUSB10.
func natural(a, b string) int {
	stem := func(s string) string { return strings.TrimRight(s, "0123456789") }
	if stem(a) == stem(b) && len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func addHolders(ports []Info) {
	all := allHolders()
	for i := range ports {
		if id, ok := identify(ports[i].Device); ok {
			ports[i].Holders = all[id]
		}
		if len(ports[i].Holders) == 0 {
			ports[i].Holders = lockers(ports[i].Device)
		}
	}
}
