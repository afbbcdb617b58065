package mcu

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

const (
	temperature = "com.example.greenhouse.temperature"
	setPoint    = "com.example.greenhouse.set_point"
	state       = "com.example.greenhouse.state"
	measure     = "com.example.greenhouse.measure"
	calibration = "com.example.greenhouse.calibration"
)

// boards runs a story with each board.
func boards(t *testing.T, story func(*testing.T, board)) {
	t.Run("host", func(t *testing.T) { story(t, newHost(t)) })
	t.Run("microbit", func(t *testing.T) { story(t, newMicrobit(t)) })
}

// answers calls until it succeeds. If the machine pauses for a second, the link disconnects, and a new session begins.
func answers(t *testing.T, c *client.Client, uri string, args ...any) (r *client.Result) {
	t.Helper()
	var err error
	kit.Eventually(t, uri+" succeeds", func() bool {
		r, err = c.Call(t.Context(), uri, client.CallOptions{}, client.Args(args...))
		return err == nil
	})
	return r
}

// refuses calls until the expected error arrives. Other errors mean that the node is disconnected.
func refuses(t *testing.T, c *client.Client, why wamp.Failure, uri string, args ...any) {
	t.Helper()
	kit.Eventually(t, uri+" fails with "+string(why), func() bool {
		_, err := c.Call(t.Context(), uri, client.CallOptions{}, client.Args(args...))
		if err == nil {
			t.Fatalf("%s succeeds with %v", uri, args)
		}
		return errors.Is(err, why)
	})
}

// isHere waits until the node answers, and returns the state that it reports.
func isHere(t *testing.T, c *client.Client) map[string]any {
	t.Helper()
	return answers(t, c, state).Kwargs()
}

// measures makes the node measure for a second.
func measures(t *testing.T, c *client.Client, want float64) {
	t.Helper()
	if r := answers(t, c, measure, 1); r.Args()[0] != want {
		t.Errorf("measured %v, want %v", r.Args(), want)
	}
}

// readings subscribes to the node's publications.
func readings(t *testing.T, c *client.Client) <-chan string {
	t.Helper()
	seen := make(chan string, 1000)
	_, err := c.Subscribe(t.Context(), temperature, client.SubscribeOptions{}, func(e *client.Event) {
		select {
		case seen <- fmt.Sprint(e.Args()[0], " ", e.Kwargs()["heating"]):
		default:
		}
	})
	kit.Must(t, err)
	return seen
}

// reads waits for a reading.
func reads(t *testing.T, seen <-chan string, want string) {
	t.Helper()
	last := ""
	kit.Eventually(t, "a reading of "+want, func() bool {
		select {
		case last = <-seen:
		default:
		}
		return last == want
	})
}

// set publishes a set-point until the node has it.
func set(t *testing.T, c *client.Client, degrees float64) {
	t.Helper()
	kit.Eventually(t, "the set-point", func() bool {
		kit.Must(t, c.Publish(t.Context(), setPoint, client.PublishOptions{Acknowledge: true}, client.Args(degrees)))
		return isHere(t, c)["set_point"] == degrees
	})
}

// calibrate offers the correction that the node asks for when its session begins. It returns who asked.
func calibrate(t *testing.T, c *client.Client, correction float64) <-chan string {
	t.Helper()
	asked := make(chan string, 100)
	_, err := c.Register(t.Context(), calibration, client.RegisterOptions{}, func(_ context.Context, i *client.Invocation) (client.Payload, error) {
		select {
		case asked <- fmt.Sprint(i.CallerAuthid(), " reads ", i.Args()[0]):
		default:
		}
		return client.Args(correction), nil
	})
	kit.Must(t, err)
	return asked
}

// TestEventsAndCalls tests a node without disturbance: events up and down, calls both ways, the line's identity.
func TestEventsAndCalls(t *testing.T) {
	boards(t, func(t *testing.T, b board) {
		g := newGateway(t, b.port())
		g.logs("serial device log.*greenhouse node is here")
		c := g.join()
		asked := calibrate(t, c, 0.5)
		seen := readings(t, c)
		isHere(t, c)
		b.reset() // it calls when its session begins, and the procedure was registered only later
		who := ""
		kit.Eventually(t, "the node asks for its correction", func() bool {
			select {
			case who = <-asked:
			default:
			}
			return who != ""
		})
		if who != "greenhouse-mcu reads 21.37" {
			t.Errorf("asked for a correction: %q", who)
		}
		reads(t, seen, "21.87 false")
		set(t, c, 30)
		reads(t, seen, "21.87 true")
		if s := isHere(t, c); s["set_point"] != 30.0 || s["correction"] != 0.5 || s["heating"] != true {
			t.Errorf("state %v", s)
		}
		measures(t, c, 21.87)
		refuses(t, c, "wamp.error.invalid_argument", measure, "long")
		// A message that is too long for the node is rejected, without any other effect.
		refuses(t, c, "wamp.error.payload_size_exceeded", measure, strings.Repeat("long ", 200))
		kit.Must(t, c.Publish(t.Context(), setPoint, client.PublishOptions{Acknowledge: true}, client.Args(strings.Repeat("hot ", 200))))
		if s := isHere(t, c); s["set_point"] != 30.0 {
			t.Errorf("state %v", s)
		}
	})
}

// underWay makes a call that takes a minute. It returns once the node is processing it, with the channel of the
// outcome.
func underWay(t *testing.T, c *client.Client) <-chan error {
	t.Helper()
	outcome := make(chan error, 1)
	begin := func() {
		_, err := c.Call(t.Context(), measure, client.CallOptions{}, client.Args(60))
		outcome <- err
	}
	go begin()
	kit.Eventually(t, "the node measures", func() bool {
		select {
		case <-outcome: // the session has begun anew meanwhile
			go begin()
		default:
		}
		return isHere(t, c)["measuring"] == true
	})
	return outcome
}

// expectFailure waits for the outcome of a call that cannot succeed.
func expectFailure(t *testing.T, outcome <-chan error) {
	t.Helper()
	select {
	case err := <-outcome:
		if err == nil {
			t.Error("a call to a node that was reset has succeeded")
		}
	case <-time.After(kit.Patience):
		t.Error("a call to a node that was reset goes on")
	}
}

// TestDeviceReset checks that calls to a reset device end, and that the device returns with all its offers.
func TestDeviceReset(t *testing.T) {
	boards(t, func(t *testing.T, b board) {
		g := newGateway(t, b.port())
		c := g.join()
		seen := readings(t, c)
		for range 2 {
			set(t, c, 30)
			reads(t, seen, "21.37 true")
			outcome := underWay(t, c)
			b.reset()
			expectFailure(t, outcome)
			if s := isHere(t, c); s["set_point"] != 20.0 || s["measuring"] != false {
				t.Errorf("state after a reset: %v", s)
			}
			reads(t, seen, "21.37 false")
			measures(t, c, 21.37)
		}
	})
}

// TestRouterRestart checks that a device reconnects by itself after a restart of its router, and keeps its state.
func TestRouterRestart(t *testing.T) {
	boards(t, func(t *testing.T, b board) {
		g := newGateway(t, b.port())
		for i, end := range []func(){g.kill, g.stop} {
			c := g.join()
			set(t, c, 30+float64(i))
			outcome := underWay(t, c)
			end()
			expectFailure(t, outcome)
			g.start()
			c = g.join()
			seen := readings(t, c)
			if s := isHere(t, c); s["set_point"] != 30+float64(i) || s["sessions"].(int64) < int64(i+2) {
				t.Errorf("state after restart %d: %v", i+1, s)
			}
			reads(t, seen, "21.37 true")
			measures(t, c, 21.37)
		}
	})
}

// TestNoise checks that corrupt frames do not reach WAMP.
func TestNoise(t *testing.T) {
	h := newHost(t)
	g := newGateway(t, h.port())
	c := g.join()
	isHere(t, c)
	h.noise.Set(400)
	for i := range 60 {
		set(t, c, float64(i))
	}
	h.noise.Set(0)
	if s := isHere(t, c); s["resent"] == int64(0) || s["bad"] == int64(0) {
		t.Errorf("no noise on the line: %v", s)
	}
}

// TestResets checks that the node reconnects after each of many resets at any moment, also on a noisy line.
func TestResets(t *testing.T) {
	h := newHost(t)
	h.noise.Set(2000)
	g := newGateway(t, h.port())
	c := g.join()
	for range 25 {
		isHere(t, c)
		time.Sleep(rand.N(20 * time.Millisecond)) // at any point of their exchange
		h.reset()
		if rand.IntN(2) == 0 {
			time.Sleep(rand.N(20 * time.Millisecond))
			h.reset()
		}
	}
	isHere(t, c)
}

// TestStream checks that on a noisy line all messages arrive once and in order, in both directions.
func TestStream(t *testing.T) {
	t.Run("full duplex", func(t *testing.T) {
		h := newProgram(t, "stream")
		stream(t, h, newGateway(t, h.port()))
	})
	t.Run("half-duplex", func(t *testing.T) {
		h := newProgram(t, "stream", "--half-duplex")
		stream(t, h, newGateway(t, h.port(), "half_duplex = true"))
	})
}

func stream(t *testing.T, h *host, g *gateway) {
	const messages = 300
	c := g.join()
	var session, last, all atomic.Int64
	_, err := c.Subscribe(t.Context(), "com.example.stream.up", client.SubscribeOptions{}, func(e *client.Event) {
		s, n := e.Args()[0].(int64), e.Args()[1].(int64)
		if s == session.Load() && n != last.Load()+1 {
			t.Errorf("session %d: %d came after %d", s, n, last.Load())
		}
		session.Store(s)
		last.Store(n)
		all.Add(1)
	})
	kit.Must(t, err)
	answers(t, c, "com.example.stream.add", 1, 2)
	h.noise.Set(300)
	late := time.Now().Add(5 * kit.Patience)
	for i := 0; i < messages/10 || all.Load() < messages; i++ {
		if time.Now().After(late) {
			t.Fatalf("%d messages only", all.Load())
		}
		kit.Must(t, c.Publish(t.Context(), "com.example.stream.down", client.PublishOptions{Acknowledge: true}, client.Args(i)))
		if r := answers(t, c, "com.example.stream.add", i, 1<<40); r.Args()[0] != int64(i+1<<40) {
			t.Fatalf("%d + 2^40 is %v", i, r.Args())
		}
	}
	// It leaves, and joins again.
	before := session.Load()
	kit.Eventually(t, "the device leaves", func() bool {
		c.Call(t.Context(), "com.example.stream.leave", client.CallOptions{}, client.Payload{}) // its answer may be too late
		return answers(t, c, "com.example.stream.count").Kwargs()["left"] != int64(0)
	})
	kit.Eventually(t, "its next session", func() bool { return session.Load() > before })
	s := answers(t, c, "com.example.stream.count").Kwargs()
	if s["acknowledged"] == int64(0) || s["refused"] == int64(0) {
		t.Errorf("no publication was acknowledged, or none refused: %v", s)
	}
	t.Logf("%d messages in %d sessions; %v", all.Load(), session.Load(), s)
}

// TestCheck runs the client's own checks: vectors, CBOR, and a malicious router.
func TestCheck(t *testing.T) {
	for seed, check := range []string{"check", "check", "check-send", "check-stream"} {
		out, err := exec.Command(filepath.Join(built, check), strconv.Itoa(seed+1), "30000").CombinedOutput()
		if err != nil {
			t.Errorf("%s %d: %v\n%s", check, seed+1, err, out)
		}
		t.Logf("%s", out)
	}
}
