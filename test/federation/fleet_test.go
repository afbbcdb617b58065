package federation

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport"
	"runnel/transport/memory"
	"runnel/uplink"
	wamplink "runnel/uplink/wamp"
)

// These tests measure and only check that all works: RUNNEL_MEASURE=1 go test -v -run 'Fleet|Throughput' ./test/federation
func measuring(t *testing.T) {
	t.Helper()
	if os.Getenv("RUNNEL_MEASURE") == "" {
		t.Skip("RUNNEL_MEASURE is not set")
	}
}

// gateway is a simulated gateway: a router, a client and the link, all within this process.
type gateway struct {
	router *edge.Router
	link   *wamplink.Link
	here   *client.Client
	served sync.WaitGroup
	stop   context.CancelFunc
	ended  chan error
}

var everyone = auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})

func newGateway(t *testing.T, i int, centre string, commands *atomic.Int64) *gateway {
	t.Helper()
	g := &gateway{router: edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler), Node: fmt.Sprintf("gw-%d", i)}), ended: make(chan error, 1)}
	if err := g.router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "all", Roles: []*auth.Role{everyone}}); err != nil {
		t.Fatal(err)
	}
	local := func(context.Context) (client.Conn, error) {
		near, far := memory.Pipe(memory.Options{})
		g.served.Go(func() { g.router.Serve(far) })
		return near, nil
	}
	var err error
	g.link, err = wamplink.New(wamplink.Options{
		Name: "central", Realm: "realm1", RemoteRealm: "realm1", Local: local, Authid: "gateway", Auth: []client.Auth{client.Ticket("gateway's")},
		Remote: []wamplink.Remote{{URL: "tcp://" + centre, Dial: func(ctx context.Context) (client.Conn, error) {
			return transport.Dial(ctx, "tcp://"+centre, transport.DialOptions{})
		}}},
		Export: []uplink.Rule{
			{Topic: fmt.Sprintf("com.example.gw%d.", i), Match: wamp.Prefix}, {Procedure: fmt.Sprintf("com.example.gw%d.", i), Match: wamp.Prefix},
		},
		Import: []uplink.Rule{{Topic: "com.example.command.", Match: wamp.Prefix}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	go func() { g.ended <- g.link.Run(ctx) }()
	if g.here, err = client.Connect(ctx, client.Options{Realm: "realm1", Dial: local}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.here.Subscribe(ctx, "com.example.command.", client.SubscribeOptions{Match: wamp.Prefix}, func(*client.Event) { commands.Add(1) }); err != nil {
		t.Fatal(err)
	}
	answer := func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args(i), nil }
	if _, err := g.here.Register(ctx, fmt.Sprintf("com.example.gw%d.get", i), client.RegisterOptions{}, answer); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *gateway) shutDown() {
	g.stop()
	<-g.ended
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	g.here.Close(ctx)
	g.router.Close(ctx)
	g.served.Wait()
}

// spent returns the processor time that a process has used.
func spent(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// 10, 100 and 1,000 gateways on one centre: the cost of each, and how they reconnect after a restart of the centre.
func TestFleet(t *testing.T) {
	measuring(t)
	for _, size := range []int{10, 100, 1000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) { measureFleet(t, size) })
	}
}

func measureFleet(t *testing.T, size int) {
	address := fmt.Sprintf("127.0.0.1:%d", kit.FreePort(t))
	centre := startWith(t, "centre", openRealm+"[[listen]]\nurl = \"tcp://"+address+"\"\nmax_connections = 5000\n")
	empty, began, used := program.Resident(centre.process.PID()), time.Now(), spent(centre.process.PID())
	var commands atomic.Int64
	var fleet []*gateway
	for i := range size {
		fleet = append(fleet, newGateway(t, i, address, &commands))
	}
	defer func() {
		var ending sync.WaitGroup
		for _, g := range fleet {
			ending.Go(g.shutDown)
		}
		ending.Wait()
	}()
	there := centre.join()
	up := func() bool {
		for _, g := range fleet {
			if !g.link.State().Up {
				return false
			}
		}
		return true
	}
	complete := func() { // the procedures and subscriptions of all gateways exist
		kit.Eventually(t, "all are up", up)
		kit.Eventually(t, "the last procedure is there", func() bool {
			r, err := there.Call(t.Context(), "wamp.registration.list", client.CallOptions{}, client.Payload{})
			if err != nil {
				return false
			}
			ids, _ := r.Args()[0].(map[string]any)["exact"].([]any)
			return len(ids) >= size
		})
	}
	complete()
	pid := centre.process.PID()
	t.Logf("%d gateways: joined in %v; %v of processor time and %.1f KiB of memory for each", size, time.Since(began).Round(10*time.Millisecond),
		((spent(pid) - used) / time.Duration(size)).Round(time.Microsecond), float64(program.Resident(pid)-empty)/1024/float64(size))
	used = spent(pid)
	time.Sleep(4 * time.Second)
	t.Logf("%d gateways: at rest %.3f %% of a processor", size, 100*(spent(pid)-used).Seconds()/4)
	const rounds = 10
	kit.Eventually(t, "a command reaches all", func() bool {
		centre.publish(there, "com.example.command.start", 1)
		time.Sleep(100 * time.Millisecond)
		return commands.Load() >= int64(size)
	})
	commands.Store(0)
	began, used = time.Now(), spent(pid)
	for i := range rounds {
		centre.publish(there, "com.example.command.go", i)
	}
	kit.Eventually(t, "the commands have reached all", func() bool { return commands.Load() >= int64(rounds*size) })
	t.Logf("%d gateways: %d commands to each in %v; %v of processor time an event", size, rounds, time.Since(began).Round(time.Millisecond),
		((spent(pid) - used) / time.Duration(rounds*size)).Round(100*time.Nanosecond))
	centre.kill()
	kit.Eventually(t, "all know that the centre is gone", func() bool { return !fleet[size-1].link.State().Up })
	centre.run()
	there = centre.join()
	began, used = time.Now(), spent(centre.process.PID())
	complete()
	t.Logf("%d gateways: all back %v after the centre; %v of processor time for each", size, time.Since(began).Round(10*time.Millisecond),
		((spent(centre.process.PID()) - used) / time.Duration(size)).Round(time.Microsecond))
}

// Events and calls over the link, compared with those of a client of the centre.
func TestThroughput(t *testing.T) {
	measuring(t)
	centre := start(t, "centre", "")
	centre.line.mu.Lock()
	straight := "tcp://" + centre.line.to
	centre.line.mu.Unlock()
	edge := start(t, "edge", fmt.Sprintf("[[uplink]]\nname = \"central\"\nurl = [%q]\nauthid = \"gateway\"\nticket = \"gateway's\"\n%s", straight,
		shares("export topic com.example. store=\"memory\"", "import procedure com.example.")))
	here, there := edge.join(), centre.join()
	edge.up(here, "central")
	var got atomic.Int64
	if _, err := there.Subscribe(t.Context(), "com.example.", client.SubscribeOptions{Match: wamp.Prefix}, func(*client.Event) { got.Add(1) }); err != nil {
		t.Fatal(err)
	}
	centre.offer(centre.join(), "com.example.echo", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Raw(inv.Payload), nil
	})
	kit.Eventually(t, "the link carries", func() bool {
		edge.publish(here, "com.example.a", 0)
		return got.Load() > 0
	})
	payload := strings.Repeat("x", 128)
	for _, from := range []struct {
		name string
		c    *client.Client
	}{{"a client of the centre", centre.join()}, {"over the link", here}} {
		const events, calls = 50_000, 3000
		got.Store(0)
		began := time.Now()
		for range events {
			if err := from.c.Publish(t.Context(), "com.example.a", client.PublishOptions{More: true}, client.Args(payload)); err != nil {
				t.Fatal(err)
			}
		}
		kit.Eventually(t, "all events arrive", func() bool { return got.Load() >= events })
		t.Logf("%s: %.0f events a second", from.name, events/time.Since(began).Seconds())
		if _, err := centre.call(from.c, "com.example.echo", client.CallOptions{}, payload); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		for range calls / 10 {
			if _, err := from.c.Call(t.Context(), "com.example.echo", client.CallOptions{}, client.Args(payload)); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: %v for one call at a time", from.name, (time.Since(began) / (calls / 10)).Round(time.Microsecond))
		began = time.Now()
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				for range calls / 50 {
					if _, err := from.c.Call(t.Context(), "com.example.echo", client.CallOptions{}, client.Args(payload)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		callers.Wait()
		t.Logf("%s: %.0f calls a second, 50 at a time", from.name, calls/time.Since(began).Seconds())
	}
}
