package kit

import "testing"

// WriteBatch writes a batch as a router does: it asks for no wait at first, and for the rest of the batch as wait says. It returns
// how many writes were cut short. A write that waits must not be.
func WriteBatch(t testing.TB, write func(batch []byte, wait bool) (int, error), batch []byte, wait func() bool) (partial int) {
	t.Helper()
	for waits := false; len(batch) > 0; waits = wait() {
		n, err := write(batch, waits)
		if err != nil {
			t.Error(err)
			return partial
		}
		if n < len(batch) {
			if waits {
				t.Errorf("a write that waits wrote %d of %d", n, len(batch))
			}
			partial++
		}
		batch = batch[n:]
	}
	return partial
}
