package serial

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestConfigLimits: every limit of the settings, at the last valid value and one beyond.
func TestConfigLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   func(*Config)
		valid bool
	}{
		{"device", func(c *Config) {}, true},
		{"nothing", func(c *Config) { c.Device = "" }, false},
		{"USB", func(c *Config) { c.Device, c.USB.VID = "", "2341" }, true},
		{"device and USB", func(c *Config) { c.USB.VID = "2341" }, false},
		{"baud 0", func(c *Config) { c.Baud = 0 }, true},
		{"negative baud", func(c *Config) { c.Baud = -1 }, false},
		{"baud 12000000", func(c *Config) { c.Baud = 12_000_000 }, true},
		{"baud 12000001", func(c *Config) { c.Baud = 12_000_001 }, false},
		{"4 data bits", func(c *Config) { c.DataBits = 4 }, false},
		{"5 data bits", func(c *Config) { c.DataBits = 5 }, true},
		{"8 data bits", func(c *Config) { c.DataBits = 8 }, true},
		{"9 data bits", func(c *Config) { c.DataBits = 9 }, false},
		{"negative data bits", func(c *Config) { c.DataBits = -1 }, false},
		{"2 stop bits", func(c *Config) { c.StopBits = 2 }, true},
		{"3 stop bits", func(c *Config) { c.StopBits = 3 }, false},
		{"negative stop bits", func(c *Config) { c.StopBits = -1 }, false},
		{"parity space", func(c *Config) { c.Parity = Space }, true},
		{"parity", func(c *Config) { c.Parity = Space + 1 }, false},
		{"dtr and rts off", func(c *Config) { c.DTR, c.RTS = Off, Off }, true},
		{"dtr", func(c *Config) { c.DTR = Off + 1 }, false},
		{"rts", func(c *Config) { c.RTS = Off + 1 }, false},
		{"settle", func(c *Config) { c.Settle = time.Minute }, true},
		{"long settle", func(c *Config) { c.Settle = time.Minute + 1 }, false},
		{"negative settle", func(c *Config) { c.Settle = -1 }, false},
		{"RS-485 delays", func(c *Config) { c.RS485 = &RS485{DelayBefore: maxTurn, DelayBehind: maxTurn} }, true},
		{"long RS-485 delay before", func(c *Config) { c.RS485 = &RS485{DelayBefore: maxTurn + time.Millisecond} }, false},
		{"long RS-485 delay behind", func(c *Config) { c.RS485 = &RS485{DelayBehind: maxTurn + time.Millisecond} }, false},
		{"RS-485 delay of half a millisecond", func(c *Config) { c.RS485 = &RS485{DelayBehind: time.Millisecond / 2} }, false},
		{"network", func(c *Config) { c.Device = "tcp://10.0.0.7:4001" }, true},
		{"network, IPv6", func(c *Config) { c.Device = "tcp://[2001:db8::1]:4001" }, true},
		{"network without port", func(c *Config) { c.Device = "tcp://10.0.0.7" }, false},
		{"network with an empty port", func(c *Config) { c.Device = "tcp://10.0.0.7:" }, false},
		{"network without host", func(c *Config) { c.Device = "tcp://:4001" }, false},
		{"network with rs485", func(c *Config) { c.Device, c.RS485 = "tcp://10.0.0.7:4001", &RS485{} }, false},
		{"network with dtr", func(c *Config) { c.Device, c.DTR = "tcp://10.0.0.7:4001", On }, false},
		{"network with rts", func(c *Config) { c.Device, c.RTS = "tcp://10.0.0.7:4001", Off }, false},
		{"product without vendor", func(c *Config) { c.Device, c.USB = "", USB{PID: "0043"} }, false},
		{"product and vendor", func(c *Config) { c.Device, c.USB = "", USB{VID: "2341", PID: "0043"} }, true},
		{"short vendor", func(c *Config) { c.Device, c.USB = "", USB{VID: "234"} }, false},
		{"vendor that is no number", func(c *Config) { c.Device, c.USB = "", USB{VID: "234x"} }, false},
		{"short product", func(c *Config) { c.Device, c.USB = "", USB{VID: "2341", PID: "43"} }, false},
		{"interface", func(c *Config) { c.Device, c.USB = "", USB{VID: "2341", Interface: "ff"} }, true},
		{"interface beyond the last", func(c *Config) { c.Device, c.USB = "", USB{VID: "2341", Interface: "100"} }, false},
		{"serial number", func(c *Config) { c.Device, c.USB = "", USB{Serial: "95"} }, true},
	} {
		config := Config{Device: "/dev/ttyS0"}
		c.set(&config)
		if err := config.Validate(); (err == nil) != c.valid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestConfigTexts: how a port's settings and identity are shown.
func TestConfigTexts(t *testing.T) {
	for _, c := range []struct {
		config       Config
		target, mode string
	}{
		{Config{Device: "/dev/ttyS0"}, "/dev/ttyS0", "115200 8N1"},
		{Config{Device: "/dev/ttyS0", Baud: 9600, DataBits: 7, StopBits: 2, Parity: Even}, "/dev/ttyS0", "9600 7E2"},
		{Config{USB: USB{VID: "1A86"}}, "usb 1a86:*", "115200 8N1"},
		{Config{USB: USB{VID: "2341", PID: "0043", Serial: "95", Interface: "00"}}, "usb 2341:0043 serial 95 interface 00", "115200 8N1"},
	} {
		if got := c.config.target(); got != c.target {
			t.Errorf("%+v is shown as %q, want %q", c.config, got, c.target)
		}
		if got := c.config.withDefaults().mode(); got != c.mode {
			t.Errorf("%+v has mode %q, want %q", c.config, got, c.mode)
		}
	}
}

// TestPresent: a device is present while its file exists. The presence of a device on another machine is unknown.
func TestPresent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "device")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		config Config
		want   bool
	}{
		{Config{Device: file}, true},
		{Config{Device: file + "0"}, false},
		{Config{Device: "tcp://127.0.0.1:1"}, true},
		{Config{USB: USB{VID: "ffff", PID: "ffff", Serial: "no such device"}}, false},
	} {
		if got := c.config.present(); got != c.want {
			t.Errorf("%s: present is %v", c.config.target(), got)
		}
	}
}
