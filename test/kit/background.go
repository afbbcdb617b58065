package kit

import "testing"

// Background calls run in a goroutine. When the test ends, it calls end, which makes run return, and waits for that.
func Background(t testing.TB, run, end func()) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run()
	}()
	t.Cleanup(func() {
		end()
		<-ended
	})
}
