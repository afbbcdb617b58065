package directory

import "path/filepath"

// SamePath reports whether two paths name the same file.
func SamePath(a, b string) bool { return RealPath(a) == RealPath(b) }

// RealPath follows the symbolic links of a path. The last component need not exist.
func RealPath(path string) string {
	if path, err := filepath.EvalSymlinks(path); err == nil {
		return path
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return filepath.Clean(path)
}
