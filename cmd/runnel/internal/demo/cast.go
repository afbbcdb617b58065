package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/transport/rawsocket"
	"runnel/transport/serial/pty"
)

// The programs and the sensor of the demo. Each is a WAMP client with its own connection.

// greenhouse simulates the measured temperature, which moves towards the set point.
type greenhouse struct {
	mu          sync.Mutex
	temperature float64
	target      float64
}

// measure returns the temperature. It is called once a second.
func (g *greenhouse) measure() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.temperature += (g.target - g.temperature) / 4
	return float64(int(g.temperature*10+0.5)) / 10
}

func (g *greenhouse) set(target float64) (before float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, g.target = g.target, target
	return before
}

// playSensor is the device at the other end of the serial line.
func (s *stage) playSensor(ctx context.Context) error {
	g := &greenhouse{temperature: 18, target: 21}
	c, err := client.Connect(ctx, client.Options{Dial: s.dialSerial, Realm: demoRealm, Agent: sensorName})
	if err != nil {
		return err
	}
	defer closeSession(c)
	welcome, _ := c.Welcome()
	s.say(sensing, "joined %s over the serial line, as %s", demoRealm, welcome.Authid())
	if _, err := c.Register(ctx, setPoint, client.RegisterOptions{}, s.answerSetPoint(g)); err != nil {
		return err
	}
	s.say(sensing, "offers %s", setPoint)
	for tick := time.NewTicker(time.Second); ; {
		value := g.measure()
		s.happened(sensing, "publishes %s %.1f", weather, value)
		if err := c.Publish(ctx, weather, client.PublishOptions{}, client.Args(value)); err != nil {
			s.say(sensing, "could not publish: %v", err)
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
	}
}

func (s *stage) answerSetPoint(g *greenhouse) client.Handler {
	return func(_ context.Context, i *client.Invocation) (client.Payload, error) {
		args := i.Args()
		target, ok := 0.0, false
		if len(args) == 1 {
			target, ok = degrees(args[0])
		}
		if !ok {
			return client.Payload{}, client.NewError(wamp.InvalidArgument.Error(), "want one number")
		}
		before := g.set(target)
		s.say(sensing, "is asked for %s %g; it was %g", setPoint, target, before)
		return client.Args(before), nil
	}
}

func degrees(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// dialSerial speaks RawSocket on the device's side of the serial line. A device that has lost its session is
// plugged in again.
func (s *stage) dialSerial(context.Context) (client.Conn, error) {
	device := s.sensor
	s.sensor = nil
	if device == nil {
		var err error
		if device, err = pty.Plug(s.dir + "/greenhouse"); err != nil {
			return nil, err
		}
	}
	conn, err := rawsocket.Client(device, rawsocket.Options{
		HandshakeTimeout: 3 * time.Second,
		Transport:        wamp.Transport{Network: "serial", Remote: device.Port(), Local: true},
	})
	if err != nil {
		return nil, err // not conn, which would be a Conn that is not nil
	}
	return conn, nil
}

// join connects one of the programs.
func (s *stage) join(ctx context.Context, who, url string) (*client.Client, error) {
	dial := func(ctx context.Context) (client.Conn, error) {
		return transport.Dial(ctx, url, transport.DialOptions{})
	}
	c, err := client.Connect(ctx, client.Options{Dial: dial, Realm: demoRealm, Agent: who})
	if err != nil {
		return nil, err
	}
	s.say(who, "joined %s at %s", demoRealm, url)
	return c, nil
}

func (s *stage) playLocal(ctx context.Context) error {
	return s.watch(ctx, local, "unix://"+s.dir+"/edge.sock", "at the edge, over the Unix socket")
}

func (s *stage) playSubscriber(ctx context.Context) error {
	return s.watch(ctx, subscribing, s.centre, "in the cloud, through the uplink")
}

// watch subscribes and prints each event.
func (s *stage) watch(ctx context.Context, who, url, where string) error {
	c, err := s.join(ctx, who, url)
	if err != nil {
		return err
	}
	defer closeSession(c)
	_, err = c.Subscribe(ctx, weather, client.SubscribeOptions{}, func(e *client.Event) {
		text, err := term.PlainText(e.Args(), e.Kwargs())
		if err != nil {
			text = err.Error()
		}
		s.happened(who, "received %s %s %s", e.Topic(), text, where)
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", weather, err)
	}
	<-ctx.Done()
	return nil
}

// playCaller moves the set point up and down every few seconds, once events arrive from the edge.
func (s *stage) playCaller(ctx context.Context) error {
	c, err := s.join(ctx, calling, s.centre)
	if err != nil {
		return err
	}
	defer closeSession(c)
	select {
	case <-ctx.Done():
		return nil
	case <-s.arrived:
	}
	targets := []float64{24, 19, 22}
	for i := 0; ; {
		pause := time.Second // after a failure: the uplink may not have registered the procedure yet
		if s.call(ctx, c, targets[i%len(targets)]) {
			i++
			pause = 5 * time.Second
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// call reports whether the call was answered.
func (s *stage) call(ctx context.Context, c *client.Client, target float64) bool {
	s.say(calling, "calls %s %g", setPoint, target)
	result, err := c.Call(ctx, setPoint, client.CallOptions{Timeout: 5 * time.Second}, client.Args(target))
	if err != nil {
		s.say(calling, "got an error: %v", err)
		return false
	}
	text, err := term.PlainText(result.Args(), result.Kwargs())
	if err != nil {
		text = err.Error()
	}
	s.happened(calling, "got the answer %s, from the sensor through both routers", text)
	return true
}

// closeSession closes a session in good order, within some seconds.
func closeSession(c *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.Close(ctx)
}
