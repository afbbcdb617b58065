package wamp_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/memory"
	"runnel/uplink"
	wamplink "runnel/uplink/wamp"
)

// BenchmarkForward measures an event from a local program, through two routers and the link, to a remote program, with
// 1000 events in flight.
func BenchmarkForward(b *testing.B) {
	routers := [2]*edge.Router{}
	for i := range routers {
		routers[i] = edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})
		routers[i].AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "all", Roles: []*auth.Role{fullRole}})
	}
	dial := func(i int) func(context.Context) (client.Conn, error) {
		return func(context.Context) (client.Conn, error) {
			near, far := memory.Pipe(memory.Options{})
			go routers[i].Serve(far)
			return near, nil
		}
	}
	ctx, cancel := context.WithCancel(b.Context())
	link, err := wamplink.New(wamplink.Options{
		Realm: "realm1", RemoteRealm: "realm1", Local: dial(0), Remote: []wamplink.Remote{{Dial: dial(1)}},
		Export: []uplink.Rule{{Topic: "com.", Match: wamp.Prefix}},
	})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- link.Run(ctx) }()
	here, err := client.Connect(ctx, client.Options{Realm: "realm1", Dial: dial(0)})
	if err != nil {
		b.Fatal(err)
	}
	there, err := client.Connect(ctx, client.Options{Realm: "realm1", Dial: dial(1)})
	if err != nil {
		b.Fatal(err)
	}
	var got atomic.Int64
	underWay := make(chan struct{}, 1000)
	if _, err := there.Subscribe(ctx, "com.x", client.SubscribeOptions{}, func(*client.Event) {
		got.Add(1)
		<-underWay
	}); err != nil {
		b.Fatal(err)
	}
	for !link.State().Up {
		time.Sleep(time.Millisecond)
	}
	p := client.Args(string(make([]byte, 128)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		underWay <- struct{}{}
		if err := here.Publish(ctx, "com.x", client.PublishOptions{More: true}, p); err != nil {
			b.Fatal(err)
		}
	}
	for got.Load() < int64(b.N) {
		time.Sleep(100 * time.Microsecond)
	}
	b.StopTimer()
	here.Close(ctx)
	there.Close(ctx)
	cancel()
	<-ended
	for _, r := range routers {
		r.Close(context.Background())
	}
}
