// Package packaging holds the files that a system needs besides the binary; its README lists them.
package packaging

import _ "embed"

// Config is the configuration that the packages install.
//
//go:embed runnel.toml
var Config string
