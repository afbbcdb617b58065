package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/transport/memory"
	"runnel/transport/rawsocket"
	"runnel/transport/serial"
	"runnel/uplink"
)

// node is a router with all that a configuration puts around it. This file is the one place that knows every concrete
// type:
//
//	build   realms, listeners, serial lines, uplinks: what can fail at once fails here
//	run     starts the parts in this order, waits for ctx, stops them in reverse
//	apply   turns the node that runs into that of another configuration, see change.go
type node struct {
	// Static after build.
	log    *slog.Logger
	began  time.Time
	router *edge.Router
	load   func() (*Config, error) // reads the configuration again; nil if there is nothing to read

	inside, doors, links *group // set by run, under changing

	changing sync.Mutex // held while parts come and go
	running  bool       // guarded by changing

	mu sync.Mutex
	// Guarded by mu; written with changing held as well.
	config    *Config
	reporters []*reporter
	listeners []*listener
	lines     []*line
	uplinks   []*link
}

// reporter answers runnel.status and runnel.reload in one realm.
type reporter struct {
	*client.Client
	realm string
	work  *work
}

// listener is a place where peers connect, with its settings.
type listener struct {
	*transport.Listener
	config Listen
	files  digest
	work   *work
}

// line is a serial line with the settings for those who come over it.
type line struct {
	*serial.Line
	config Serial
	work   *work
}

// link is an uplink with its settings.
type link struct {
	*uplink.Link
	config Uplink
	files  digest
	work   *work
}

// build makes the parts and opens the listeners; nobody is served before run.
func build(c *Config, log *slog.Logger) (*node, error) {
	n := &node{config: c, log: log, began: time.Now(), router: edge.NewRouter(routerOptions(c, log))}
	for _, r := range c.Realms {
		if err := n.addRealm(c, r); err != nil {
			return nil, err
		}
	}
	for _, l := range c.Listens {
		made, err := n.listen(c, l)
		if err != nil {
			n.closeListeners()
			return nil, err
		}
		if made != nil {
			n.listeners = append(n.listeners, made)
		}
	}
	for _, s := range c.Serials {
		n.lines = append(n.lines, n.newLine(c, s))
	}
	for _, u := range c.Uplinks {
		made, err := n.newLink(u)
		if err != nil {
			n.closeListeners()
			return nil, err
		}
		n.uplinks = append(n.uplinks, made)
	}
	return n, nil
}

func routerOptions(c *Config, log *slog.Logger) edge.Options {
	return edge.Options{
		Log:              log,
		Agent:            "runnel/" + version,
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

// The roles of the router's own sessions. No role of the configuration begins with "runnel.".
const (
	ownRoles   = "runnel."
	linkRole   = ownRoles + "uplink"
	statusRole = ownRoles + "status"
)

func (n *node) addRealm(c *Config, r Realm) error {
	opts, err := realmOptions(c, r)
	if err != nil {
		return err
	}
	if err := n.router.AddRealm(opts); err != nil {
		return err
	}
	n.reporters = append(n.reporters, &reporter{
		Client: client.New(client.Options{Dial: n.within(statusRole, r.Name), Realm: r.Name, Log: n.log}),
		realm:  r.Name,
	})
	return nil
}

func realmOptions(c *Config, r Realm) (edge.RealmOptions, error) {
	who, err := principals(r)
	return edge.RealmOptions{
		Name: r.Name, Strict: r.Strict, Anonymous: r.Anonymous, Roles: roles(r), Principals: who,
		Authenticators: r.Authenticators, History: histories(r), State: stateDir(c, r.Name),
	}, err
}

func roles(r Realm) []*auth.Role {
	list := []*auth.Role{
		auth.NewRole(linkRole, []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}),
		auth.NewRole(statusRole, []auth.Permission{{URI: statusProcedure, Allow: auth.Register}, {URI: reloadProcedure, Allow: auth.Register}}),
	}
	for _, role := range r.Roles {
		list = append(list, role.compile())
	}
	return list
}

func (role Role) compile() *auth.Role {
	compiled := auth.NewRole(role.Name, permissions(role))
	if role.Authorizer != "" {
		compiled = compiled.WithAuthorizer(role.Authorizer)
	}
	return compiled
}

// systemData is where data goes if the configuration doesn't say: as a service, or wherever somebody has made it.
const systemData = "/var/lib/runnel"

// stateDir is where a realm keeps its retained events and histories; "" is nowhere.
func stateDir(c *Config, realm string) string {
	data := string(c.Node.Data)
	if data == "" && unix.Access(systemData, unix.W_OK) == nil {
		data = systemData
	}
	if data == "" {
		return ""
	}
	return filepath.Join(data, "realm", url.PathEscape(realm))
}

func histories(r Realm) (list []edge.HistoryRule) {
	for _, h := range r.Histories {
		list = append(list, edge.HistoryRule{
			URI: h.URI, Match: wamp.Match(h.Match), Events: h.Events, Octets: int(h.MaxSize), Age: time.Duration(h.MaxAge),
		})
	}
	return list
}

func permissions(role Role) (list []auth.Permission) {
	for _, p := range role.Permissions {
		permission := auth.Permission{URI: p.URI, Match: wamp.Match(p.Match), Disclose: p.Disclose, Trust: p.Trust}
		for _, name := range p.Allow {
			action, _ := auth.ParseAction(name) // the configuration was checked
			permission.Allow |= action
		}
		list = append(list, permission)
	}
	return list
}

// within returns a function that connects a session of this process, under one of the router's own roles.
func (n *node) within(role, realm string) func(context.Context) (client.Conn, error) {
	return func(context.Context) (client.Conn, error) {
		near, far := memory.Pipe(memory.Options{Name: role, Authid: role, Role: role, Realm: realm})
		go n.router.Serve(far)
		return near, nil
	}
}

// listen opens a listener. It is nil where the default Unix socket has no place on this machine.
func (n *node) listen(c *Config, l Listen) (*listener, error) {
	url, err := listenURL(l.URL)
	if err != nil {
		n.log.Warn("no Unix socket", "because", err)
		return nil, nil
	}
	opts := transport.ListenOptions{
		Mode:         os.FileMode(l.Mode),
		Owner:        l.Owner,
		Group:        l.Group,
		Origins:      l.Origins,
		MaxConns:     l.MaxConnections,
		MaxMessage:   int(cmp.Or(l.MaxMessage, c.Limits.MaxMessage)),
		PingInterval: time.Duration(l.PingInterval),
		Grace:        drainTime,
		Authid:       l.Authid,
		Role:         l.Role,
		Realm:        l.Realm,
		Log:          n.log,
	}
	if l.Certificate != "" {
		if opts.TLS, err = transport.ServerFiles(string(l.Certificate), string(l.Key), string(l.ClientCA)); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", url, err)
		}
	}
	opened, err := transport.Listen(url, opts)
	if err != nil {
		return nil, err
	}
	l.MaxMessage = Size(opts.MaxMessage)
	return &listener{Listener: opened, config: l, files: l.files()}, nil
}

// listenURL resolves unix:// without a path: the service's socket where its directory belongs to this user, else one of
// the user's own.
func listenURL(url string) (string, error) {
	if url != "unix://" {
		return url, nil
	}
	if unix.Access(filepath.Dir(systemSocket), unix.W_OK) == nil {
		return "unix://" + systemSocket, nil
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return "", fmt.Errorf("%s can't be written to, and $XDG_RUNTIME_DIR is not set", filepath.Dir(systemSocket))
	}
	dir = filepath.Join(dir, "runnel")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return "unix://" + filepath.Join(dir, filepath.Base(systemSocket)), nil
}

func (n *node) newLine(c *Config, s Serial) *line {
	s.MaxMessage = cmp.Or(s.MaxMessage, c.Limits.MaxMessage)
	lc := serial.LineConfig{Name: s.Name, Port: s.port(), Log: n.log}
	lc.Framing.UnmarshalText([]byte(s.Framing)) // the configuration was checked
	return &line{Line: serial.NewLine(lc), config: s}
}

// port says which port the line is at, and how it is set. The configuration was checked.
func (s *Serial) port() serial.Config {
	c := serial.Config{Device: string(s.Device), Baud: s.Baud, DataBits: s.DataBits, StopBits: s.StopBits, Settle: time.Duration(s.Settle)}
	if s.USB != nil {
		c.USB = serial.USB{VID: s.USB.VID, PID: s.USB.PID, Serial: s.USB.Serial, Interface: s.USB.Interface}
	}
	c.Parity.UnmarshalText([]byte(cmp.Or(s.Parity, "none")))
	c.DTR.UnmarshalText([]byte(cmp.Or(s.DTR, "keep")))
	c.RTS.UnmarshalText([]byte(cmp.Or(s.RTS, "keep")))
	return c
}

// serve holds the session of a device: RawSocket over the line, bare or over the link.
func (l *line) serve(n *node, stream io.ReadWriteCloser) error {
	conn, err := rawsocket.Server(stream, rawsocket.Options{
		MaxMessage:   int(l.config.MaxMessage),
		PingInterval: cmp.Or(time.Duration(l.config.PingInterval), silence),
		Transport: wamp.Transport{
			Network: "serial", Listener: l.config.Name, Remote: l.State().Device, Local: true,
			Authid: l.config.Authid, Role: l.config.Role, Realm: l.config.Realm,
		},
	})
	if err != nil {
		return err
	}
	return n.router.Serve(conn)
}

func (n *node) newLink(u Uplink) (*link, error) {
	opts, err := n.uplinkOptions(u)
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", u.Name, err)
	}
	l, err := uplink.New(opts)
	if err != nil {
		return nil, err
	}
	return &link{Link: l, config: u, files: u.files()}, nil
}

func (n *node) uplinkOptions(u Uplink) (opts uplink.Options, err error) {
	opts = uplink.Options{
		Name: u.Name, Realm: u.Realm, RemoteRealm: u.RemoteRealm,
		Local:     n.within(linkRole, u.Realm),
		Export:    rules(u.Exports),
		Import:    rules(u.Imports),
		Authid:    u.Authid,
		Agent:     "runnel/" + version,
		Reconnect: client.Reconnect{Min: time.Duration(u.ReconnectMin), Max: time.Duration(u.ReconnectMax)},
		Log:       n.log,
	}
	files := tlsFiles{ca: u.CA, certificate: u.Certificate, key: u.Key}
	key := u.Key
	if u.Certificate != "" {
		key = "" // it is the certificate's
	}
	if opts.Auth, err = authMethods(u.Authid, u.Ticket, u.Secret, key); err != nil {
		return opts, err
	}
	serializer, _ := wamp.ParseSerializer(cmp.Or(u.Serializer, "cbor"))
	how := transport.DialOptions{Serializer: serializer, PingInterval: cmp.Or(time.Duration(u.PingInterval), silence)}
	for _, url := range u.URL {
		dial, err := dialer(url, files, how)
		if err != nil {
			return opts, err
		}
		opts.Remote = append(opts.Remote, uplink.Remote{URL: url, Dial: dial})
	}
	return opts, nil
}

// silence is how long a central router, or a device on a serial line, may say nothing before it is asked whether it is
// there: neither TCP nor a UART tells.
const silence = 20 * time.Second

func rules(shares []Share) (list []uplink.Rule) {
	for _, s := range shares {
		r := uplink.Rule{Match: wamp.Match(s.Match), LocalPrefix: s.LocalPrefix, RemotePrefix: s.RemotePrefix}
		if s.Topic != nil {
			r.Topic = *s.Topic
		} else {
			r.Procedure = *s.Procedure
		}
		list = append(list, r)
	}
	return list
}

func (n *node) closeListeners() {
	for _, l := range n.listeners {
		l.Close()
	}
}

// drainTime bounds the end of a run: GOODBYE to every session, and what is still to be written.
const drainTime = 5 * time.Second

// run serves until ctx is done or a part fails. Then it drains: nobody new is let in, the uplinks leave, the sessions get
// GOODBYE and what waits for them is written.
func (n *node) run(ctx context.Context, ready func()) error {
	serving, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	n.start(fail)
	ready()
	<-serving.Done()
	n.changing.Lock() // a change under way is carried out first
	n.running = false
	n.changing.Unlock()
	n.log.Info("stopping")
	n.links.end()
	n.doors.stop()
	n.inside.end()
	err := n.close()
	n.doors.end()
	if ctx.Err() == nil {
		return context.Cause(serving) // a part's failure
	}
	return err
}

func (n *node) start(fail func(error)) {
	n.changing.Lock()
	defer n.changing.Unlock()
	n.inside, n.doors, n.links = newGroup(fail), newGroup(fail), newGroup(fail)
	n.running = true
	for _, r := range n.reporters {
		n.runReporter(r)
	}
	for _, l := range n.listeners {
		n.runListener(l)
	}
	for _, l := range n.lines {
		n.runLine(l)
	}
	for _, u := range n.uplinks {
		n.runLink(u)
	}
}

func (n *node) runReporter(r *reporter) {
	r.work = n.inside.start(func(ctx context.Context) error { return n.report(ctx, r.Client) })
}

func (n *node) runListener(l *listener) {
	n.log.Info("listening", "url", l.URL())
	l.work = n.doors.start(func(ctx context.Context) error {
		return l.Run(ctx, func(c transport.Conn) { n.router.Serve(c) })
	})
}

func (n *node) runLine(l *line) {
	l.work = n.doors.start(func(ctx context.Context) error {
		return l.Run(ctx, func(s io.ReadWriteCloser) error { return l.serve(n, s) })
	})
}

func (n *node) runLink(u *link) { u.work = n.links.start(u.Run) }

// close says GOODBYE to all sessions. Those that do not take it in time are cut, which is no failure of the router's.
func (n *node) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := n.router.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	n.log.Warn("some sessions did not leave in time and were cut")
	return nil
}
