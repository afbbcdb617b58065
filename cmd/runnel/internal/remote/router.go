package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
)

// loopbackURL is where a router listens by default, besides its Unix socket.
const loopbackURL = "tcp://127.0.0.1:8080"

// Router is the router to which a command connects, and the command's identity there. Its fields are the flags that
// Flags adds.
type Router struct {
	URL, Realm, Serializer string // an empty URL stands for the router of this machine
	authid, ticket, secret string
	key, ca                string
	certificate, certKey   string
	binding                string
	version                string // of this program, for the agent
	node                   string // a node that is linked to the router and answers instead of it
}

// NodeFlag adds the flag --node, which sends a command to a node that is linked to the router.
func (r *Router) NodeFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.node, "node", "", "ask the node `ID`, which links to this router and has remote = true there")
}

// Node returns the value of the flag --node.
func (r *Router) Node() string { return r.node }

// CallNode calls a command at a node, through the centre to which c is connected.
func CallNode(ctx context.Context, c *client.Client, node, command string, p client.Payload) (*client.Result, error) {
	result, err := c.Call(ctx, nodePrefix+node+"."+command, client.CallOptions{}, p)
	if errors.Is(err, wamp.InvalidURI) { // of a strict realm
		result, err = c.Call(ctx, nodePrefix+wamp.Component(node)+"."+command, client.CallOptions{}, p)
	}
	return result, err
}

// call calls one of the router's own procedures: there, or at the node.
func (r *Router) call(ctx context.Context, c *client.Client, procedure string, p client.Payload) (*client.Result, error) {
	if r.node == "" {
		return c.Call(ctx, procedure, client.CallOptions{}, p)
	}
	return CallNode(ctx, c, r.node, strings.TrimPrefix(procedure, ownPrefix), p)
}

const (
	ownPrefix  = "runnel."
	nodePrefix = "runnel.node."
)

// asked returns the procedure to call: the router's own, or that of the node.
func (r *Router) asked(procedure string) string {
	if r.node == "" {
		return procedure
	}
	return nodePrefix + r.node + "." + strings.TrimPrefix(procedure, ownPrefix)
}

// Flags adds the flags to a command. version is that of the program.
func (r *Router) Flags(cmd *cobra.Command, version string) {
	r.version = version
	f := cmd.Flags()
	f.StringVar(&r.URL, "url", "", "router's `URL`: tcp:// tls:// unix:// ws:// wss:// serial:// (default: unix://"+config.SystemSocket+" if it is there, else the same below $XDG_RUNTIME_DIR, else "+loopbackURL+")")
	f.StringVar(&r.Realm, "realm", "realm1", "`NAME` of the realm")
	f.StringVar(&r.Serializer, "serializer", "cbor", "cbor, msgpack or json")
	f.StringVar(&r.authid, "authid", "", "`NAME` to authenticate as")
	f.StringVar(&r.ticket, "ticket", "", "`SECRET` for the method ticket (a literal, file:PATH or env:NAME)")
	f.StringVar(&r.secret, "secret", "", "`SECRET` for the methods wamp-scram and wampcra (as for --ticket)")
	f.StringVar(&r.key, "key", "", "`FILE` with an Ed25519 key, for the method cryptosign")
	f.StringVar(&r.binding, "channel-binding", "", "bind --key or --secret to the TLS connection: "+config.OneOf(config.Bindings...))
	f.StringVar(&r.certificate, "certificate", "", "`FILE` with a certificate to show a tls:// or wss:// router")
	f.StringVar(&r.certKey, "certkey", "", "`FILE` with the certificate's key (default: it is in the same file)")
	f.StringVar(&r.ca, "ca", "", "`FILE` with the authorities that sign the certificate of a tls:// or wss:// router")
}

// sockets lists the Unix sockets of the usual routers: the service, and a router of this user.
func sockets() []string {
	list := []string{config.SystemSocket}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		list = append(list, filepath.Join(dir, "runnel", filepath.Base(config.SystemSocket)))
	}
	return list
}

// Address returns the URL to connect to.
func (r *Router) Address() string {
	if r.URL != "" {
		return r.URL
	}
	return cmp.Or(existingSocket(), loopbackURL)
}

// existingSocket returns the URL of the first of sockets that exists; "" if none does.
func existingSocket() string {
	for _, socket := range sockets() {
		if _, err := os.Stat(socket); err == nil {
			return "unix://" + socket
		}
	}
	return ""
}

// Options returns the options of a client. An error of a flag is a cli.UsageError.
func (r *Router) Options() (client.Options, error) {
	serializer, ok := wamp.ParseSerializer(r.Serializer)
	if !ok {
		return client.Options{}, cli.UsageError(fmt.Sprintf("--serializer %q: use cbor, msgpack or json", r.Serializer))
	}
	auth, err := config.AuthMethods(r.authid, config.NewSecret(r.ticket), config.NewSecret(r.secret), config.Path(r.key))
	if err != nil {
		return client.Options{}, err
	}
	if r.binding != "" {
		if auth = client.Bind(r.binding, auth...); len(auth) == 0 || !slices.Contains(config.Bindings, r.binding) {
			return client.Options{}, cli.UsageError("--channel-binding takes " + config.OneOf(config.Bindings...) + ", and is for --key and --secret")
		}
	}
	if len(auth) == 0 && r.authid != "" && r.certificate == "" && !strings.HasPrefix(r.Address(), "unix:") {
		return client.Options{}, cli.UsageError(fmt.Sprintf("--authid %s: the proof is missing; add --ticket, --secret, --key or --certificate", r.authid))
	}
	if err := checkURL(r.Address()); err != nil {
		return client.Options{}, err
	}
	dial, err := dialer(r.Address(), tlsFiles{ca: config.Path(r.ca), certificate: config.Path(r.certificate), key: config.Path(cmp.Or(r.certKey, r.certificate))}, transport.DialOptions{Serializer: serializer})
	if err != nil {
		return client.Options{}, err
	}
	return client.Options{
		Dial:   dial,
		Realm:  r.Realm,
		Authid: r.authid,
		Auth:   auth,
		Agent:  "runnel/" + r.version,
		Brief:  true,
		Log:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}, nil
}

// Connect joins the realm for a single request. The session does not reconnect.
func (r *Router) Connect(ctx context.Context) (*client.Client, error) {
	opts, err := r.Options()
	if err != nil {
		return nil, err
	}
	opts.Reconnect.Disabled = true
	return r.connect(ctx, opts)
}

// ConnectLasting joins the realm for as long as the command runs. The client logs a lost connection; ConnectLasting reports
// when it is back.
func (r *Router) ConnectLasting(ctx context.Context, opts client.Options) (*client.Client, error) {
	first := true
	opts.OnUp = func(client.Welcome) {
		if !first {
			fmt.Fprintln(os.Stderr, "runnel: connected again")
		}
		first = false
	}
	return r.connect(ctx, opts)
}

func (r *Router) connect(ctx context.Context, opts client.Options) (*client.Client, error) {
	c, err := client.Connect(ctx, opts)
	if dial := (*transport.DialError)(nil); errors.As(err, &dial) {
		err = dial.Err // the messages below name the URL
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(r.Address(), "unix:") {
		return nil, fmt.Errorf("connect to %s: %w; is there a router? \"runnel run\" starts one, --url says where another is", r.Address(), err)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w%s", r.Address(), err, socketHint(r.Address(), err))
	}
	return c, nil
}

// routerSchemes are the schemes of URLs of routers.
var routerSchemes = []string{"tcp", "tls", "unix", "ws", "wss", "serial"}

// checkURL returns an error for a URL at which no router can be reached.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return cli.UsageError(fmt.Sprintf("--url %q is not a URL", text))
	}
	if !slices.Contains(routerSchemes, u.Scheme) {
		return cli.UsageError(fmt.Sprintf("--url %q: use tcp://HOST:PORT, tls://, ws://, wss://, unix:///PATH or serial:///DEVICE", text))
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return cli.UsageError(fmt.Sprintf("--url %q: port %s is not in 1 to 65535", text, port))
		}
	}
	return nil
}

// goodbyeTime is how long a command waits for the router's GOODBYE, and for its own last writes.
const goodbyeTime = 5 * time.Second

// Close closes a session with GOODBYE. By then, everything that was sent has arrived.
func Close(c *client.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	return c.Close(ctx)
}

// tlsFiles names the files that a TLS connection needs besides the system's certificates.
type tlsFiles struct {
	ca, certificate, key config.Path
}

// dialer returns a function that connects to the router at url.
func dialer(url string, files tlsFiles, opts transport.DialOptions) (func(context.Context) (client.Conn, error), error) {
	var err error
	if opts.TLS, err = transport.ClientFiles(string(files.ca), string(files.certificate), string(files.key)); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (client.Conn, error) { return transport.Dial(ctx, url, opts) }, nil
}
