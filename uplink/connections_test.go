package uplink_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
	"runnel/uplink"
)

// site is a local router.
type site struct {
	*testing.T
	router *edge.Router
	served sync.WaitGroup

	kit.Route // to the router
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, router: edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})}
	all := auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})
	kit.Must(t, s.router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "all", Roles: []*auth.Role{all}}))
	t.Cleanup(func() {
		s.router.Close(context.Background())
		s.served.Wait()
	})
	return s
}

// join returns a client of the router. It is up already.
func (s *site) join() *client.Client {
	s.Helper()
	c, err := client.Connect(context.Background(), client.Options{
		Realm: "realm1", Reconnect: client.Reconnect{Min: time.Second, Max: time.Second}, Log: slog.New(slog.DiscardHandler),
		Dial: func(context.Context) (client.Conn, error) {
			near, far := memory.Internal(memory.Options{Authid: "link", Role: "all", Realm: "realm1"})
			if err := s.Enter(near); err != nil {
				return nil, err
			}
			s.served.Go(func() { s.router.Serve(far) })
			return near, nil
		},
	})
	kit.Must(s, err)
	s.Cleanup(func() { c.Close(context.Background()) })
	return c
}

var errDown = errors.New("no route to host")

// ready is the channel of a link that has joined the local realm.
func ready() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// The end of a connection is logged, and after it the failures 1, 2, 4, 8 and so on in a row. The first attempt counts as an end.
func TestConnectionFailures(t *testing.T) {
	for name, c := range map[string]struct {
		up     []int // the attempts that succeed
		tries  int
		logged []int // the attempts after which a line is logged
	}{
		"never up":  {nil, 20, []int{0, 1, 2, 4, 8, 16}},
		"always up": {[]int{0, 1, 2, 3, 4}, 5, []int{0, 1, 2, 3, 4}},
		"up once":   {[]int{6}, 16, []int{0, 1, 2, 4, 6, 7, 8, 10, 14}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				var logged []int
				tried := -1
				link := uplink.Connections{
					Ready: ready(), Local: newSite(t).join(), Reconnect: client.Reconnect{Min: time.Second, Max: time.Minute},
					Connect: func(context.Context) (bool, error) {
						if tried++; tried == c.tries {
							stop()
						}
						return slices.Contains(c.up, tried), errDown
					},
					Proven: func(time.Duration) bool { return false },
					Failed: func(err error) {
						if logged = append(logged, tried); err != errDown {
							t.Error(err)
						}
					},
				}
				link.Run(ctx)
				if !slices.Equal(logged, c.logged) {
					t.Errorf("lines after the attempts %v, want %v", logged, c.logged)
				}
			})
		})
	}
}

// The pauses grow, until a connection has proven itself.
func TestConnectionPauses(t *testing.T) {
	const least, failures, lasts, tries = time.Second, 12, 5 * time.Second, 40
	for name, proven := range map[string]bool{"proven": true, "not proven": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				tried, asked := 0, 0
				var last time.Time // end of a connection
				var longest time.Duration
				link := uplink.Connections{
					Ready: ready(), Local: newSite(t).join(), Reconnect: client.Reconnect{Min: least, Max: time.Hour},
					Connect: func(ctx context.Context) (bool, error) {
						if tried++; tried == tries {
							stop()
						}
						if tried <= failures {
							return false, errDown
						}
						if tried > failures+1 {
							longest = max(longest, time.Since(last))
						}
						client.Sleep(ctx, lasts)
						last = time.Now()
						return true, errDown
					},
					Proven: func(lasted time.Duration) bool {
						if asked++; lasted != lasts {
							t.Errorf("a connection lasted %v", lasted)
						}
						return proven
					},
					Failed: func(error) {},
				}
				link.Run(ctx)
				if asked != tries-failures-1 {
					t.Errorf("asked %d times about %d connections", asked, tries-failures-1)
				}
				if (longest <= least) != proven {
					t.Errorf("the longest pause is %v", longest)
				}
			})
		})
	}
}

// There is a connection only while the local session is up, and none before the link is ready or after its end.
func TestConnectionsNeedLocalSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s, isReady := newSite(t), make(chan struct{})
		var tries atomic.Int32
		local := s.join()
		link := uplink.Connections{
			Ready: isReady, Local: local, Reconnect: client.Reconnect{Min: time.Second, Max: time.Second},
			Connect: func(context.Context) (bool, error) { tries.Add(1); return false, errDown },
			Proven:  func(time.Duration) bool { return true },
			Failed:  func(error) {},
		}
		var running sync.WaitGroup
		running.Go(func() { link.Run(ctx) })
		// expect has time pass, and checks whether the link tries to connect meanwhile.
		expect := func(what string, want bool) {
			t.Helper()
			synctest.Wait()
			before := tries.Load()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := tries.Load() > before; got != want {
				t.Errorf("%s: the link connects: %v", what, got)
			}
		}
		expect("not ready", false)
		close(isReady)
		expect("ready", true)
		s.Cut()
		time.Sleep(time.Second) // for the present pause
		expect("without the local router", false)
		s.Mend()
		expect("with the local router again", true)
		stop()
		running.Wait()
		expect("stopped", false)

		link.Ready = make(chan struct{})
		link.Run(ctx) // ends although the link never becomes ready

		link.Ready = isReady
		running.Go(func() { link.Run(t.Context()) })
		local.Close(context.Background())
		running.Wait()
	})
}
