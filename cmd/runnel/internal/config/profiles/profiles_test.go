package profiles

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"runnel/test/kit"
)

// The user's profiles are listed with the built-in ones, each name once. Other files of the directory are none.
func TestCatalogueNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"own.toml", Names()[0] + ".toml", "notes.txt"} {
		kit.Must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	want := append(Names(), "own")
	slices.Sort(want)
	if got := (Catalogue{Dir: dir}).Names(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Catalogue{Dir: filepath.Join(dir, "missing")}).Names(); !slices.Equal(got, Names()) {
		t.Errorf("without a directory: %q", got)
	}
}
