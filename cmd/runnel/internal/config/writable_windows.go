package config

import "os"

// writable reports whether dir is a directory. It does not check the permission to create files there.
func writable(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}
