package serial

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"runnel/test/kit"
	"runnel/transport/serial/pty"
)

// TestPorts reads a sysfs laid out as Linux lays it out: an FTDI adapter, an Arduino's CDC ACM, a PL011, an 8250 under
// the serial core's own parents (Linux 6.5 and later), one that does not exist, and a virtual console.
func TestPorts(t *testing.T) {
	root := t.TempDir()
	file := func(path, text string) {
		path = filepath.Join(root, path)
		kit.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		kit.Must(t, os.WriteFile(path, []byte(text+"\n"), 0o644))
	}
	link := func(path, to string) {
		path = filepath.Join(root, path)
		kit.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		kit.Must(t, os.Symlink(to, path))
	}
	tty := func(name, device string) {
		kit.Must(t, os.MkdirAll(filepath.Join(root, device), 0o755))
		dir := filepath.Join(device, "tty", name)
		link(filepath.Join(dir, "device"), "../../../"+filepath.Base(device))
		link(filepath.Join("sys/class/tty", name), filepath.Join(root, dir))
	}
	const usb = "sys/devices/platform/soc/3f980000.usb/usb1/1-1/"
	for dir, v := range map[string][5]string{
		"1-1.2": {"0403", "6001", "A900", "FTDI", "FT232R USB UART"},
		"1-1.3": {"2341", "0043", "9573", "Arduino (www.arduino.cc)", ""},
	} {
		for i, name := range []string{"idVendor", "idProduct", "serial", "manufacturer", "product"} {
			file(usb+dir+"/"+name, v[i])
		}
	}
	tty("ttyUSB10", usb+"1-1.2/1-1.2:1.0/ttyUSB10")
	link(usb+"1-1.2/1-1.2:1.0/ttyUSB10/driver", "../../../../../../../../../bus/usb-serial/drivers/ftdi_sio")
	file(usb+"1-1.2/1-1.2:1.0/bInterfaceNumber", "00")
	tty("ttyACM0", usb+"1-1.3/1-1.3:1.0")
	link(usb+"1-1.3/1-1.3:1.0/driver", "../../../../../../../../bus/usb/drivers/cdc_acm")
	file(usb+"1-1.3/1-1.3:1.0/bInterfaceNumber", "00")
	tty("ttyUSB2", usb+"1-1.2/1-1.2:1.1/ttyUSB2")
	file(usb+"1-1.2/1-1.2:1.1/bInterfaceNumber", "01")

	tty("ttyAMA0", "sys/devices/platform/soc/3f201000.serial")
	link("sys/devices/platform/soc/3f201000.serial/driver", "../../../../bus/amba/drivers/uart-pl011")
	file("sys/class/tty/ttyAMA0/type", "32")
	const core = "sys/devices/platform/1c28000.serial/1c28000.serial:0/1c28000.serial:0.0"
	tty("ttyS1", core)
	link(core+"/driver", "../../../../../bus/serial-base/drivers/port")
	link(filepath.Dir(core)+"/driver", "../../../../bus/serial-base/drivers/ctrl")
	link(filepath.Dir(filepath.Dir(core))+"/driver", "../../../bus/platform/drivers/dw-apb-uart")
	file("sys/class/tty/ttyS1/type", "4")
	tty("ttyS2", "sys/devices/platform/serial8250")
	file("sys/class/tty/ttyS2/type", "0")
	file("sys/devices/virtual/tty/tty1/dev", "4:1")
	link("sys/class/tty/tty1", "../../devices/virtual/tty/tty1")

	link("dev/serial/by-id/usb-FTDI_FT232R-if00-port0", "../../ttyUSB10")
	link("dev/serial/by-path/platform-3f980000.usb-usb-0:1.2:1.0-port0", "../../ttyUSB10")
	link("dev/serial/by-id/usb-gone", "../../ttyUSB99")

	got, err := portsUnder(root)
	kit.Must(t, err)
	want := []Info{
		{Device: "/dev/ttyACM0", Driver: "cdc_acm", USB: USB{"2341", "0043", "9573", "00"}, Manufacturer: "Arduino (www.arduino.cc)"},
		{Device: "/dev/ttyAMA0", Driver: "uart-pl011"},
		{Device: "/dev/ttyS1", Driver: "dw-apb-uart"},
		{Device: "/dev/ttyUSB2", USB: USB{"0403", "6001", "A900", "01"}, Manufacturer: "FTDI", Product: "FT232R USB UART"},
		{Device: "/dev/ttyUSB10", Driver: "ftdi_sio", USB: USB{"0403", "6001", "A900", "00"}, Manufacturer: "FTDI", Product: "FT232R USB UART",
			Names: []string{"/dev/serial/by-id/usb-FTDI_FT232R-if00-port0", "/dev/serial/by-path/platform-3f980000.usb-usb-0:1.2:1.0-port0"}},
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("port %d:\n got %+v\nwant %+v", i, got, want)
		}
	}
}

// TestNames: the links in /dev/serial are names of the ports that they lead to.
func TestNames(t *testing.T) {
	root := t.TempDir()
	byID := filepath.Join(root, "dev/serial/by-id")
	kit.Must(t, os.MkdirAll(byID, 0o755))
	for name, to := range map[string]string{"first": "../../ttyUSB0", "second": "../../ttyUSB1", "third": "../../ttyUSB1", "gone": "../../ttyUSB7"} {
		kit.Must(t, os.Symlink(to, filepath.Join(byID, name)))
	}
	kit.Must(t, os.WriteFile(filepath.Join(byID, "file"), nil, 0o644))
	ports := []Info{{Device: "/dev/ttyUSB0"}, {Device: "/dev/ttyUSB1"}}
	addNames(root, ports)
	for i, want := range [][]string{{"/dev/serial/by-id/first"}, {"/dev/serial/by-id/second", "/dev/serial/by-id/third"}} {
		if got := ports[i].Names; !slices.Equal(got, want) {
			t.Errorf("%s has the names %q, want %q", ports[i].Device, got, want)
		}
	}
}

func TestPortsWithoutSysfs(t *testing.T) {
	if got, err := portsUnder(t.TempDir()); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestList(t *testing.T) {
	ports, err := List()
	kit.Must(t, err)
	for _, p := range ports {
		if !filepath.IsAbs(p.Device) {
			t.Errorf("%+v", p)
		}
	}
}

func TestHoldersOf(t *testing.T) {
	_, p := device(t, Config{})
	id, ok := identify(p.Device())
	if !ok || !slices.ContainsFunc(allHolders()[id], func(p Process) bool { return p.PID == os.Getpid() }) {
		t.Error("a port's holder is not found")
	}
}

// TestHoldersOfTheGone checks that a process with an old pseudo-terminal open is not listed as a user of a new one.
func TestHoldersOfTheGone(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	f, err := os.OpenFile(slave, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	kit.Must(t, err)
	defer f.Close()
	raw, err := f.SyscallConn()
	kit.Must(t, err)
	var link string
	kit.Must(t, raw.Control(func(fd uintptr) { link = fmt.Sprintf("/proc/self/fd/%d", fd) }))
	id, ok := identify(link)
	if !ok || !slices.Contains(openDevices(os.Getpid()), id) {
		t.Fatal("an open pseudo-terminal is not found")
	}
	kit.Must(t, master.Close())
	if name, err := os.Readlink(link); err != nil || !strings.HasSuffix(name, " (deleted)") {
		t.Skipf("this system keeps %s: %v", name, err)
	}
	if gone, ok := identify(link); ok && gone == id && slices.Contains(openDevices(os.Getpid()), id) {
		t.Error("a pseudo-terminal that is gone is held")
	}
}

// TestAddHolders: the processes that use a port are those that have it open, or else those that have locked it.
func TestAddHolders(t *testing.T) {
	_, p := device(t, Config{})
	locked, err := os.Create(filepath.Join(t.TempDir(), "locked"))
	kit.Must(t, err)
	defer locked.Close()
	if ok, err := flock(locked); !ok || err != nil {
		t.Fatal(ok, err)
	}
	ports := []Info{{Device: p.Device()}, {Device: locked.Name()}, {Device: locked.Name() + " that is missing"}}
	addHolders(ports)
	for i, want := range []int{1, 1, 0} {
		by := ports[i].Holders
		if len(by) != want || want > 0 && by[0].PID != os.Getpid() {
			t.Errorf("%s is used by %v", ports[i].Device, by)
		}
	}
}

// TestOpenDevices: each device of a process is listed once, even if the process has opened it several times.
func TestOpenDevices(t *testing.T) {
	before := openDevices(os.Getpid())
	pts, slave, err := pty.Open()
	kit.Must(t, err)
	defer pts.Close()
	for range 2 {
		f, err := os.OpenFile(slave, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		kit.Must(t, err)
		defer f.Close()
	}
	id, _ := identify(slave)
	var count int
	for _, open := range openDevices(os.Getpid()) {
		if open == id {
			count++
		}
	}
	if slices.Contains(before, id) || count != 1 {
		t.Errorf("the device is listed %d times", count)
	}
	if gone := openDevices(-1); len(gone) > 0 {
		t.Errorf("devices of no process: %v", gone)
	}
}
