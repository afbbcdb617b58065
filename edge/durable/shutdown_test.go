package durable

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
)

// noteReports has the results of writes and syncs noted, and called for each failure.
func (s *shelf) noteReports(failed func()) (reports *[]error) {
	s.Helper()
	reports = new([]error)
	kit.Must(s.T, s.do(func() {
		s.Report = func(err error) {
			if *reports = append(*reports, err); err != nil {
				failed()
			}
		}
	}))
	return reports
}

// While events cannot be written, no success is reported. A sync without data proves nothing about the disk.
func TestFailureLasts(t *testing.T) {
	onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
		s.create(Rule{Name: "d", URI: "com.t"})
		kit.Must(t, s.put("com.t", 1, 10))
		reports := s.noteReports(func() {})
		disk.failWrites.Store(true)
		s.puts("com.t", 1)
		s.sleep(10 * retryInterval)
		for i, err := range *reports {
			if !errors.Is(err, errDisk) {
				t.Errorf("report %d of %d: %v", i+1, len(*reports), err)
			}
		}
		disk.failWrites.Store(false)
		s.sleep(2 * retryInterval)
		if n := len(*reports); n < 5 || (*reports)[n-1] != nil {
			t.Errorf("%v", *reports)
		}
	}, func(s *Store) { s.Interval = time.Second })
}

// If the last write or sync of a closing store fails, the waiting publisher gets the error, and the consumer gets a gap
// after the restart. A failed disk is reported until the end.
func TestLastWriteFails(t *testing.T) {
	for name, fail := range map[string]func(d *frail){
		"write": func(d *frail) { d.failWrites.Store(true) },
		"sync":  func(d *frail) { d.failSyncs.Store(true) },
	} {
		for _, forever := range []bool{false, true} {
			for range 5 { // the write precedes the end, or coincides with it
				onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
					s.create(Rule{Name: "d", URI: "com.t"})
					kit.Must(t, s.put("com.t", 1, 10))
					reports := s.noteReports(func() {
						if !forever {
							disk.failWrites.Store(false)
							disk.failSyncs.Store(false)
						}
					})
					ended := make(chan struct{})
					kit.Must(t, s.do(func() {
						fail(disk)
						kit.Must(t, s.Put(sized(10), true))
						go func() {
							defer close(ended)
							s.close()
						}()
						synctest.Wait()
					}))
					<-ended
					if err := kit.Receive(t, "the commit", s.answers); !errors.Is(err, errDisk) {
						t.Errorf("%s: the publisher gets %v", name, err)
					}
					if last := (*reports)[len(*reports)-1]; (last != nil) != forever {
						t.Errorf("%s: the last report is %v", name, last)
					}
					s = openShelf(t, s.Directory, 0)
					d, c := s.Find("", "d"), &clerk{}
					d.Attach(AttachOptions{Consumer: c, Sent: true})
					s.awaitIdle()
					equal(t, "deliveries", c.positions(), []uint64{1})
					if gap := len(c.gaps) == 1 && c.gaps[0].Events == 1 && c.gaps[0].Reason == "disk"; gap == forever {
						t.Errorf("%s: %+v", name, c.gaps)
					}
				})
			}
		}
	}
}
