// Package profiles holds the built-in device profiles: a configuration file for each device, with a description and one
// [[serial]] table.
package profiles

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"runnel/cmd/runnel/internal/packed"
)

// archive holds the files of the profiles.
//
//go:generate go run ../../packed/pack.go profiles.gz *.toml
//go:embed profiles.gz
var archive []byte

// files returns the text of each profile's file by its name. They are unpacked at the first call, and take 40 kB of memory from
// then on.
var files = sync.OnceValue(func() map[string]string { return packed.Files(archive) })

const extension = ".toml"

// Names lists the profiles, sorted.
func Names() (names []string) {
	for file := range files() {
		names = append(names, strings.TrimSuffix(file, extension))
	}
	slices.Sort(names)
	return names
}

// Catalogue finds profiles by name. The user's own profiles take precedence over the built-in ones.
type Catalogue struct {
	Dir  string                            // of the user's profiles; "" if there is none
	Read func(file string) ([]byte, error) // reads a file of Dir
}

// Names lists all profiles, sorted.
func (c Catalogue) Names() []string {
	names := Names()
	entries, _ := os.ReadDir(c.Dir) // most have none
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), extension); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Text returns a profile's file and text. The error is fs.ErrNotExist if there is no such profile.
func (c Catalogue) Text(name string) (file, text string, err error) {
	if name == "" || strings.ContainsAny(name, `/\`) || name[0] == '.' {
		return "", "", fs.ErrNotExist
	}
	if c.Dir != "" {
		file = filepath.Join(c.Dir, name+extension)
		if b, err := c.Read(file); !errors.Is(err, fs.ErrNotExist) {
			return file, string(b), err
		}
	}
	text, ok := files()[name+extension]
	if !ok {
		return "", "", fs.ErrNotExist
	}
	return "built-in profile " + name, text, nil
}
