package uplink

import (
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// What the centre refuses for other reasons is given up in the end; what it can't take now waits.
func TestHowOftenEventsAreTried(t *testing.T) {
	for uri, want := range map[string]int{wamp.Unavailable.Error(): 1, wamp.NetworkFailure.Error(): 1, "wamp.error.runtime_error": 0} {
		l, err := New(Options{Name: "x", Remote: []Remote{{URL: "tcp://a"}}})
		if err != nil {
			t.Fatal(err)
		}
		l.spool.Put(spool.Event{Topic: "com.x", Payload: codec.Payload{Serializer: wamp.CBOR}}, nil)
		events, err := l.spool.Next(t.Context(), 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		d := &drain{link: l, tries: make(map[uint64]int)}
		for range 2 * maxTries {
			d.refused = map[uint64]error{events[0].Sequence: client.NewError(uri, "no")}
			d.judge()
		}
		if n := l.spool.State().Events; n != want {
			t.Errorf("%v: %d events wait, want %d", uri, n, want)
		}
	}
}
