// Package boards knows the small computers that a router at the edge runs on: it detects the board, lists its serial ports
// and suggests a memory limit. It only reads files and imports only the standard library.
//
//	detect.go   detects the board from the device tree, OpenWrt's sysinfo or the PC's DMI
//	memory.go   a limit for Go's memory, from that of the machine and its control group
//	catalog.go  the known boards; one catalog_*.go for each maker
//
// The directory packaging holds the other files of an installation: a systemd unit, a udev rule, an OpenWrt init script and
// an initial configuration. The directory mcu holds the client for microcontrollers, in C.
package boards

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Board is a kind of computer; Detect returns the one that this program runs on.
type Board struct {
	Name       string   // "Raspberry Pi Zero W"
	Vendor     string   // "Raspberry Pi"
	Compatible []string // its names in the device tree
	SoC        string   // "BCM2835"
	Build      string   // the router's build for it, as named by "make cross": arm6, arm7, arm64, riscv64, mipsle, amd64
	UARTs      []UART
	Note       string

	Model  string // the machine's own name, often with its revision; "" if unknown
	Memory int    // in MB, as memory is sold; 0 if unknown
}

// UART is a serial port of a board.
type UART struct {
	Device string // "/dev/ttyAMA0" with the usual system's default settings; "" if that depends
	Name   string // "UART0 (PL011)"
	Pins   string // the pins to connect to
	Note   string // obstacles to its use
}

// String returns "Raspberry Pi Zero W Rev 1.1 (BCM2835, 512 MB)".
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

// size returns "512 MB", "8 GB" or "1.5 GB".
func size(mb int) string {
	if mb < 1024 {
		return strconv.Itoa(mb) + " MB"
	}
	return strconv.FormatFloat(math.Floor(float64(mb)/102.4)/10, 'f', -1, 64) + " GB"
}

// String returns "/dev/ttyAMA0: UART0 (PL011), TX GPIO14 (pin 8), RX GPIO15 (pin 10). It is ...".
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
