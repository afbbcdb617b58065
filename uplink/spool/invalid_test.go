package spool

import (
	"strings"
	"testing"
	"testing/synctest"

	"runnel/edge/journal"
)

// An intact record with invalid contents, in any of the logs, is reported and leaves a gap. The other events remain.
func TestInvalidRecords(t *testing.T) {
	head := appendHead(nil, markRecord, 1, 2, 2, 3)
	for dir, records := range map[string][][]byte{
		"disk":    {{99}, appendGap(nil, &entry{Event: Event{Sequence: 9, Gap: &Gap{Reason: ByAge, First: 1, Last: 9}}}, 2), {}},
		"durable": {{99}, head[:2]},
		"held":    {{99}, head},
		"gaps":    {{99}, head},
	} {
		for _, record := range records {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, newFlash(), Options{})
				b.hold("com.example.h", 1, 10, true)
				b.put(Disk, "d")
				if err := b.store("s"); err != nil {
					t.Fatal(err)
				}
				b.stop()
				disk := b.disk.kill()
				j, _, err := journal.OpenOn(disk, "/spool/"+dir, 1<<20, func(uint64, []byte) {})
				if err != nil {
					t.Fatal(err)
				}
				if n, err := j.Append(all([][]byte{record})); n != 1 || err != nil {
					t.Fatal(n, err)
				}
				j.Close()
				b = open(t, disk, Options{})
				b.consistent()
				st := b.State()
				if st.Dropped.Runs != 1 || st.Events != 4 || st.Held.Events != 1 || !strings.Contains(b.log.String(), `msg="invalid records in spool" records=1`) {
					t.Errorf("%s, %x: %+v\n%s", dir, record, st, &b.log)
				}
				events := b.Peek(10)
				if last := events[len(events)-1]; last.Gap == nil || last.Gap.Reason != ByDamage || last.Gap.First != 2 || last.Gap.Last != 3 || last.Gap.Count != 0 {
					t.Errorf("%s, %x: %+v, %+v", dir, record, last, last.Gap)
				}
			})
		}
	}
}
