package config

import "runnel/cmd/runnel/internal/config/values"

// The values that are written as strings.
type (
	Size      = values.Size
	Duration  = values.Duration
	Mode      = values.Mode
	Match     = values.Match
	Level     = values.Level
	LogFormat = values.LogFormat
	Path      = values.Path
	Secret    = values.Secret
)

// NewSecret returns the secret that text stands for; relative paths start in the working directory.
func NewSecret(text string) Secret { return values.NewSecret("", text) }

// ParseMatch reads the name of a matching policy: exact, prefix or wildcard.
func ParseMatch(s string) (Match, error) { return values.ParseMatch(s) }

// OneOf writes a choice: "a", "b" or "c".
func OneOf(names ...string) string { return values.OneOf(names...) }
