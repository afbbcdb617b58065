package profiles

import (
	"maps"
	"testing"

	"runnel/cmd/runnel/internal/packed"
	"runnel/test/kit"
)

// TestArchive checks that the binary has the profiles of this directory.
func TestArchive(t *testing.T) {
	if !maps.Equal(packed.Files(archive), kit.Files(t, "*.toml")) {
		t.Error("profiles.gz is not up to date; run go generate ./cmd/runnel/internal/config/profiles")
	}
}
