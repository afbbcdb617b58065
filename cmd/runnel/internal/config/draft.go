package config

import (
	"os"
	"path/filepath"
	"slices"
)

// Drafts holds the texts of configuration files, keyed by file name.
type Drafts map[string]string

// File returns the main file of a configuration: file, or /etc/runnel/runnel.toml if file is empty.
func File(file string) string {
	if file == "" {
		return systemConfig
	}
	return file
}

// source returns the text of the main file, or nil for the built-in default.
func (d Drafts) source(file string) ([]byte, error) {
	if text, ok := d[File(file)]; ok {
		return []byte(text), nil
	}
	return readSource(file)
}

func (d Drafts) read(file string) ([]byte, error) {
	if text, ok := d[file]; ok {
		return []byte(text), nil
	}
	return os.ReadFile(file)
}

// dropIns lists the files of dir's conf.d, including drafts, sorted by name.
func (d Drafts) dropIns(dir string) []string {
	files := dropIns(dir)
	for name := range d {
		if filepath.Dir(name) == filepath.Join(dir, "conf.d") && !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return files
}
