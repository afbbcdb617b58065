package nats_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/memory"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/spool"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// site is a router with a link to NATS servers.
type site struct {
	t      *testing.T
	name   string
	router *edge.Router
	served sync.WaitGroup
	link   *nats.Link
	spool  *spool.Spool
	stop   context.CancelFunc
	ended  chan struct{}
}

// newSite starts a router and its link. The spool is on disk.
func newSite(t *testing.T, name string, opts nats.Options, servers ...*kit.NATS) *site {
	t.Helper()
	s := &site{t: t, name: name, router: edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler), Node: name})}
	all := auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}).WithForward()
	kit.Must(t, s.router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "all", Roles: []*auth.Role{all}, State: t.TempDir()}))
	if s.spool = opts.Spool; s.spool == nil {
		s.openSpool()
		opts.Spool = s.spool
	}
	s.start(opts, servers...)
	t.Cleanup(s.close)
	return s
}

// openSpool opens a spool on disk.
func (s *site) openSpool() {
	s.t.Helper()
	var err error
	s.spool, err = spool.Open(spool.Options{Dir: s.t.TempDir(), Sync: time.Millisecond, RetryFirst: 50 * time.Millisecond, RetryLast: 200 * time.Millisecond})
	kit.Must(s.t, err)
}

// start makes a link and runs it.
func (s *site) start(opts nats.Options, servers ...*kit.NATS) {
	s.t.Helper()
	opts.Name, opts.Realm, opts.Local, opts.Node = "cluster", "realm1", s.dial, s.name+"/cluster"
	opts.Reconnect = client.Reconnect{Min: time.Millisecond, Max: 50 * time.Millisecond}
	opts.AnswerTime = cmp.Or(opts.AnswerTime, 2*time.Second)
	opts.Log = slog.New(slog.NewTextHandler(s.t.Output(), nil)).With("site", s.name)
	for _, server := range servers {
		opts.Servers = append(opts.Servers, nats.Server{URL: "nats://" + server.Address, Dial: s.serverDial(server)})
	}
	link, err := nats.New(opts)
	kit.Must(s.t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	s.link, s.stop, s.ended = link, stop, ended
	go func() {
		defer close(ended)
		link.Run(ctx)
	}()
	select {
	case <-link.Ready():
	case <-time.After(kit.Patience):
		s.t.Fatal("the link is not ready")
	}
}

// serverDial returns a function that connects a link to a server.
func (s *site) serverDial(server *kit.NATS) func(ctx context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", server.Address)
	}
}

func (s *site) close() {
	s.stop()
	select {
	case <-s.ended:
	case <-time.After(kit.Patience):
		s.t.Error("the link does not end")
	}
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	s.router.Close(ctx)
	s.served.Wait()
}

// dial connects the link or a program to the router.
func (s *site) dial(context.Context) (client.Conn, error) {
	near, far := memory.Internal(memory.Options{Authid: "link", Role: "all", Realm: "realm1"})
	s.served.Go(func() { s.router.Serve(far) })
	return near, nil
}

// program joins the realm.
func (s *site) program() *client.Client {
	s.t.Helper()
	return program.Join(s.t, "the router", client.Options{Dial: s.dial})
}

// received collects the events below com. as "topic arguments keyword arguments".
func (s *site) received() chan string {
	s.t.Helper()
	heard := make(chan string, 10_000)
	_, err := s.program().Subscribe(context.Background(), "com.", client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) {
		kit.Send(s.t, heard, fmt.Sprint(e.Topic(), " ", e.Args(), " ", e.Kwargs()))
	})
	kit.Must(s.t, err)
	return heard
}

// await waits until the link's state meets a condition.
func (s *site) await(what string, is func(uplink.State) bool) {
	s.t.Helper()
	kit.Eventually(s.t, what, func() bool { return is(s.link.State()) }, func() string { return fmt.Sprintf("%+v", s.link.State()) })
}

func isUp(s uplink.State) bool      { return s.Up }
func isDrained(s uplink.State) bool { return s.Up && s.Queue.Events == 0 }

// say publishes and waits until the local router has it.
func say(t *testing.T, c *client.Client, topic string, args ...any) {
	t.Helper()
	kit.Must(t, c.Publish(context.Background(), topic, client.PublishOptions{Acknowledge: true}, client.Args(args...)))
}

// expect takes the next events.
func expect(t *testing.T, heard <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := kit.Receive(t, w, heard); got != w {
			t.Fatalf("heard %q; expected %q", got, w)
		}
	}
}

// plain is a program that speaks NATS.
type plain struct {
	*conn.Conn
	js    *jetstream.JetStream
	heard chan string // messages below com., as "subject payload"
	all   *conn.Sub   // the subscription to these
}

// newPlain connects to a server and subscribes.
func newPlain(t *testing.T, server *kit.NATS) *plain {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	raw, err := net.Dial("tcp", server.Address)
	kit.Must(t, err)
	c, err := conn.Open(ctx, raw, conn.Options{})
	kit.Must(t, err)
	kit.Background(t, func() { c.Run(context.Background()) }, c.Close)
	p := &plain{c, jetstream.New(c, jetstream.Options{}), make(chan string, 10_000), nil}
	p.all, err = c.Subscribe("com.>", "", func(m *conn.Msg) { kit.Send(t, p.heard, string(m.Subject)+" "+string(m.Data)) })
	kit.Must(t, err)
	kit.Must(t, c.Flush(ctx))
	return p
}

func (p *plain) publish(t *testing.T, subject, data string) {
	t.Helper()
	kit.Must(t, p.Publish(conn.Out{Subject: subject, Data: []byte(data)}))
}

// subscribed waits until the sites have subscribed to a prefix at the server.
func (p *plain) subscribed(t *testing.T, prefix string, sites ...chan string) {
	t.Helper()
	for _, heard := range sites {
		kit.Eventually(t, "subscription to "+prefix, func() bool {
			p.publish(t, prefix+"probe", "")
			select {
			case <-heard:
				return true
			default:
				return false
			}
		})
	}
	p.publish(t, prefix+"ready", "")
	for _, heard := range sites {
		for kit.Receive(t, prefix+"ready", heard) != prefix+"ready [] map[]" {
		}
	}
}

// stored returns the messages of a stream.
func (p *plain) stored(t *testing.T, stream string) (n uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	info, err := p.js.Stream(ctx, stream)
	if err != nil {
		return 0
	}
	return info.State.Messages
}

// expectStored reads a stream and checks that it has exactly these messages. Plain subscribers may get repetitions.
func (p *plain) expectStored(t *testing.T, stream string, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	kit.Eventually(t, "messages in the stream", func() bool { return p.stored(t, stream) >= uint64(len(want)) })
	reader, err := p.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{Deliver: "all"})
	kit.Must(t, err)
	heard, ended := make(chan string, len(want)+10), make(chan struct{})
	go func() {
		defer close(ended)
		reader.Pull(ctx, jetstream.PullOptions{}, func(m *conn.Msg) {
			p.js.Ack(string(m.Reply))
			select {
			case heard <- string(m.Subject) + " " + string(m.Data):
			case <-ctx.Done():
			}
		})
	}()
	expect(t, heard, want...)
	cancel()
	<-ended
	if n := p.stored(t, stream); n != uint64(len(want)) {
		t.Errorf("the stream has %d messages; expected %d", n, len(want))
	}
}

// consumers returns the number of consumers of a stream.
func (p *plain) consumers(t *testing.T, stream string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	m, err := p.Request(ctx, conn.Out{Subject: "$JS.API.CONSUMER.NAMES." + stream})
	kit.Must(t, err)
	return strings.Count(string(m.Data), `"runnel-`)
}

const withJetStream = "jetstream: enabled\n"

func topics(uri string, class spool.Class) nats.Rule {
	return nats.Rule{Rule: uplink.Rule{Topic: uri, Match: wamp.Prefix, Store: class}}
}

func count(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, strings.Replace(prefix, "#", fmt.Sprint(i), 1))
	}
	return list
}
