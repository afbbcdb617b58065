package hostile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/stage"
	"runnel/transport"
)

// bystanders holds the bystander of each realm.
var bystanders *crowd

type crowd struct {
	all  map[string]*bystander // by realm
	stop context.CancelFunc
	work sync.WaitGroup
}

// bystander is two sessions: one publishes and calls, the other subscribes and is called.
type bystander struct {
	realm   string
	talks   *client.Client
	listens *client.Client
	heard   chan int64

	rounds atomic.Int64
	failed chan struct{} // closed when err is set
	err    error
}

// pace is the pause between two rounds. It leaves processor time to the attackers.
const pace = 20 * time.Millisecond

func newBystanders() (*crowd, error) {
	ctx, stop := context.WithCancel(context.Background())
	c := &crowd{all: map[string]*bystander{}, stop: stop}
	realms := []string{stage.Strict, webRealm}
	for _, w := range stage.Ways() {
		realms = append(realms, w.Realm())
	}
	for _, realm := range realms {
		b, err := newBystander(realm)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("bystander in %s: %w", realm, err), c.close())
		}
		c.all[realm] = b
		c.work.Go(func() { b.run(ctx) })
	}
	return c, nil
}

func newBystander(realm string) (b *bystander, err error) {
	b = &bystander{realm: realm, heard: make(chan int64, 100), failed: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	if b.talks, err = connect(ctx, realm, wamp.CBOR); err != nil {
		return nil, err
	}
	if b.listens, err = connect(ctx, realm, wamp.MsgPack); err != nil {
		return nil, err
	}
	_, err = b.listens.Subscribe(ctx, "bystander.topic", client.SubscribeOptions{}, func(e *client.Event) {
		n, _ := e.Args()[0].(int64)
		b.heard <- n
	})
	if err != nil {
		return nil, err
	}
	_, err = b.listens.Register(ctx, "bystander.echo", client.RegisterOptions{}, func(_ context.Context, i *client.Invocation) (client.Payload, error) {
		return client.Args(i.Args()...), nil
	})
	return b, err
}

func connect(ctx context.Context, realm string, s wamp.Serializer) (*client.Client, error) {
	return client.Connect(ctx, client.Options{
		Dial: func(ctx context.Context) (client.Conn, error) {
			return transport.Dial(ctx, "unix://"+house.Unix, transport.DialOptions{Serializer: s})
		},
		Realm:     realm,
		Authid:    "bystander",
		Auth:      []client.Auth{client.Ticket("bystander")},
		Reconnect: client.Reconnect{Disabled: true},
	})
}

// run publishes and calls until ctx is done or something goes wrong.
func (b *bystander) run(ctx context.Context) {
	for n := int64(1); ctx.Err() == nil; n++ {
		if err := b.round(ctx, n); err != nil && ctx.Err() == nil {
			b.err = fmt.Errorf("bystander in %s, round %d: %w", b.realm, n, err)
			close(b.failed)
			return
		}
		b.rounds.Add(1)
		select {
		case <-time.After(pace):
		case <-ctx.Done():
		}
	}
}

func (b *bystander) round(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, kit.Patience)
	defer cancel()
	if err := b.talks.Publish(ctx, "bystander.topic", client.PublishOptions{}, client.Args(n)); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	result, err := b.talks.Call(ctx, "bystander.echo", client.CallOptions{}, client.Args(n))
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	if got := result.Args()[0]; got != any(n) {
		return fmt.Errorf("called with %d, got %v", n, got)
	}
	select {
	case got := <-b.heard:
		if got != n {
			return fmt.Errorf("published %d, heard %d", n, got)
		}
	case <-ctx.Done():
		return fmt.Errorf("event: %w", ctx.Err())
	}
	return nil
}

// unmoved checks that the bystanders of a realm still work: it waits for two more rounds, the second of which begins after
// this call.
func unmoved(t *testing.T, realm string) {
	t.Helper()
	b := bystanders.all[realm]
	for want, end := b.rounds.Load()+2, time.Now().Add(kit.Patience); b.rounds.Load() < want; {
		select {
		case <-b.failed:
			t.Fatal(b.err)
		case <-time.After(pace / 4):
		}
		if time.Now().After(end) {
			t.Fatalf("the bystanders in %s do not get on", realm)
		}
	}
}

// close ends all rounds and returns the errors of all of them.
func (c *crowd) close() (err error) {
	c.stop()
	c.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	for _, b := range c.all {
		err = errors.Join(err, b.err)
		b.talks.Close(ctx)
		b.listens.Close(ctx)
	}
	return err
}
