package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/journal"
)

// One sync fails at any point of a commit over several segments. Events reported as stored survive a power cut, the
// publishers of the others get an error, and these are stored when the disk works again.
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

// Any byte of any file is changed, and any file is emptied, zeroed, cut or replaced. At most the events of the damaged
// record or file are missing, and the far side gets a gap.
func TestEveryLossLeavesAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{MaxOctets: 64 << 10} // segments of 4 KiB
		b := open(t, newFlash(), o)
		for i := range 60 {
			b.put(Disk, fmt.Sprint("d", i))
			if err := b.store(fmt.Sprint("s", i)); err != nil {
				t.Fatal(err)
			}
		}
		b.stop()
		whole := topics(open(t, b.disk.kill(), o))
		for _, name := range b.disk.files() {
			size := len(b.disk.names[name].data)
			newest := !slices.ContainsFunc(b.disk.files(), func(other string) bool { return other > name && other[:12] == name[:12] })
			check := func(what string, most int, change func(data []byte) []byte) {
				disk := b.disk.kill()
				disk.names[name].data = change(disk.names[name].data)
				after := open(t, disk, o)
				left, gaps := topics(after), after.State().Dropped.Runs
				if missing := len(whole) - len(left); missing > most || missing > 0 && gaps != 1 {
					t.Errorf("%s of %s: %d events are missing, with %d gaps", what, name, missing, gaps)
				}
				after.stop()
			}
			for at := 0; at < size; at += 1 + size/200 {
				check(fmt.Sprint("octet ", at), 1, func(data []byte) []byte { data[at] ^= 1 << (at % 8); return data })
			}
			check("zeros", 60, func(data []byte) []byte { clear(data); return data })
			check("the magic", 0, func(data []byte) []byte { clear(data[:8]); return data })
			check("a hole", 20, func(data []byte) []byte { clear(data[512:1024]); return data })
			if !newest {
				check("nothing left", 60, func([]byte) []byte { return nil })
				check("half", 60, func(data []byte) []byte { return data[:len(data)/2] })
			}
		}
	})
}

// Files of the previous version are read, even if damaged, and new events go to files of the new format.
func TestFilesOfTheVersionBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		for i := range 20 {
			b.put(Disk, fmt.Sprint("d", i))
			if err := b.store(fmt.Sprint("s", i)); err != nil {
				t.Fatal(err)
			}
		}
		b.stop()
		whole := topics(open(t, b.disk.kill(), Options{}))
		disk := b.disk.kill()
		for _, class := range []string{"disk", "durable"} {
			data := []byte("RUNNELJ1")
			_, found, err := journal.OpenOn(disk, "/spool/"+class, 1<<20, func(_ uint64, record []byte) {
				head := binary.LittleEndian.AppendUint32(nil, uint32(len(record)))
				sum := crc32.Update(crc32.Checksum(head, crc32.MakeTable(crc32.Castagnoli)), crc32.MakeTable(crc32.Castagnoli), record)
				data = append(append(data, binary.LittleEndian.AppendUint32(head, sum)...), record...)
			})
			if err != nil || found.Records < 20 {
				t.Fatalf("%+v, %v", found, err)
			}
			disk.names["/spool/"+class+"/0000000001.log"].data = data
		}
		size := len(disk.names["/spool/durable/0000000001.log"].data)
		for at := -1; at < size; at += 40 {
			d := disk.kill()
			if at >= 0 {
				d.names["/spool/durable/0000000001.log"].data[at] ^= 4
			}
			old := open(t, d, Options{})
			if err := old.store("new"); err != nil {
				t.Fatal(err)
			}
			old.stop()
			again := open(t, d, Options{})
			left := topics(again)
			if missing := len(whole) + 1 - len(left); missing > 1 || at < 0 && missing > 0 || left[len(left)-1] != "new" {
				t.Errorf("octet %d: %d of %d events are left", at, len(left), len(whole)+1)
			}
			again.stop()
		}
	})
}
