package spool

import (
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A gap is written once, and again after a failure.
func TestGapsAreWrittenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.put(Memory, "a", "b")
		b.Discard(1)
		time.Sleep(5 * time.Second)
		written := b.disk.wrote()
		time.Sleep(time.Minute)
		if n := b.disk.wrote() - written; n != 0 || written == 0 {
			t.Errorf("%d bytes were written, and %d later", written, n)
		}
		if held := open(t, b.disk.kill(), Options{}).waiting(); !slices.Equal(held, []string{"gap:operator:1"}) {
			t.Errorf("after a crash: %q", held)
		}
		b.disk.breakDown(syscall.EIO)
		b.Discard(1)
		time.Sleep(10 * time.Second)
		b.disk.breakDown(nil)
		time.Sleep(time.Minute)
		if held := open(t, b.disk.kill(), Options{}).waiting(); !slices.Equal(held, []string{"gap:operator:2"}) {
			t.Errorf("after a crash and a failed write: %q", held)
		}
	})
}
