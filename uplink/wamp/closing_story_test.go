package wamp_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/spool"
	wamplink "runnel/uplink/wamp"
)

// pickyConn is a connection that the centre closes when it is sent a certain event.
type pickyConn struct {
	client.Conn
	closes func()
}

func (c pickyConn) Write(batch []byte, wait bool) (int, error) {
	if bytes.Contains(batch, []byte("com.bad.")) {
		c.closes()
	}
	return c.Conn.Write(batch, wait)
}

// The centre closes the connection whenever it is sent events of one topic. They are held if their class says so, and dropped
// otherwise. The events of other topics cross, in order.
func TestTheCentreClosesForAnEvent(t *testing.T) {
	for class, want := range map[spool.Class]struct {
		held    int
		dropped uint64
	}{spool.Disk: {held: 1}, spool.Memory: {dropped: 1}} {
		t.Run(class.String(), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				w := buildWith(t, func(w *world, o *wamplink.Options) {
					var err error
					o.Spool, err = spool.Open(spool.Options{Dir: dir, MinFree: -1, Log: o.Log})
					kit.Must(t, err)
					o.Remote = []wamplink.Remote{{URL: "tcp://centre", Dial: func(ctx context.Context) (client.Conn, error) {
						conn, err := w.centre.dial(ctx)
						if err != nil {
							return nil, err
						}
						return pickyConn{conn, w.centre.Break}, nil
					}}}
				}, []uplink.Rule{{Topic: "com.", Match: wamp.Prefix, Store: class, Static: true}}, nil)
				defer w.tearDown()
				w.awaitUp()
				good := w.listen(w.at(w.centre), "com.good", wamp.Exact)
				here := w.at(w.edge)
				for i := range 3 {
					w.publish(here, "com.good", i)
				}
				w.publish(here, "com.bad.a", "x")
				for i := range 3 {
					w.publish(here, "com.good", i+3)
				}
				for n := 0; w.link.State().Queue.Held.Events != want.held || w.link.State().EventsUp.Dropped != want.dropped; n++ {
					if n > 1000 {
						t.Fatalf("state %+v\n%s", w.link.State(), w.log)
					}
					time.Sleep(time.Second)
				}
				for n := 0; w.link.State().Queue.Events > want.held; n++ {
					if n > 1000 {
						t.Fatalf("state %+v\n%s", w.link.State(), w.log)
					}
					time.Sleep(time.Second)
				}
				heard := ""
				for i := range 6 {
					heard += fmt.Sprintf("com.good[%d]map[]; ", i)
				}
				wantHeard(t, good, strings.TrimSuffix(heard, "; "))
				s := w.link.State()
				if !strings.Contains(s.LastError, "closed the connection after PUBLISH to com.bad.a (") || s.Reconnects < 3 || s.Reconnects > 10 {
					t.Errorf("state %+v", s)
				}
				if h := s.Queue.Held; want.held > 0 && (h.Topic != "com.bad.a" || h.Reason != spool.ReasonCloses) {
					t.Errorf("held: %+v", h)
				}
			})
		})
	}
}
