package wamp_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	wamplink "runnel/uplink/wamp"
)

// deafConn is a connection whose far end can fall silent without a word.
type deafConn struct {
	client.Conn
	deaf *atomic.Bool
}

func (c deafConn) ReadMessage() ([]byte, bool, error) {
	for {
		msg, more, err := c.Conn.ReadMessage()
		if err != nil || !c.deaf.Load() {
			return msg, more, err
		}
	}
}

func TestHalfOpenConnectionIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deaf atomic.Bool
		w := buildWith(t, func(w *world, o *wamplink.Options) {
			o.PingInterval, o.PingTimeout = 20*time.Second, 10*time.Second
			o.Remote = []wamplink.Remote{{URL: "tcp://centre", Dial: func(ctx context.Context) (client.Conn, error) {
				conn, err := w.centre.dial(ctx)
				if err != nil {
					return nil, err
				}
				return deafConn{Conn: conn, deaf: &deaf}, nil
			}}}
		}, both, both)
		defer w.tearDown()
		w.awaitUp()
		time.Sleep(5 * time.Minute) // an idle link stays up
		if s := w.link.State(); s.Reconnects != 0 {
			t.Fatalf("state %+v", s)
		}
		deaf.Store(true)
		began := time.Now()
		for w.link.State().Up {
			time.Sleep(time.Second)
		}
		if found := time.Since(began); found > 32*time.Second {
			t.Errorf("a silent centre is found after %v", found)
		}
		if s := w.link.State(); !strings.Contains(s.LastError, "has not answered for 10s") {
			t.Errorf("last error %q", s.LastError)
		}
		deaf.Store(false)
		w.awaitUp()
		if s := w.link.State(); s.Reconnects != 1 {
			t.Errorf("state %+v", s)
		}
	})
}

// twoRoutes are two routes to the centre. The first can be down; otherwise it takes a while to connect.
func (w *world) twoRoutes(firstIsDown *atomic.Bool, takes time.Duration) []wamplink.Remote {
	return []wamplink.Remote{
		{URL: "tcp://first", Dial: func(ctx context.Context) (client.Conn, error) {
			if firstIsDown.Load() {
				return nil, errors.New("refused")
			}
			time.Sleep(takes)
			return w.centre.dial(ctx)
		}},
		{URL: "tcp://second", Dial: w.centre.dial},
	}
}

func TestFailoverAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var firstIsDown atomic.Bool
		firstIsDown.Store(true)
		w := buildWith(t, func(w *world, o *wamplink.Options) {
			o.FailBack = 2 * time.Minute
			o.Remote = w.twoRoutes(&firstIsDown, 0)
		}, both, both)
		defer w.tearDown()
		w.awaitUp()
		here, there := w.at(w.edge), w.at(w.centre)
		release := make(chan struct{})
		w.offer(there, "com.example.slow", func(context.Context, *client.Invocation) (client.Payload, error) {
			<-release
			return client.Args("done"), nil
		})
		is := func(url string, reconnects uint64) {
			t.Helper()
			if s := w.link.State(); !s.Up || s.URL != url || s.Reconnects != reconnects {
				t.Errorf("want %s: state %+v", url, s)
			}
		}
		is("tcp://second", 0)
		time.Sleep(10 * time.Minute)
		is("tcp://second", 0)
		firstIsDown.Store(false)
		time.Sleep(time.Minute)
		firstIsDown.Store(true) // it was not there for long
		time.Sleep(3 * time.Minute)
		is("tcp://second", 0)
		firstIsDown.Store(false)
		called := make(chan error, 1)
		go func() {
			_, err := here.Call(t.Context(), "com.example.slow", client.CallOptions{}, client.Payload{})
			called <- err
		}()
		time.Sleep(2*time.Minute + 35*time.Second)
		is("tcp://second", 0) // a call is pending
		close(release)
		kit.Must(t, <-called)
		time.Sleep(time.Second)
		is("tcp://first", 1)
		if s := w.link.State(); !strings.Contains(s.LastError, "going back to tcp://first") {
			t.Errorf("last error %q", s.LastError)
		}
		_, err := here.Call(t.Context(), "com.example.slow", client.CallOptions{}, client.Payload{})
		kit.Must(t, err)
		w.listen(there, "com.example.a", wamp.Exact)
		w.publish(here, "com.example.a", 1)
		w.crossed(1)
	})
}

// No call fails while the link moves to a preferred route, although that takes a while.
func TestCallsDuringAMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var firstIsDown atomic.Bool
		firstIsDown.Store(true)
		w := buildWith(t, func(w *world, o *wamplink.Options) {
			o.FailBack = 20 * time.Second
			o.Remote = w.twoRoutes(&firstIsDown, 3*time.Second)
		}, nil, both)
		defer w.tearDown()
		w.awaitUp()
		here := w.at(w.edge)
		w.offer(w.at(w.centre), "com.example.a", func(context.Context, *client.Invocation) (client.Payload, error) {
			return client.Args("done"), nil
		})
		firstIsDown.Store(false)
		time.Sleep(250 * time.Millisecond) // no call begins at the moment of the move
		for n := 0; w.link.State().URL != "tcp://first"; n++ {
			if _, err := here.Call(t.Context(), "com.example.a", client.CallOptions{}, client.Payload{}); err != nil || n > 200 {
				t.Fatalf("call %d: %v, state %+v", n, err, w.link.State())
			}
			time.Sleep(500 * time.Millisecond)
		}
		if s := w.link.State(); s.Reconnects != 1 || s.CallsUp.Dropped != 0 {
			t.Errorf("state %+v", s)
		}
	})
}

// The link measures the round trip, unless PingInterval is negative.
func TestAnsweringTimeIsMeasured(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{0: 300 * time.Millisecond, -1: 0} {
		synctest.Test(t, func(t *testing.T) {
			w := buildWith(t, func(w *world, o *wamplink.Options) {
				o.PingInterval = interval
				o.Remote = slowRemote(w.centre.dial)
			}, both, nil)
			defer w.tearDown()
			w.awaitUp()
			time.Sleep(time.Minute)
			if s := w.link.State(); s.RoundTrip != want {
				t.Errorf("interval %v: round trip %v, want %v", interval, s.RoundTrip, want)
			}
		})
	}
}

// slowRemote reaches the centre by slow connections.
func slowRemote(dial func(context.Context) (client.Conn, error)) []wamplink.Remote {
	return []wamplink.Remote{{URL: "tcp://centre", Dial: func(ctx context.Context) (client.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return slowConn{conn}, nil
	}}}
}

// slowConn needs a moment for each message that it hands over.
type slowConn struct{ client.Conn }

func (c slowConn) ReadMessage() ([]byte, bool, error) {
	msg, more, err := c.Conn.ReadMessage()
	time.Sleep(300 * time.Millisecond)
	return msg, more, err
}

// A link that ends waits for the events in flight, and not at all if there are none.
func TestEndWaitsForEventsUnderWay(t *testing.T) {
	for _, events := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			w := buildWith(t, func(w *world, o *wamplink.Options) {
				o.PingInterval = -1
				o.Remote = slowRemote(w.centre.dial)
			}, both, nil)
			defer w.tearDown()
			w.awaitUp()
			w.listen(w.at(w.centre), "com.example.a", wamp.Exact)
			time.Sleep(time.Minute) // the link knows of the subscriber
			here := w.at(w.edge)
			for range events {
				w.publish(here, "com.example.a")
			}
			began := time.Now()
			w.stop()
			err := <-w.ended
			if s := w.link.State(); int(s.EventsUp.Forwarded) != events || s.Queue.Events != 0 {
				t.Errorf("%d events under way: state %+v", events, s)
			}
			if took := time.Since(began); events == 0 && took > 700*time.Millisecond {
				t.Errorf("the end of an idle link takes %v", took)
			}
			w.ended <- err // for tearDown
		})
	}
}
