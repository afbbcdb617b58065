package config

import "os"

// writable reports whether dir is a directory. Whether files can be created there shows when they are.
func writable(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}
