// Package profiles holds the device profiles that the program comes with: a configuration file for each device, with a
// description and one [[serial]] table.
package profiles

import (
	"embed"
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

// Text returns the text of a profile, and whether there is one of this name.
func Text(name string) (text string, ok bool) {
	b, err := files.ReadFile(name + extension)
	return string(b), err == nil
}
