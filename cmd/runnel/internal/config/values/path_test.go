package values

import "testing"

// A file belongs to the directory of the configuration; a port of Windows or of another machine is no file.
func TestAbsolute(t *testing.T) {
	for path, want := range map[string]string{
		"":                    "",
		"gw.key":              "/etc/runnel/gw.key",
		"/dev/ttyS1":          "/dev/ttyS1",
		"tcp://10.0.0.7:4001": "tcp://10.0.0.7:4001",
		"rfc2217://moxa:4001": "rfc2217://moxa:4001",
		"COM3":                "COM3",
		"com12":               "com12",
		"COM":                 "/etc/runnel/COM",
		"COM3.log":            "/etc/runnel/COM3.log",
		"certificates/COM3":   "/etc/runnel/certificates/COM3",
		"../COM3":             "/etc/COM3",
	} {
		if got := Absolute("/etc/runnel", path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
