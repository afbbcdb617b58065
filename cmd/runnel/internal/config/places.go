package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// CookieFile is where it is kept whom cookies stand for; "" is nowhere.
func CookieFile(c *Config) string {
	data := DataDir(c)
	if data == "" {
		return ""
	}
	return filepath.Join(data, "cookies.json")
}

// ListenURL resolves unix:// without a path: the service's socket where its directory belongs to this user, else one of
// the user's own.
func ListenURL(url string) (string, error) {
	if url != "unix://" {
		return url, nil
	}
	if writable(filepath.Dir(SystemSocket)) {
		return "unix://" + SystemSocket, nil
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return "", fmt.Errorf("%s can't be written to, and $XDG_RUNTIME_DIR is not set", filepath.Dir(SystemSocket))
	}
	dir = filepath.Join(dir, "runnel")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return "unix://" + filepath.Join(dir, filepath.Base(SystemSocket)), nil
}

// SpoolDir is where an uplink's events wait; "" is nowhere.
func SpoolDir(c *Config, uplink string) string {
	data := DataDir(c)
	if data == "" {
		return ""
	}
	name := url.PathEscape(uplink)
	if strings.HasPrefix(name, ".") {
		name = "%2E" + name[1:]
	}
	return filepath.Join(data, "uplink", name)
}

// SystemSocket is the Unix socket of the router that runs as a service.
const SystemSocket = "/run/runnel/runnel.sock"

// systemData is where data goes if the configuration doesn't say: as a service, or wherever somebody has made it.
const systemData = "/var/lib/runnel"

// stateDir is where a realm keeps its retained events and histories; "" is nowhere.
func stateDir(c *Config, realm string) string {
	data := DataDir(c)
	if data == "" {
		return ""
	}
	return filepath.Join(data, "realm", url.PathEscape(realm))
}

// DataDir is where data goes; "" is nowhere.
func DataDir(c *Config) string {
	if c.KeepsNothing {
		return ""
	}
	if c.Node.Data == "" && writable(systemData) {
		return systemData
	}
	return string(c.Node.Data)
}
