package main

import (
	"cmp"
	"strings"
)

// Serial is a serial line.
type Serial struct {
	Place        Place
	Name         string   `toml:"name"`
	Device       Path     `toml:"device"`
	USB          *USB     `toml:"usb"`
	Baud         int      `toml:"baud"`
	DataBits     int      `toml:"data_bits"`
	StopBits     int      `toml:"stop_bits"`
	Parity       string   `toml:"parity"`
	Mode         string   `toml:"mode"`    // wamp (default); lines, modbus: later
	Framing      string   `toml:"framing"` // hdlc (default), none
	Realm        string   `toml:"realm"`
	Authid       string   `toml:"authid"`
	Role         string   `toml:"role"`
	Settle       Duration `toml:"settle"` // from opening the port to the first octet
	DTR          string   `toml:"dtr"`    // keep (default), on, off
	RTS          string   `toml:"rts"`
	MaxMessage   Size     `toml:"max_message"`
	PingInterval Duration `toml:"ping_interval"`

	// mode = "lines"
	Format  string   `toml:"format"`
	Columns []string `toml:"columns"`
	Pattern string   `toml:"pattern"`
	Topic   string   `toml:"topic"`
}

// USB identifies a USB serial port, whatever name the kernel gave it.
type USB struct {
	Place     Place
	VID       string `toml:"vid"`
	PID       string `toml:"pid"`
	Serial    string `toml:"serial"`
	Interface string `toml:"interface"`
}

func (k checker) serial(s *Serial) {
	k.required(s.Place, "name", s.Name)
	s.Realm = k.realmName(s.Place, "realm", s.Realm)
	k.device(s)
	k.choice(s.Place, "mode", s.Mode, "wamp", "lines", "modbus")
	if s.Mode == "lines" || s.Mode == "modbus" {
		k.add(s.Place, "mode", "mode = %q is not in this version; mode = \"wamp\" is", s.Mode)
		return
	}
	for _, key := range []string{"format", "columns", "pattern", "topic"} {
		if s.Place.has(key) {
			k.add(s.Place, key, "only for mode = \"lines\"; remove it")
		}
	}
	s.Framing = cmp.Or(s.Framing, "hdlc")
	k.choice(s.Place, "framing", s.Framing, "hdlc", "none")
	k.ping(s.Place, &s.PingInterval)
	if err := s.port().Validate(); err != nil && s.USB == nil && s.Device != "" {
		k.add(s.Place, "", "%v", err)
	}
	k.choice(s.Place, "parity", s.Parity, "none", "odd", "even", "mark", "space")
	k.choice(s.Place, "dtr", s.DTR, "keep", "on", "off")
	k.choice(s.Place, "rts", s.RTS, "keep", "on", "off")
	k.identity(s.Place, s.Realm, s.Role, s.Authid)
	if s.Role != "" && s.Authid == "" {
		s.Authid = s.Name
	}
}

func (k checker) device(s *Serial) {
	if s.Device == "" && s.USB == nil {
		k.add(s.Place, "device", "missing; write device = \"/dev/tty...\", or usb = { vid = \"...\", pid = \"...\" } (runnel serial ls shows both)")
		return
	}
	if s.Device != "" && s.USB != nil {
		k.add(s.Place, "usb", "device is set as well; write one of the two")
	}
	if s.USB == nil {
		return
	}
	k.hex(s.USB.Place, "vid", s.USB.VID)
	k.hex(s.USB.Place, "pid", s.USB.PID)
}

func (k checker) hex(at Place, key, id string) {
	if len(id) != 4 || strings.Trim(strings.ToLower(id), "0123456789abcdef") != "" {
		k.add(at, key, "%q is not a USB id; write four hexadecimal digits, like \"2341\"", id)
	}
}
