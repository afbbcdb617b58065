package journal

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

const nobody = 65534

// unprivileged has the test go on without the right to write everywhere, which root has. The directory, made by TempDir, is
// the test's own as before.
func unprivileged(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chown(d, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread() // Linux has a thread's own user for files
	t.Cleanup(func() {
		syscall.Setfsuid(0)
		runtime.UnlockOSThread()
	})
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	if file, err := os.Create("/" + filepath.Base(dir)); err == nil {
		file.Close()
		os.Remove(file.Name())
		t.Fatal("it may still write everywhere")
	}
}
