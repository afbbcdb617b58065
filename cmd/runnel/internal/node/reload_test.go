package node

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
)

// TestReloadsInTurn: a configuration that was read earlier is never applied over one that was read later.
func TestReloadsInTurn(t *testing.T) {
	var reading atomic.Int32
	n := &Node{log: slog.New(slog.DiscardHandler), opts: Options{Load: func() (*config.Config, error) {
		defer reading.Add(-1)
		if reading.Add(1) > 1 {
			t.Error("two read the configuration at a time")
		}
		time.Sleep(time.Millisecond)
		return nil, errors.New("not to be applied")
	}}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { n.Reload() })
	}
	all.Wait()
}
