package seriallink

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
)

// echo offers a procedure that answers with its argument and who it is.
func echo(t *testing.T, c *client.Client, name string) {
	t.Helper()
	_, err := c.Register(t.Context(), name, client.RegisterOptions{}, func(_ context.Context, i *client.Invocation) (client.Payload, error) {
		return client.Args(fmt.Sprintf("%s: %v", name, i.Args()[0])), nil
	})
	kit.Must(t, err)
}

func call(ctx context.Context, c *client.Client, name string, arg any) error {
	r, err := c.Call(ctx, name, client.CallOptions{}, client.Args(arg))
	if err != nil {
		return err
	}
	if got, want := fmt.Sprint(r.Args()...), fmt.Sprintf("%s: %v", name, arg); got != want {
		return fmt.Errorf("%s returned %q, want %q", name, got, want)
	}
	return nil
}

// count subscribes to readings, which have to come numbered without a gap.
func count(t *testing.T, c *client.Client) *atomic.Int64 {
	t.Helper()
	var last atomic.Int64
	_, err := c.Subscribe(t.Context(), "link.reading", client.SubscribeOptions{}, func(e *client.Event) {
		if n := e.Args()[0].(int64); !last.CompareAndSwap(n-1, n) {
			t.Errorf("reading %d came after %d", n, last.Load())
		}
	})
	kit.Must(t, err)
	return &last
}

func TestSessionOverNoise(t *testing.T) {
	w := newWire(t)
	w.noise.Set(500)
	r := start(t, w)
	local, remote := r.local(t), device(t, w)
	down, up := count(t, remote), count(t, local)
	echo(t, remote, "device.echo")
	echo(t, local, "edge.echo")
	const readings = 300
	for i := range int64(readings) {
		// A publisher does not get its own events: each end hears the other's.
		kit.Must(t, remote.Publish(t.Context(), "link.reading", client.PublishOptions{}, client.Args(i+1)))
		kit.Must(t, local.Publish(t.Context(), "link.reading", client.PublishOptions{}, client.Args(i+1)))
		if i%50 == 0 {
			kit.Must(t, call(t.Context(), local, "device.echo", i))
			kit.Must(t, call(t.Context(), remote, "edge.echo", i))
		}
	}
	kit.Eventually(t, "all readings", func() bool { return down.Load() == readings && up.Load() == readings })
	s := r.State()
	if s.Opens != 1 || s.Link == nil || !s.Link.Up || s.Link.Link.Connections != 1 {
		t.Errorf("%+v, link %+v", s, s.Link)
	}
	if s.Link.Framing.Bad() == 0 || s.Link.Link.Resent == 0 {
		t.Errorf("no noise on the line: %+v", s.Link)
	}
}

func TestDeviceRestarts(t *testing.T) {
	w := newWire(t)
	r := start(t, w)
	local := r.local(t)
	for i := range 5 {
		remote := device(t, w)
		echo(t, remote, "device.echo")
		kit.Must(t, call(t.Context(), local, "device.echo", i))
		if s := r.State(); s.Link == nil || s.Link.Peer.Name != "greenhouse" { // noise may take the XID that tells it
			t.Errorf("link %+v", s.Link)
		}
		program.Leave(remote)
	}
	if s := r.State(); s.Opens != 1 || s.Peers < 5 || s.Link.Link.Connections < 5 {
		t.Errorf("%+v, link %+v", s, s.Link)
	}
}

// TestRouterRestarts holds that a device gets its session back by itself, with all it had offered.
func TestRouterRestarts(t *testing.T) {
	w := newWire(t)
	r := start(t, w)
	remote := device(t, w)
	echo(t, remote, "device.echo")
	for i := range 5 {
		local := r.local(t)
		kit.Eventually(t, "the device is called", func() bool { return call(t.Context(), local, "device.echo", i) == nil })
		program.Leave(local)
		r.stop()
		r = start(t, w)
	}
}

// TestUnplugged holds that the line comes back when the device does, under another name, and its session with it.
func TestUnplugged(t *testing.T) {
	w := newWire(t)
	r := start(t, w)
	remote, local := device(t, w), r.local(t)
	echo(t, remote, "device.echo")
	for i := range uint64(3) {
		kit.Must(t, call(t.Context(), local, "device.echo", i))
		w.unplug()
		kit.Eventually(t, "the port is lost", func() bool { return r.State().Losses == i+1 })
		w.plug(t)
		kit.Eventually(t, "the device is called", func() bool { return call(t.Context(), local, "device.echo", i) == nil })
	}
	if s := r.State(); s.Opens != 4 || s.Link.Link.Connections < 4 {
		t.Errorf("%+v, link %+v", s, s.Link)
	}
}
