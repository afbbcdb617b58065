package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"runnel/cmd/runnel/internal/config/directory"
)

// CookieFile returns the file that maps cookies to authenticated sessions, or "" without a data directory.
func CookieFile(c *Config) string {
	data := DataDir(c)
	if data == "" {
		return ""
	}
	return filepath.Join(data, "cookies.json")
}

// ListenURL resolves unix:// without a path. It returns the service's socket if this user can write to its directory,
// otherwise a socket in $XDG_RUNTIME_DIR/runnel, which it creates.
func ListenURL(url string) (string, error) {
	if url != "unix://" {
		return url, nil
	}
	if directory.Writable(filepath.Dir(SystemSocket)) == nil {
		return "unix://" + SystemSocket, nil
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return "", fmt.Errorf("%s can't be written to, and $XDG_RUNTIME_DIR is not set; \"runnel status\" and other administration need the socket: set the variable to a directory of this user (export XDG_RUNTIME_DIR=$(mktemp -d)) for the router and the commands", filepath.Dir(SystemSocket))
	}
	dir = filepath.Join(dir, "runnel")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return "unix://" + filepath.Join(dir, filepath.Base(SystemSocket)), nil
}

// SpoolDir returns the directory of an uplink's spool, or "" without a data directory.
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

// systemData is the default data directory, used if it exists and this user can write to it.
const systemData = "/var/lib/runnel"

// stateDir returns the directory of a realm's retained events and histories, or "" without a data directory.
func stateDir(c *Config, realm string) string {
	data := DataDir(c)
	if data == "" {
		return ""
	}
	return filepath.Join(data, "realm", url.PathEscape(realm))
}

// DataDir returns the data directory, or "" if nothing is stored on disk.
func DataDir(c *Config) string {
	if c.KeepsNothing {
		return ""
	}
	if c.Node.Data == "" && directory.Writable(systemData) == nil {
		return systemData
	}
	return string(c.Node.Data)
}
