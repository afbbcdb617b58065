package seriallink

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport"
	"runnel/transport/serial"
	"runnel/transport/serial/hdlc"
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

// count subscribes to readings, which must arrive numbered without a gap.
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
		// A publisher does not get its own events: each end receives the other's.
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

// TestLinkLostWhileComingUp: the router's end answers a SABM, and then has no connection, as if noise had ended it. The
// device connects again by itself.
func TestLinkLostWhileComingUp(t *testing.T) {
	w := newWire(t)
	port, err := serial.Open(t.Context(), serial.Config{Device: w.near})
	kit.Must(t, err)
	var remote client.Conn
	dialled := make(chan error, 1)
	go func() {
		var err error
		remote, err = transport.Dial(t.Context(), w.url(), transport.DialOptions{Timeout: kit.Patience})
		dialled <- err
	}()
	answer := map[bool]hdlc.Frame{ // the octets sent for an I frame, and for a SABM
		true:  {Address: toGateway, Control: dm},
		false: {Address: toGateway, Control: ua},
	}
	for information := range frames(port) {
		_, err := port.Write(hdlc.Append(nil, answer[information]))
		kit.Must(t, err)
		if information {
			break
		}
	}
	kit.Must(t, port.Close())
	start(t, w)
	kit.Must(t, <-dialled)
	remote.Close()
}

// Octets of the link (ISO 7776): the address of the gateway's responses, and UA and DM with F.
const (
	toGateway = 0x01
	ua        = 0x73
	dm        = 0x1F
)

// frames yields the SABMs and I frames that arrive on a port, and whether each is an I frame.
func frames(port io.Reader) iter.Seq[bool] {
	const sabm = 0x3F
	return func(yield func(bool) bool) {
		d := hdlc.NewDecoder(1024)
		var b [1]byte
		for {
			if _, err := port.Read(b[:]); err != nil {
				return
			}
			f, ok := d.Push(b[0])
			information := f.Control&1 == 0
			if ok && (information || f.Control == sabm) && !yield(information) {
				return
			}
		}
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
		if s := r.State(); s.Link == nil || s.Link.Peer.Name != "greenhouse" { // noise may destroy the XID with the name
			t.Errorf("link %+v", s.Link)
		}
		program.CloseSession(remote)
	}
	if s := r.State(); s.Opens != 1 || s.Peers < 5 || s.Link.Link.Connections < 5 {
		t.Errorf("%+v, link %+v", s, s.Link)
	}
}

// TestRouterRestarts checks that a device restores its session by itself, with all its offers.
func TestRouterRestarts(t *testing.T) {
	w := newWire(t)
	r := start(t, w)
	remote := device(t, w)
	echo(t, remote, "device.echo")
	for i := range 5 {
		local := r.local(t)
		kit.Eventually(t, "the device is called", func() bool { return call(t.Context(), local, "device.echo", i) == nil })
		program.CloseSession(local)
		r.stop()
		r = start(t, w)
	}
}

// TestUnplugged checks that the line and its session return with the device, even under another name.
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
