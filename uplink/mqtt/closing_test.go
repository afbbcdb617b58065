package mqtt

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

func TestEndingOf(t *testing.T) {
	for _, c := range []struct {
		err       error
		open      int
		takenOver bool
		want      ending
	}{
		{io.EOF, 0, false, idle},
		{io.EOF, 0, true, idle},
		{io.EOF, 2, false, suspicious},
		{io.EOF, 2, true, failed},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), 1, false, suspicious},
		{fmt.Errorf("silent: %w", os.ErrDeadlineExceeded), 1, false, failed},
		{nil, 1, false, failed},
	} {
		if got := endingOf(c.err, c.open, c.takenOver); got != c.want {
			t.Errorf("%v with %d under way, taken over %v: %d, want %d", c.err, c.open, c.takenOver, got, c.want)
		}
	}
}
