package journal

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

const nobody = 65534

// unprivileged makes a test that runs as root continue as an unprivileged user. The directory, made by TempDir, becomes
// that user's.
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
	runtime.LockOSThread() // the file system user is set per thread
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
		t.Fatal("the user may still write everywhere")
	}
}
