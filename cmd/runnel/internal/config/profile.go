package config

import (
	"path/filepath"

	"runnel/cmd/runnel/internal/config/line"
	"runnel/cmd/runnel/internal/config/profiles"
)

// Profile is a device that [[serial]] can name.
type Profile = line.Profile

// ProfileDir returns the directory of a configuration's user profiles.
func ProfileDir(main string) string { return filepath.Join(filepath.Dir(File(main)), "profiles.d") }

// catalogue returns the profiles that a configuration can name. It adds the texts of the user's files that are read to sources.
func catalogue(main string, drafts, sources Drafts) profiles.Catalogue {
	return profiles.Catalogue{Dir: ProfileDir(main), Read: func(file string) (b []byte, err error) {
		if b, err = drafts.read(file); err == nil && sources != nil {
			sources[file] = string(b)
		}
		return b, err
	}}
}

// Profiles returns all profiles that a configuration can name, sorted by name. The error lists the invalid ones.
func Profiles(main string) ([]Profile, error) { return line.Profiles(catalogue(main, nil, nil)) }

// FindProfile returns the profile with a name.
func FindProfile(main, name string) (*Profile, error) {
	return line.FindProfile(catalogue(main, nil, nil), name)
}
