// Package demo runs a whole deployment in one process: a sensor on a serial line, an edge router, a central router, an uplink
// between them, a program at the edge and two programs in the cloud. All connections are real.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/node"
	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
	"runnel/transport/serial/pty"
)

const demoMap = `
    edge                                            cloud
  ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~     ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~

   sensor ---serial line---> edge router ---uplink, TCP---> central router
                                  |                          |          |
                             Unix socket                    TCP        TCP
                                  |                          |          |
                            local program          cloud subscriber  cloud caller

  Events go from left to right: the sensor's reach the local program and the cloud.
  Calls go from right to left: the cloud caller's are answered by the sensor.
`

// The demo's topics and procedures. The uplink carries the URIs that begin with demoPrefix.
const (
	baud        = 115200
	demoPrefix  = "com.example."
	weather     = demoPrefix + "weather"
	setPoint    = demoPrefix + "greenhouse.set_point"
	demoRealm   = "realm1"
	sensorName  = "greenhouse-mcu"
	atEdge      = "edge router"
	atCentre    = "central router"
	local       = "local program"
	subscribing = "cloud subscriber"
	calling     = "cloud caller"
	sensing     = "sensor"
)

// realmConfig is the part that both configurations share. Its values are an id, because both have the same host name,
// and a directory.
const realmConfig = `
version = 1

[node]
id = "%s"
data = "%s"

[[realm]]
name = "realm1"
anonymous = "guest"

  [[realm.role]]
  name = "guest"

    [[realm.role.permission]]
    uri = "com.example."
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]

    [[realm.role.permission]]
    uri = "runnel.status"
    allow = ["call"]

  [[realm.role]]
  name = "sensor"

    [[realm.role.permission]]
    uri = "com.example."
    match = "prefix"
    allow = ["publish", "register"]

[[listen]]
url = "tcp://127.0.0.1:0"
`

// edgeConfig is the rest of the edge router's configuration. Its values are the directory, the central router's URL and the
// baud rate.
const edgeConfig = `
[[listen]]
url = "unix://%[1]s/edge.sock"

[[serial]]
name = "greenhouse"
device = "%[1]s/greenhouse"
baud = %[3]d
framing = "none"
authid = "greenhouse-mcu"
role = "sensor"

[[uplink]]
name = "central"
url = ["%[2]s"]

  [[uplink.export]]
  topic = "com.example."
  match = "prefix"

  [[uplink.export]]
  procedure = "com.example."
  match = "prefix"
`

// Run runs the deployment until ctx is done, and prints to out the events and calls that each part sees. If ctx ends
// by its deadline, the result is an error unless every part has seen something. version is the version of the
// program.
func Run(ctx context.Context, out io.Writer, version string) error {
	dir, err := os.MkdirTemp("", "runnel-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{out: out, dir: dir, version: version, began: time.Now(), seen: map[string]int{}, arrived: make(chan struct{})}
	if _, err := io.WriteString(out, demoMap+"\n"); err != nil {
		return err
	}
	playing, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	s.fail = fail
	s.level.Set(slog.LevelWarn)
	defer s.close()
	if err := s.build(playing); err != nil && ctx.Err() == nil {
		return err
	}
	<-playing.Done()
	switch {
	case ctx.Err() == nil:
		return context.Cause(playing) // a part has failed
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return s.verdict()
	}
	s.say("demo", "stopped; every session gets GOODBYE")
	return nil
}

// stage is the running demo.
type stage struct {
	out     io.Writer
	dir     string
	version string
	began   time.Time
	fail    func(error)
	level   slog.LevelVar // of the routers' logs

	// Static after build.
	parts        []part // in the order of their start
	edge, centre string // the routers' URLs

	sensor *pty.Device // build's, then dialSerial's

	mu   sync.Mutex
	seen map[string]int // the number of events and calls, by the part that saw them

	arrived chan struct{} // closed when the first event is in the cloud
}

// say prints one line: the time, the part and the text.
func (s *stage) say(who, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%6.1fs  %-17s %s\n", time.Since(s.began).Seconds(), who, fmt.Sprintf(format, args...))
	if _, err := io.WriteString(s.out, line); err != nil {
		s.fail(err)
	}
}

// happened prints a line and counts it for the verdict.
func (s *stage) happened(who, format string, args ...any) {
	s.say(who, format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[who]++; who == subscribing && s.seen[who] == 1 {
		close(s.arrived)
	}
}

// build starts everything, the centre first: its address is part of the edge's configuration.
func (s *stage) build(ctx context.Context) (err error) {
	centre, err := s.router(atCentre, fmt.Sprintf(realmConfig, "demo-centre", s.dir+"/centre"))
	if err != nil {
		return err
	}
	s.centre = centre.Listeners()[0].URL
	if s.sensor, err = pty.Plug(s.dir + "/greenhouse"); err != nil {
		return err
	}
	edge, err := s.router(atEdge, fmt.Sprintf(realmConfig, "demo-edge", s.dir+"/edge")+fmt.Sprintf(edgeConfig, s.dir, s.centre, baud))
	if err != nil {
		return err
	}
	s.edge = edge.Listeners()[0].URL
	s.hints()
	if err := s.awaitPort(ctx, edge); err != nil {
		return err
	}
	s.start(sensing, s.playSensor)
	s.start(local, s.playLocal)
	s.start(subscribing, s.playSubscriber)
	s.start(calling, s.playCaller)
	return nil
}

// close stops everything in reverse: the programs, the edge, the centre. The routers' logs are silent meanwhile.
func (s *stage) close() {
	s.level.Set(slog.LevelError + 1)
	for _, p := range slices.Backward(s.parts) {
		p.stop()
		<-p.done
	}
	if s.sensor != nil {
		s.sensor.Close()
	}
}

// router starts a router with the given configuration, as "runnel run" would.
func (s *stage) router(name, text string) (*node.Node, error) {
	c, err := config.Parse(name, text)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: &s.level})).With("router", name)
	n, err := node.New(c, node.Options{Log: log, Version: s.version})
	if err != nil {
		return nil, err
	}
	for _, l := range n.Listeners() {
		s.say(name, "listens at %s", l.URL)
	}
	s.start(name, func(ctx context.Context) error { return n.Run(ctx, func() {}) })
	return n, nil
}

// part is a router or a program that runs.
type part struct {
	stop context.CancelFunc
	done chan struct{} // closed when it has ended
}

// start runs a part. Its failure ends the demo.
func (s *stage) start(who string, run func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	p := part{stop, make(chan struct{})}
	s.parts = append(s.parts, p)
	go func() {
		defer close(p.done)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("%s: %w", who, err))
		}
	}()
}

// awaitPort waits until the router has opened the serial line. Earlier output of a device is lost.
func (s *stage) awaitPort(ctx context.Context, n *node.Node) error {
	for wait := time.NewTicker(10 * time.Millisecond); ; {
		line := n.Serial()[0]
		if line.State == string(serial.Listening) {
			s.say(atEdge, "has opened the serial line %s at %d baud", line.Device, baud)
			wait.Stop()
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wait.C:
		}
	}
}

func (s *stage) hints() {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, `
  Join in from another terminal:
    runnel sub com.example. --match prefix --url %[1]s     at the edge
    runnel sub com.example. --match prefix --url %[2]s     in the cloud
    runnel call %[3]s 26 --url %[2]s
    runnel status --url %[1]s

`, s.edge, s.centre, setPoint)
}

// verdict returns an error that names the parts without results.
func (s *stage) verdict() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var missing []string
	for _, who := range []string{sensing, local, subscribing, calling} {
		if s.seen[who] == 0 {
			missing = append(missing, who)
		}
	}
	if len(missing) > 0 {
		return errors.New("nothing arrived at: " + strings.Join(missing, ", "))
	}
	fmt.Fprintf(s.out, "\nDone: %s at the local program, %s in the cloud, %s from the cloud answered by the sensor.\n",
		term.Count(s.seen[local], "event"), term.Count(s.seen[subscribing], "event"), term.Count(s.seen[calling], "call"))
	return nil
}
