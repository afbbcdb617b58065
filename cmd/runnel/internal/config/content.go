package config

import (
	"encoding/hex"
	"path/filepath"
	"strings"
)

// isContent reports whether the path looks like the content of the file, such as a key. A message must not repeat it.
func (p Path) isContent() bool {
	name := filepath.Base(string(p))
	_, err := hex.DecodeString(name)
	return strings.ContainsAny(string(p), "\r\n") || strings.Contains(string(p), "PRIVATE KEY") || len(name) >= 64 && err == nil
}
