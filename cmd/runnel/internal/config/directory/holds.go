package directory

import (
	"os"
	"strings"
)

// Holds reports whether a file or a directory is dir or lies below it.
func Holds(dir, file string) bool {
	dir = strings.TrimSuffix(RealPath(dir), string(os.PathSeparator))
	return file != "" && strings.HasPrefix(RealPath(file)+string(os.PathSeparator), dir+string(os.PathSeparator))
}
