package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A sync fails, once, anywhere in a commit over several segments. What was said to be stored is there after a power cut,
// the publishers of the rest hear an error, and the rest is stored when the disk works again.
func TestFailedSync(t *testing.T) {
	for _, op := range []string{"sync", "syncdir", "write", "create"} {
		for nth := range 12 {
			t.Run(fmt.Sprint(op, nth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := Options{MaxOctets: 1 << 20, Sync: 50 * time.Millisecond} // segments of 64 KiB
					b := open(t, newFlash(), o)
					n, failed := 0, false
					b.disk.setFault(func(o string) error {
						if o != op {
							return nil
						}
						if n++; n != nth+1 {
							return nil
						}
						failed = true
						return syscall.EIO
					})
					var all, stored []string
					refused := 0
					for i := range 60 {
						e := event(Durable, fmt.Sprint(i))
						e.Options = []byte(strings.Repeat(string(e.Options), 2000))
						all = append(all, fmt.Sprint(i))
						b.Put(e, func(err error) {
							if err == nil {
								stored = append(stored, fmt.Sprint(i))
							} else if refused++; !errors.Is(err, syscall.EIO) {
								t.Error(err)
							}
						})
					}
					time.Sleep(60 * time.Millisecond)
					synctest.Wait()
					if len(stored)+refused != len(all) || failed != (refused > 0) {
						t.Fatalf("%d stored, %d refused, %v", len(stored), refused, failed)
					}
					for seed := range uint64(8) {
						cut := open(t, b.disk.cut(rand.New(rand.NewPCG(seed, 3))), o)
						there := topics(cut)
						for _, name := range stored {
							if !slices.Contains(there, name) {
								t.Fatalf("%s was stored and is gone; there are %d of %d", name, len(there), len(stored))
							}
						}
						if cut.State().Dropped.Runs != 0 {
							t.Errorf("a gap is left where nothing was lost:\n%s", &cut.log)
						}
					}
					time.Sleep(10 * time.Second)
					after := open(t, b.disk.cut(rand.New(rand.NewPCG(1, 3))), o)
					if got := topics(after); !slices.Equal(got, all) || after.State().Dropped.Runs != 0 {
						t.Errorf("%d of %d are there:\n%s", len(got), len(all), &after.log)
					}
				})
			})
		}
	}
}

func topics(b *bench) (names []string) {
	for after := uint64(0); ; {
		events := b.read(after, 1000, peeking)
		if len(events) == 0 {
			return names
		}
		for _, e := range events {
			if after = e.Sequence; e.Gap == nil {
				names = append(names, strings.TrimPrefix(e.Topic, "com.example."))
			}
		}
	}
}
