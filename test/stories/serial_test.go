package stories

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/rawsocket"
	"runnel/transport/serial/pty"
)

// line is a serial line's configuration; its value is the device.
const line = `
[[realm.role]]
name = "sensor"
[[realm.role.permission]]
uri = "story."
match = "prefix"
allow = ["publish", "register"]
[[serial]]
name = "greenhouse"
device = "%s"
framing = "none"
role = "sensor"
authid = "greenhouse-mcu"
`

// serveLine starts a router with a serial line and plugs in a device at its other end.
func serveLine(t *testing.T, more string) (*router, *pty.Device) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "tty")
	device := plug(t, link)
	r := serve(t, fmt.Sprintf(line, link)+more)
	kit.Eventually(t, "the line to be open", func() bool { return lineState(t, r) == "listening" })
	return r, device
}

func plug(t *testing.T, link string) *pty.Device {
	t.Helper()
	d, err := pty.Plug(link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// sensor is a device's program: it speaks bare RawSocket on its end of the line.
func sensor(t *testing.T, d *pty.Device) *client.Client {
	t.Helper()
	return program.Join(t, "the device", client.Options{
		Dial: func(context.Context) (client.Conn, error) {
			return rawsocket.Client(d, rawsocket.Options{Serializer: wamp.MsgPack, HandshakeTimeout: kit.Patience})
		},
		Reconnect: client.Reconnect{Disabled: true},
	})
}

// The whole path: a device on a serial line, a local program, a central router, a program there, and a call back.
func TestFromSensorToCloud(t *testing.T) {
	centre := serve(t, "")
	r, device := serveLine(t, central(centre.tcp)+`
[[uplink.export]]
procedure = "story."
match = "prefix"
[[uplink.import]]
topic = "command."
match = "prefix"
`)
	here := r.subscribe(t, r.unix, "story.weather")
	there := centre.subscribe(t, centre.ws(), "story.weather")
	r.logs("link is up")

	mcu := sensor(t, device)
	_, err := mcu.Register(t.Context(), "story.set_point", client.RegisterOptions{}, func(_ context.Context, i *client.Invocation) (client.Payload, error) {
		return client.Args(fmt.Sprintf("set to %v", i.Args()[0])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kit.Eventually(t, "an event in the cloud", func() bool {
		if err := mcu.Publish(t.Context(), "story.weather", client.PublishOptions{Acknowledge: true}, client.Args(21.5)); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(there.Stdout.Text(), "story.weather 21.5")
	})
	here.sees("story.weather 21.5")
	kit.Eventually(t, "the procedure in the cloud", func() bool {
		got := runnel(t, "call", "story.set_point", "24", "--url", centre.tcp)
		return got.status == 0 && strings.Contains(got.stdout, "set to 24")
	})
	runnel(t, "call", "story.nobody", "--url", centre.tcp).expect(t, 1, "", "wamp.error.no_such_procedure")

	var report struct {
		Serial  []struct{ Name, State string }
		Uplinks []struct {
			Name string
			Up   bool
		}
	}
	r.status(t, &report)
	if len(report.Serial) != 1 || report.Serial[0].State != "serving" || len(report.Uplinks) != 1 || !report.Uplinks[0].Up {
		t.Errorf("%+v", report)
	}
	runnel(t, "status", "--url", r.unix).expect(t, 0, "greenhouse", "")

	// The gateway receives the events of the centre.
	down := r.subscribe(t, r.unix, "command.light")
	kit.Eventually(t, "an event from the cloud", func() bool {
		runnel(t, "pub", "command.light", "true", "--url", centre.tcp).expect(t, 0, "", "")
		return strings.Contains(down.Stdout.Text(), "command.light true")
	})
}

// The edge works while the centre is down, and the link reconnects by itself.
func TestCentreAway(t *testing.T) {
	centre := serve(t, "")
	edge := serve(t, central(centre.unix)+`
[[uplink.import]]
procedure = "central."
match = "prefix"
`)
	edge.logs("link is up")
	centre.Signal(syscall.SIGTERM)
	centre.wait()
	sub := edge.subscribe(t, edge.tcp, "story.local")
	runnel(t, "pub", "story.local", "1", "--ack", "--url", edge.unix).expect(t, 0, "", "")
	sub.sees("story.local 1")
	runnel(t, "call", "central.clock", "--url", edge.unix).expect(t, 1, "", "wamp.error.network_failure")

	again := start(t, "run", "-c", filepath.Join(centre.dir, "runnel.toml"))
	again.logs(`msg=listening url=unix://`)
	there := start(t, "sub", "story.again", "--url", centre.unix)
	kit.Eventually(t, "an event at the centre that is back", func() bool {
		runnel(t, "pub", "story.again", "2", "--url", edge.tcp).expect(t, 0, "", "")
		return strings.Contains(there.Stdout.Text(), "story.again 2")
	})
}

func TestUnplugAndReplug(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	device := plug(t, link)
	r := serve(t, fmt.Sprintf(line, link))
	sub := r.subscribe(t, r.unix, "story.plug")
	for n := range 3 {
		kit.Eventually(t, "the line to be open", func() bool { return lineState(t, r) == "listening" })
		mcu := sensor(t, device)
		if err := mcu.Publish(t.Context(), "story.plug", client.PublishOptions{}, client.Args(n)); err != nil {
			t.Fatal(err)
		}
		sub.sees(fmt.Sprintf("story.plug %d\n", n))
		device.Close()
		kit.Eventually(t, "the line to be lost", func() bool { return lineState(t, r) == "waiting" })
		device = plug(t, link)
	}
}

func lineState(t *testing.T, r *router) string {
	t.Helper()
	var report struct{ Serial []struct{ State string } }
	r.status(t, &report)
	if len(report.Serial) == 0 {
		return "" // a reload takes it away for a moment
	}
	return report.Serial[0].State
}

// The router ignores boot messages, or the rest of an earlier session, and serves a device from its handshake on.
func TestGarbageOnTheLine(t *testing.T) {
	r, device := serveLine(t, "")
	sub := r.subscribe(t, r.unix, "story.noise")
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		noise := make([]byte, 200)
		for i := range noise {
			if noise[i] = byte(random.Uint32()); noise[i] == 0x7f {
				noise[i] = 0 // would look like a handshake, to which a device must not say more before the answer
			}
		}
		if _, err := device.Write(noise); err != nil {
			t.Fatal(err)
		}
		runnel(t, "pub", "story.other", "--ack", "--url", r.tcp).expect(t, 0, "", "")
	}
	kit.Eventually(t, "the line to be open", func() bool { return lineState(t, r) == "listening" })
	mcu := sensor(t, device)
	if err := mcu.Publish(t.Context(), "story.noise", client.PublishOptions{}, client.Args("heard")); err != nil {
		t.Fatal(err)
	}
	sub.sees(`story.noise "heard"`)
}

// A device has the identity of its line, and only the rights of its role.
func TestSerialRole(t *testing.T) {
	_, device := serveLine(t, "")
	mcu := sensor(t, device)
	welcome, _ := mcu.Welcome()
	if welcome.Authid() != "greenhouse-mcu" || welcome.Authrole() != "sensor" {
		t.Errorf("authid %q, authrole %q", welcome.Authid(), welcome.Authrole())
	}
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	_, err := mcu.Subscribe(ctx, "story.secret", client.SubscribeOptions{}, func(*client.Event) {})
	if err == nil || !strings.HasPrefix(err.Error(), "wamp.error.not_authorized") {
		t.Errorf("subscribe: %v", err)
	}
}

// A program at the far end of a line is a peer over the reliable link, which is the default of a line.
func TestReliableLine(t *testing.T) {
	near, far := filepath.Join(t.TempDir(), "near"), filepath.Join(t.TempDir(), "far")
	wire(plug(t, near), plug(t, far))
	r := serve(t, fmt.Sprintf("[[serial]]\nname = \"shed\"\ndevice = %q\n", near))
	url := "serial://" + far + "?framing=hdlc"
	subscriber := r.subscribe(t, r.unix, "story.reading")
	runnel(t, "pub", "--url", url, "--ack", "story.reading", "21.5").expect(t, 0, "", "")
	subscriber.sees("21.5")
	r.offer(t, url, "story.echo", "--echo")
	runnel(t, "call", "--url", r.unix, "story.echo", "back and forth").expect(t, 0, "back and forth", "")
}

// wire connects two devices as a cable would. It ends when one is unplugged.
func wire(a, b *pty.Device) {
	go io.Copy(a, b)
	go io.Copy(b, a)
}
