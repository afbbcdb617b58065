package node

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/member"
	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/budget"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/transport/guest/mqtt"
	"runnel/transport/memory"
	"runnel/uplink"
)

// Options are what a node needs besides its configuration. Log is required.
type Options struct {
	Log     *slog.Logger
	Version string // of the program

	Load   func() (*config.Config, error) // reads the configuration again, for a reload; nil if there is no file
	File   string                         // the main file; centres may send files for the conf.d beside it
	SetLog func(config.Log)               // applies the [log] table after a reload; may be nil

	Restored *fleet.Applied // the outcome of a file that the start has rolled back; may be nil

	Degrade bool // start without the parts that fail, and retry them, as long as one listener opens

	// Reloading is called when a reload begins. The function that it returns is called when the reload has ended.
	// Reloading may be nil.
	Reloading func() (done func(changes []string, err error))
}

// Node is a router with all other parts of its configuration.
type Node struct {
	// Static after New.
	opts    Options
	log     *slog.Logger
	began   time.Time
	router  *edge.Router
	cookies *auth.Cookies
	mqtt    *mqtt.Broker    // of the MQTT listeners
	data    *os.File        // holds the lock of the data directory; nil without a directory
	fleet   *fleet.Registry // of the nodes enrolled here
	files   *member.Files   // that centres send
	doctor  *examiner
	memory  *budget.Budget // shared by buffers and tables; nil if the machine's memory is not known
	process int64          // memory in bytes that the process may use; 0: not known

	descriptors *transport.Descriptors

	notKept atomic.Bool // the configuration could not be saved, and this is logged

	reloading sync.Mutex // held while a configuration is read and applied, so that an earlier one never overwrites a later one

	changing sync.Mutex // held while parts are started and stopped
	// Guarded by changing.
	running                      bool
	exporter                     *exporter // nil without metrics
	reporting, listening, linked *group    // the running parts; nil before Run

	mu sync.Mutex
	// Guarded by mu; written with changing held as well.
	config    *config.Config // the running parts
	missing   []missing      // the parts that do not run
	reporters []*reporter
	listeners []*listener
	lines     []*line
	uplinks   []*link
	hooks     []*hook
}

// New builds the parts and opens the listeners. Connections are accepted once Run is called; a Node that is not run keeps
// its sockets and spools until the process ends.
func New(c *config.Config, o Options) (*Node, error) {
	data, err := claimData(c, o.Log)
	if err != nil {
		return nil, err
	}
	c.Installation = readInstallation(c, o.Log)
	n, err := build(c, o)
	if err != nil {
		data.Close()
		return nil, err
	}
	n.data = data
	return n, nil
}

func build(c *config.Config, o Options) (*Node, error) {
	running := *c // without the parts that are left out
	n := &Node{opts: o, config: &running, log: o.Log, began: time.Now(), process: processMemory(), descriptors: newDescriptors()}
	n.fleet = fleet.Open(config.DataDir(c), n.log)
	n.files, n.doctor = n.newFiles(), newExaminer(n.examine)
	n.memory = n.newBudget(c)
	opts := n.routerOptions(c)
	opts.Memory = n.memory
	opts.Cookies = auth.OpenCookies(config.CookieFile(c), n.log)
	n.cookies, n.router = opts.Cookies, edge.NewRouter(opts)
	n.mqtt = n.newBroker(c)
	for _, step := range []func(*config.Config) error{n.buildRealms, n.openListeners, n.openMetrics, n.buildLines, n.openUplinks, n.openWebhooks} {
		if err := step(c); err != nil {
			n.closeSockets()
			return nil, err
		}
	}
	return n, nil
}

func (n *Node) buildRealms(c *config.Config) error {
	for _, r := range c.Realms {
		if err := n.addRealm(c, r); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) buildLines(c *config.Config) error {
	for _, s := range c.Serials {
		l, err := n.newLine(s)
		if err != nil {
			return err
		}
		n.lines = append(n.lines, l)
	}
	return nil
}

func (n *Node) closeSockets() {
	for _, l := range n.listeners {
		l.Close()
	}
	if n.exporter != nil {
		n.exporter.socket.Close()
	}
}

func (n *Node) routerOptions(c *config.Config) edge.Options {
	return edge.Options{
		Log:              n.log,
		Agent:            n.agent(),
		Node:             c.RouterID(),
		Identity:         identity(c),
		Reports:          []string{uplink.GapTopic},
		HelloTimeout:     time.Duration(c.Limits.HelloTimeout),
		AskTimeout:       time.Duration(c.Limits.AskTimeout),
		MaxSessions:      c.Limits.MaxSessions,
		MaxSubscriptions: c.Limits.MaxSubscriptions,
		MaxRegistrations: c.Limits.MaxRegistrations,
		MaxCalls:         c.Limits.MaxCalls,
		MaxRetained:      int(c.Limits.MaxRetained),
		OutboxBytes:      int(c.Limits.Outbox),
	}
}

// agent is the name and version that the node gives in HELLO and WELCOME.
func (n *Node) agent() string { return "runnel/" + n.opts.Version }

// maxCall is the longest message in bytes that the router's own procedures accept. This process decodes their
// arguments, which takes many times their length.
const maxCall = 16 << 10

// internal returns a function that connects an internal session, which has one of the router's own roles.
func (n *Node) internal(role, realm string) func(context.Context) (client.Conn, error) {
	opts := memory.Options{Name: role, Authid: role, Role: role, Realm: realm}
	switch role {
	case config.StatusRole:
		opts.Limit = maxCall
	case config.FleetRole:
		opts.Limit = fleet.MostAnswer
	}
	return func(context.Context) (client.Conn, error) {
		near, far := memory.Internal(opts)
		go n.router.Serve(far)
		return near, nil
	}
}

const (
	// drainTime bounds the end of a run: GOODBYE to every session, and the messages that wait for it.
	drainTime = 5 * time.Second

	// goodbyeTime is how long the uplinks wait for the other sessions to end.
	goodbyeTime = time.Second
)

// Run serves until ctx is done or a part fails. It calls ready once the node accepts connections. At the end it accepts no
// new session, sends GOODBYE to every session and writes the messages that wait. The uplinks leave last, so that they store
// what the other sessions published.
func (n *Node) Run(ctx context.Context, ready func()) error {
	serving, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	n.start(fail)
	ready()
	<-serving.Done()
	n.changing.Lock() // a reload in progress is completed first
	n.running = false
	n.changing.Unlock()
	n.log.Info("stopping")
	n.listening.stop()
	n.closeSessions()
	n.linked.close()
	n.reporting.close()
	err := n.closeRouter()
	n.listening.close()
	n.data.Close()
	if ctx.Err() == nil {
		return context.Cause(serving) // a part has failed
	}
	return err
}

func (n *Node) start(fail func(error)) {
	n.changing.Lock()
	defer n.changing.Unlock()
	n.reporting, n.listening, n.linked = newGroup(fail), newGroup(fail), newGroup(fail)
	n.running = true
	n.reporting.start(n.cookies.Run)
	n.reporting.start(n.fleet.Run)
	n.reporting.start(n.files.Run)
	n.reporting.start(n.watchCertificates)
	n.reporting.start(n.retryMissing)
	if n.exporter != nil {
		n.startExporter()
	}
	for _, r := range n.reporters {
		n.startReporter(r)
	}
	for _, l := range n.uplinks {
		n.startLink(l)
	}
	n.awaitReady(n.uplinks)
	for _, l := range n.listeners {
		n.startListener(l)
	}
	for _, l := range n.lines {
		n.startLine(l)
	}
	for _, h := range n.hooks {
		n.startHook(h)
	}
}

// closeSessions accepts no new session, sends GOODBYE to all but the router's own, and waits for their end, at most
// goodbyeTime. An event published after the uplinks have left would be acknowledged but not stored.
func (n *Node) closeSessions() {
	n.mqtt.Close()
	n.router.Refuse()
	for end := time.Now().Add(goodbyeTime); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		left := 0
		n.router.CloseSessions(func(t *wamp.Transport) bool {
			if t.Internal {
				return false
			}
			left++
			return true
		}, wamp.CloseShutdown, "")
		if left == 0 {
			return
		}
	}
}

// closeRouter sends GOODBYE to the remaining sessions. Sessions that do not answer in time are cut; that is not an
// error.
func (n *Node) closeRouter() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := n.router.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	n.log.Warn("sessions cut: no GOODBYE in time", "duration", drainTime)
	return nil
}
