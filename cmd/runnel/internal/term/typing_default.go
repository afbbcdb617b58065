//go:build !linux

package term

import "os"

// hideTyping does not know this system's terminals: a line is read as it comes.
func hideTyping(*os.File) (show func(), isTerminal bool) { return nil, false }
