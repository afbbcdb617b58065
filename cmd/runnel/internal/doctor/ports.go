package doctor

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/account"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/directory"
	"runnel/transport/serial"
)

const listPorts = "runnel serial ls shows the ports of this machine"

// checkPorts checks that the router can open the port of each serial line.
func checkPorts(ctx context.Context, e *examination) {
	if e.config == nil {
		return
	}
	for _, s := range e.config.Serials {
		port := s.LineConfig().Port
		if port.Networked() {
			e.reachServer(ctx, s)
			continue
		}
		device, err := port.Find(e.ports)
		if err != nil {
			cause, _ := split(err.Error())
			e.add(Finding{"serial", Error, "serial line " + s.Name, "its device is missing: " + cause, "plug it in; " + listPorts})
			continue
		}
		e.checkPort(s, device)
	}
	e.modemManager()
}

// reachServer connects to a serial device server. Such a server may accept a single connection, so reachServer skips the check
// while the router runs.
func (e *examination) reachServer(ctx context.Context, s config.Serial) {
	if e.running != nil {
		return
	}
	at, err := url.Parse(string(s.Device))
	if err == nil {
		err = reach(ctx, at, "502")
	}
	if err != nil {
		e.add(Finding{"serial", Error, "serial line " + s.Name, fmt.Sprintf("cannot connect to the device server %s: %v", s.Device, err), "check its power, its address and its port"})
	}
}

func (e *examination) checkPort(s config.Serial, device string) {
	object := "serial line " + s.Name
	info, err := os.Stat(device)
	if err != nil {
		e.add(Finding{"serial", Error, object, fmt.Sprintf("its device %s is missing", device), "plug it in; " + listPorts})
		return
	}
	if !may(e.user, info, 0o6) {
		remedy := "sudo chmod 0660 " + device
		if _, gid, ok := ownerIDs(info); ok && gid != 0 {
			remedy = fmt.Sprintf("sudo usermod -aG %s %s && sudo systemctl restart runnel", groupName(gid), e.user.Name)
			if e.user.Name != account.Service {
				remedy = fmt.Sprintf("sudo usermod -aG %s %s, then log in again", groupName(gid), e.user.Name)
			}
		}
		e.add(Finding{"serial", Error, object, fmt.Sprintf("user %s may not open %s (%s)", e.user.Name, device, owners(info)), remedy})
	}
	e.holders(object, device)
	if slices.Contains(consoles(), filepath.Base(directory.RealPath(device))) {
		e.add(Finding{"serial", Error, object, "the kernel's console is on " + device + ": it writes into the device's data", "remove console=... for this port from /boot/firmware/cmdline.txt (or raspi-config: Interface Options, Serial Port, login shell: no) and reboot"})
	}
}

// holders reports programs other than the running router that hold the port.
func (e *examination) holders(object, device string) {
	for _, p := range e.ports {
		if !directory.SamePath(p.Device, device) {
			continue
		}
		for _, h := range p.Holders {
			if h.Name == "runnel" && e.running != nil || h.PID == os.Getpid() {
				continue
			}
			e.add(Finding{"serial", Error, object, fmt.Sprintf("%s is held by %v", device, h), release(h, device)})
		}
	}
}

// release returns the remedy for a port that a program holds.
func release(h serial.Process, device string) string {
	switch name := strings.ToLower(h.Name); {
	case strings.HasPrefix(name, "modemmanager"):
		return "sudo systemctl mask --now ModemManager"
	case strings.Contains(name, "getty"):
		return "sudo systemctl mask --now serial-getty@" + filepath.Base(directory.RealPath(device)) + ".service"
	case strings.HasPrefix(name, "brltty"):
		return "sudo apt remove brltty"
	case strings.HasPrefix(name, "gpsd"):
		return "sudo systemctl disable --now gpsd gpsd.socket"
	}
	return fmt.Sprintf("stop it (sudo kill %d), and keep it from starting again", h.PID)
}

// rules are the udev rules that keep ModemManager away from serial adapters. The packages install the first one.
var rules = []string{"/usr/lib/udev/rules.d/70-runnel-serial.rules", "/etc/udev/rules.d/70-runnel-serial.rules", "/lib/udev/rules.d/70-runnel-serial.rules"}

// modemManagerProcess is the name of ModemManager's process.
var modemManagerProcess = "ModemManager"

// modemManager warns about ModemManager, which sends modem commands to each new serial adapter.
func (e *examination) modemManager() {
	if len(e.config.Serials) == 0 || !runs(modemManagerProcess) {
		return
	}
	for _, file := range rules {
		if _, err := os.Stat(file); err == nil {
			return
		}
	}
	e.add(Finding{"serial", Warning, "ModemManager", "it is running and sends modem commands to each new serial adapter", "sudo systemctl mask --now ModemManager, or install boards/packaging/70-runnel-serial.rules into /etc/udev/rules.d"})
}

// consoles lists the serial ports that are the kernel's consoles.
func consoles() (names []string) {
	text, _ := os.ReadFile("/proc/cmdline") // missing on other systems than Linux
	for _, word := range strings.Fields(string(text)) {
		if console, ok := strings.CutPrefix(word, "console="); ok {
			name, _, _ := strings.Cut(console, ",")
			names = append(names, name)
		}
	}
	return names
}

// runs reports whether a process of that name runs.
func runs(name string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(text)) == name {
			return true
		}
	}
	return false
}
