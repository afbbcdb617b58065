package kit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// WriteMessages writes messages as a router does, in batches of up to the given number. Their texts are "message 0 ", "message 1 "
// and so on, each followed by a random number of letters. frame returns a text as it is sent. The first write of a batch does not
// wait, and wait says for each other write whether it does. WriteMessages returns how many writes were cut short. A write that
// waits must not be.
func WriteMessages(t testing.TB, write func(batch []byte, wait bool) (int, error), messages, perBatch int, frame func(text string) []byte, wait func() bool) (partial int) {
	t.Helper()
	for i := 0; i < messages; {
		var b []byte
		for n := rand.IntN(perBatch) + 1; n > 0 && i < messages; n-- {
			b = append(b, frame(fmt.Sprintf("message %d %s", i, strings.Repeat("m", rand.IntN(2000))))...)
			i++
		}
		partial += writeBatch(t, write, b, wait)
	}
	return partial
}

func writeBatch(t testing.TB, write func(batch []byte, wait bool) (int, error), batch []byte, wait func() bool) (partial int) {
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
