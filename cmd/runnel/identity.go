package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
)

// boot is what this process is told apart by from one before it, and from another that has a copy of its data.
var boot = randomHex(8)

func randomHex(octets int) string {
	b := make([]byte, octets)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// identity is how this router is told apart from others, to which it is linked.
func identity(c *config.Config) wamp.Node {
	return wamp.Node{ID: c.RouterID(), Name: c.NodeID(), Boot: boot, Installation: c.Installation}
}

// installationFile is in the data directory. A copy of the directory has a copy of the file: two routers that write their
// events under the same numbers are known by it.
const installationFile = "installation"

// readInstallation returns what stands in the file, which is made if it is missing; "" if there is no data directory.
func readInstallation(c *config.Config, log *slog.Logger) string {
	dir := config.DataDir(c)
	if dir == "" {
		return ""
	}
	file := filepath.Join(dir, installationFile)
	text, err := os.ReadFile(file)
	if id := strings.TrimSpace(string(text)); err == nil && id != "" && len(id) <= 64 {
		return id
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		id := randomHex(16)
		if err = writeWhole(file, id+"\n"); err == nil {
			return id
		}
	}
	log.Warn("cannot keep the installation's id; a copy of the data directory will not be recognized", "file", file, "err", err)
	return ""
}

// writeWhole writes a file that is there as a whole or not at all.
func writeWhole(file, text string) error {
	f, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	return err
}
