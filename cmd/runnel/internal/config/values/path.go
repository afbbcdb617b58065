package values

import (
	"encoding/hex"
	"path/filepath"
	"strings"

	"runnel/transport/serial"
)

// Path is a file name. A relative one starts at the configuration file's directory.
type Path string

// IsContent reports whether the path looks like the content of the file, such as a key. A message must not repeat it.
func (p Path) IsContent() bool {
	name := filepath.Base(string(p))
	_, err := hex.DecodeString(name)
	return strings.ContainsAny(string(p), "\r\n") || strings.Contains(string(p), "PRIVATE KEY") || len(name) >= 64 && err == nil
}

// Absolute makes a path that is relative to dir absolute.
func Absolute(dir, path string) string {
	if path == "" || filepath.IsAbs(path) || serial.IsNetwork(path) || serial.IsCOM(path) {
		return path
	}
	path = filepath.Join(dir, path)
	if whole, err := filepath.Abs(path); err == nil { // dir may be relative itself, as in "-c gateway.toml"
		return whole
	}
	return path
}
