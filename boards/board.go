// Package boards knows the small computers that a router at the edge runs on: which one this is, where its serial ports
// are, and how much memory the router should take. It only reads files, and imports the standard library alone.
//
//	detect.go   which board this is: the device tree, OpenWrt's sysinfo, the PC's DMI
//	memory.go   a limit for Go's memory, from the machine's and the control group's
//	catalog.go  the boards, and what is known of them; one catalog_*.go for each maker
//
// The directory packaging holds what a system needs besides the binary: a systemd unit, a udev rule, an OpenWrt init
// script and a configuration to begin with. The directory mcu holds the client for microcontrollers, in C.
package boards

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Board is a kind of computer and, from Detect, the one that this program runs on.
type Board struct {
	Name       string   // "Raspberry Pi Zero W"
	Vendor     string   // "Raspberry Pi"
	Compatible []string // the names the device tree gives it
	SoC        string   // "BCM2835"
	Build      string   // the build of the router for it, as "make cross" names them: arm6, arm7, arm64, riscv64, mipsle, amd64
	UARTs      []UART
	Note       string

	Model  string // what the machine calls itself, often with its revision; "" if it does not say
	Memory int    // in MB, as memory is sold; 0 if unknown
}

// UART is a serial port of a board.
type UART struct {
	Device string // "/dev/ttyAMA0", by default settings of the usual system; "" where that depends
	Name   string // "UART0 (PL011)"
	Pins   string // where to connect
	Note   string // what stands in the way
}

// String writes "Raspberry Pi Zero W Rev 1.1 (BCM2835, 512 MB)".
func (b Board) String() string {
	name := b.Model
	if name == "" {
		name = b.Name
	}
	var about []string
	if b.SoC != "" {
		about = append(about, b.SoC)
	}
	if b.Memory > 0 {
		about = append(about, size(b.Memory))
	}
	if len(about) == 0 {
		return name
	}
	return name + " (" + strings.Join(about, ", ") + ")"
}

// size writes "512 MB", "8 GB" or "1.5 GB".
func size(mb int) string {
	if mb < 1024 {
		return strconv.Itoa(mb) + " MB"
	}
	return strconv.FormatFloat(math.Floor(float64(mb)/102.4)/10, 'f', -1, 64) + " GB"
}

// String writes "/dev/ttyAMA0: UART0 (PL011), TX GPIO14 (pin 8), RX GPIO15 (pin 10). It is ...".
func (u UART) String() string {
	s := fmt.Sprintf("%s, %s", u.Name, u.Pins)
	if u.Device != "" {
		s = u.Device + ": " + s
	}
	if u.Note != "" {
		s += ". " + u.Note
	}
	return s
}
