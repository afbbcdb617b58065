package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
)

// gateway is a runnel with an uplink to a broker.
type gateway struct {
	*program.Process
	t    *testing.T
	file string
	url  string // of its listener
}

const openRealm = `
version = 1
[node]
id = "gw"
data = %q
` + kit.OpenRealm + `
[[listen]]
url = "tcp://127.0.0.1:0"
[[uplink]]
name = "broker"
reconnect_min = "20ms"
reconnect_max = "200ms"
`

// newGateway starts a runnel. The text is added to the table of its uplink.
func newGateway(t *testing.T, uplink string) *gateway {
	t.Helper()
	dir := t.TempDir()
	g := &gateway{t: t, file: filepath.Join(dir, "runnel.toml")}
	write(t, g.file, fmt.Sprintf(openRealm, dir)+uplink)
	g.restart()
	return g
}

var listening = regexp.MustCompile(`msg=listening url=(\S+)`)

func (g *gateway) restart() {
	g.t.Helper()
	g.Process = start(g.t, executable.Command("run", "-c", g.file), listening.String())
	g.url = listening.FindStringSubmatch(g.Stderr.Text())[1]
}

// up waits until the link is up, for the n-th time of this run.
func (g *gateway) up(n int) {
	g.t.Helper()
	kit.Eventually(g.t, "the link", func() bool { return strings.Count(g.Stderr.Text(), `msg="link is up"`) >= n })
}

// join connects a program to the gateway's realm.
func (g *gateway) join() *client.Client {
	g.t.Helper()
	return program.Join(g.t, g.url, client.Options{Reconnect: client.Reconnect{Disabled: true}})
}

// say publishes and waits for PUBLISHED.
func say(t *testing.T, c *client.Client, topic string, o client.PublishOptions, p client.Payload) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	o.Acknowledge = true
	if err := c.Publish(ctx, topic, o, p); err != nil {
		t.Fatal(err)
	}
}

// listener collects the events of the realm, as "topic args kwargs retained".
type listener struct {
	mu   sync.Mutex
	list []string
}

func listen(t *testing.T, c *client.Client, topic string, o client.SubscribeOptions) *listener {
	t.Helper()
	l := &listener{}
	o.Match = wamp.Prefix
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	_, err := c.Subscribe(ctx, topic, o, func(e *client.Event) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list = append(l.list, fmt.Sprintf("%s %v %v %v", e.Topic(), e.Args(), e.Kwargs(), e.Retained()))
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *listener) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

func (l *listener) receives(t *testing.T, line string) {
	t.Helper()
	kit.Eventually(t, line, func() bool { return slices.Contains(l.lines(), line) })
}

// stream publishes 1, 2, 3 ... and records the acknowledged ones.
type stream struct {
	c     *client.Client
	topic string

	mu           sync.Mutex
	acknowledged []int
}

// publish publishes from first to last, as fast as it can. It ends early when the router goes away.
func (s *stream) publish(first, last int) (sent int) {
	for i := first; i <= last; i++ {
		err := s.c.Publish(context.Background(), s.topic, client.PublishOptions{Done: func(_ wamp.ID, err error) {
			if err == nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.acknowledged = append(s.acknowledged, i)
			}
		}}, client.Args(i))
		if err != nil {
			return i - 1
		}
	}
	return last
}

func (s *stream) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acknowledged)
}

// numbers returns the payloads of the lines that are numbers, each only the first time.
func numbers(lines []string) (list []int) {
	seen := map[int]bool{}
	for _, line := range lines {
		if n, err := strconv.Atoi(line[strings.LastIndexByte(line, '|')+1:]); err == nil && !seen[n] {
			seen[n] = true
			list = append(list, n)
		}
	}
	return list
}

// complete waits until all expected messages have arrived.
func complete(t *testing.T, want []int, lines func() []string) []int {
	t.Helper()
	var got []int
	end := time.Now().Add(2 * kit.Patience) // a cluster takes its time
	for {
		got = numbers(lines())
		has := map[int]bool{}
		for _, n := range got {
			has[n] = true
		}
		var missing []int
		for _, n := range want {
			if !has[n] {
				missing = append(missing, n)
			}
		}
		if len(missing) == 0 {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d are missing, the first is %d", len(missing), len(want), missing[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

// gate passes connections to a broker while it is open, so that a test decides when a gateway reconnects.
type gate struct {
	net.Listener
	work sync.WaitGroup

	mu sync.Mutex
	// Guarded by mu.
	to    string
	shut  bool
	conns map[net.Conn]bool
}

// newGate returns an open gate.
func newGate(t *testing.T, b *broker) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Listener: l, conns: map[net.Conn]bool{}}
	g.open(b)
	g.work.Go(g.accept)
	t.Cleanup(func() {
		l.Close()
		g.close()
		g.work.Wait()
	})
	return g
}

func (g *gate) url() string { return "mqtt://" + g.Addr().String() }

func (g *gate) accept() {
	for {
		near, err := g.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		to := g.address()
		far, err := net.Dial("tcp", to)
		if err != nil || !g.admit(to, near, far) {
			near.Close()
			if far != nil {
				far.Close()
			}
			continue
		}
		g.work.Go(func() { pump(near, far) })
		g.work.Go(func() { pump(far, near) })
	}
}

func pump(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	to.Close()
	from.Close()
}

// admit reports whether a connection to a broker may stay open: the gate may have been closed meanwhile, or opened to
// another broker.
func (g *gate) admit(to string, conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.conns[c] = true
	}
	return !g.shut && g.to == to
}

// close cuts all connections, and passes none until open.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for c := range g.conns {
		c.Close()
	}
	clear(g.conns)
}

// open passes connections to a broker.
func (g *gate) open(b *broker) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.to = false, fmt.Sprintf("127.0.0.1:%d", b.port)
}

func (g *gate) address() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.to
}
