//go:build !linux

package journal

import (
	"os"
	"testing"
)

// unprivileged skips the test if it runs as root, which may write everywhere.
func unprivileged(t *testing.T, _ string) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
}
