// Package packaging holds what a system needs besides the binary; its README lists the files.
package packaging

import _ "embed"

// Config is the configuration that the packages install.
//
//go:embed runnel.toml
var Config string
