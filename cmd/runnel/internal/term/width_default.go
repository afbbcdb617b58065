//go:build !linux

package term

import "os"

// terminalWidth returns 0: the width of this system's terminals is not known.
func terminalWidth(*os.File) int { return 0 }
