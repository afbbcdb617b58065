package config

import (
	"path/filepath"

	"runnel/cmd/runnel/internal/config/decode"
)

// readConfig adds a file's settings to c. Single values replace earlier ones; lists of tables are appended.
func readConfig(c *Config, file, source string, problems *Problems) {
	table, at, lost, ok := decode.Parse(file, source, problems)
	if !ok {
		return
	}
	c.lost = append(c.lost, lost...)
	r := decode.Reader{Problems: problems, Dir: filepath.Dir(file), Profiles: &c.profiles}
	r.Struct(at, table, c)
	if at.Has("version") && c.Version != 1 {
		problems.Add(at, "version", "version %d is not known; this Runnel reads version = 1", c.Version)
		c.Version = 1
	}
}
