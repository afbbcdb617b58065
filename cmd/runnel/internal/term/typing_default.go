//go:build !linux

package term

import "os"

// hideTyping does nothing: the terminals of this system are not supported.
func hideTyping(*os.File) (show func(), isTerminal bool) { return nil, false }
