package profiles

import (
	"errors"
	"io/fs"
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

// A user's profile takes precedence over a built-in one. A name is no path out of the directory.
func TestCatalogueText(t *testing.T) {
	dir := t.TempDir()
	c := Catalogue{Dir: dir, Read: os.ReadFile}
	builtIn, other := Names()[0], Names()[1]
	kit.Must(t, os.WriteFile(filepath.Join(dir, builtIn+".toml"), []byte("own"), 0o600))
	if file, text, err := c.Text(builtIn); file != filepath.Join(dir, builtIn+".toml") || text != "own" || err != nil {
		t.Errorf("%s, %q, %v", file, text, err)
	}
	_, text, err := c.Text(other)
	if _, original, _ := (Catalogue{}).Text(other); text == "" || text != original || err != nil {
		t.Errorf("%q, want %q, %v", text, original, err)
	}
	kit.Must(t, os.WriteFile(filepath.Join(dir, ".hidden.toml"), nil, 0o600))
	for _, name := range []string{"", "absent", ".hidden", "../" + filepath.Base(dir) + "/" + builtIn, `..\` + builtIn} {
		if _, _, err := c.Text(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: error is %v", name, err)
		}
	}
}
