package spool

import (
	"testing"
	"testing/synctest"

	"runnel/edge/codec"
)

// New limits apply to further events. Events in the spool stay.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		put := func() (err error) {
			b.Put(Event{Class: Disk, Topic: "a.b", Payload: codec.Payload{Raw: make([]byte, 100)}}, func(e error) { err = e })
			return err
		}
		for range 3 {
			if err := put(); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Update(Options{MaxOctets: 400, Drop: Newest, MinFree: -1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := put(); err != ErrFull || b.State().Dropped.Events != 1 || !b.OnDisk() {
			t.Errorf("%v, %+v", err, b.State())
		}
		if err := b.Update(Options{MinFree: -1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := put(); err != nil {
			t.Error(err)
		}
	})
}
