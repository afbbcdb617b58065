package config

import "runnel/cmd/runnel/internal/config/position"

// Place is the position of a table. The table's struct holds it for messages about its keys.
type Place = position.Place

// Problem is an error or a warning about a configuration.
type Problem = position.Problem

// Problems lists the problems of a configuration. Load returns it sorted by file and line.
type Problems = position.Problems

// Warn adds a warning about a key in the table at.
func (c *Config) Warn(at Place, key, format string, args ...any) {
	c.Warnings.Add(at, key, format, args...)
}
