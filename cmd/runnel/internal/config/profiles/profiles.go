// Package profiles holds the device profiles that the program comes with: a configuration file for each device, with a
// description and one [[serial]] table.
package profiles

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed *.toml
var files embed.FS

const extension = ".toml"

// Names lists the profiles, sorted.
func Names() (names []string) {
	entries, _ := files.ReadDir(".") // cannot fail
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), extension))
	}
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
	b, err := files.ReadFile(name + extension)
	if err != nil {
		return "", "", fs.ErrNotExist
	}
	return "built-in profile " + name, string(b), nil
}
