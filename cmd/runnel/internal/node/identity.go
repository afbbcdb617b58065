package node

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
	"runnel/edge/atomicfile"
	"runnel/edge/wamp"
)

// boot distinguishes this process from an earlier one of the same node, and from one that runs with a copy of its data.
var boot = randomHex(8)

func randomHex(size int) string {
	b := make([]byte, size)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// identity identifies this router to the routers that it is linked to.
func identity(c *config.Config) wamp.Node {
	return wamp.Node{ID: c.RouterID(), Name: c.NodeID(), Boot: boot, Installation: c.Installation}
}

// installationFile is in the data directory. A copy of the directory has the same file, which reveals two routers
// that would number their events alike.
const installationFile = "installation"

// readInstallation returns the content of the file, and writes the file if it is missing. It returns "" if there is no data
// directory.
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
		if err = atomicfile.Write(file, []byte(id+"\n"), 0o600); err == nil {
			return id
		}
	}
	log.Warn("cannot save the installation's id; a copy of the data directory will not be recognized", "file", file, "err", err)
	return ""
}
