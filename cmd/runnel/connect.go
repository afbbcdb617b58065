package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
)

// Where the tools look for a router.
const (
	loopbackURL = "tcp://127.0.0.1:8080"
)

// peer is what the flags of sub, pub, call, reg and status say: which router, and who asks.
type peer struct {
	url, realm, serializer string
	authid, ticket, secret string
	key, ca                string
	certificate, certKey   string
	binding                string
}

// flags adds the flags to a command.
func (p *peer) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.url, "url", "", "router's `URL`: tcp:// tls:// unix:// ws:// wss:// serial:// (default: unix://"+config.SystemSocket+" if it is there, else the same below $XDG_RUNTIME_DIR, else "+loopbackURL+")")
	f.StringVar(&p.realm, "realm", "realm1", "`NAME` of the realm")
	f.StringVar(&p.serializer, "serializer", "cbor", "cbor, msgpack or json")
	f.StringVar(&p.authid, "authid", "", "`NAME` to authenticate as")
	f.StringVar(&p.ticket, "ticket", "", "`SECRET` for the method ticket (a literal, file:PATH or env:NAME)")
	f.StringVar(&p.secret, "secret", "", "`SECRET` for the methods wamp-scram and wampcra (likewise)")
	f.StringVar(&p.key, "key", "", "`FILE` with an Ed25519 key, for the method cryptosign")
	f.StringVar(&p.binding, "channel-binding", "", "bind --key or --secret to the TLS connection: "+config.OneOf(config.Bindings...))
	f.StringVar(&p.certificate, "certificate", "", "`FILE` with a certificate to show a tls:// or wss:// router")
	f.StringVar(&p.certKey, "certkey", "", "`FILE` with the certificate's key (default: it is in the same file)")
	f.StringVar(&p.ca, "ca", "", "`FILE` with the certificates that a tls:// or wss:// router's must be signed by")
}

// sockets lists where a router's Unix socket may be: that of the service, and that of a router of this user's own.
func sockets() []string {
	list := []string{config.SystemSocket}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		list = append(list, filepath.Join(dir, "runnel", filepath.Base(config.SystemSocket)))
	}
	return list
}

// routerURL is where to connect.
func (p *peer) routerURL() string {
	if p.url != "" {
		return p.url
	}
	for _, socket := range sockets() {
		if _, err := os.Stat(socket); err == nil {
			return "unix://" + socket
		}
	}
	return loopbackURL
}

// options makes a client's options of the flags.
func (p *peer) options() (client.Options, error) {
	serializer, ok := wamp.ParseSerializer(p.serializer)
	if !ok {
		return client.Options{}, usageError(fmt.Sprintf("--serializer %q: use cbor, msgpack or json", p.serializer))
	}
	auth, err := config.AuthMethods(p.authid, config.NewSecret(p.ticket), config.NewSecret(p.secret), config.Path(p.key))
	if err != nil {
		return client.Options{}, err
	}
	if p.binding != "" {
		if auth = client.Bind(p.binding, auth...); len(auth) == 0 || !slices.Contains(config.Bindings, p.binding) {
			return client.Options{}, usageError("--channel-binding takes " + config.OneOf(config.Bindings...) + ", and is for --key and --secret")
		}
	}
	if len(auth) == 0 && p.authid != "" && p.certificate == "" && !strings.HasPrefix(p.routerURL(), "unix:") {
		return client.Options{}, usageError(fmt.Sprintf("--authid %s: the proof is missing; add --ticket, --secret, --key or --certificate", p.authid))
	}
	if err := checkURL(p.routerURL()); err != nil {
		return client.Options{}, err
	}
	dial, err := dialer(p.routerURL(), tlsFiles{ca: config.Path(p.ca), certificate: config.Path(p.certificate), key: config.Path(cmp.Or(p.certKey, p.certificate))}, transport.DialOptions{Serializer: serializer})
	if err != nil {
		return client.Options{}, err
	}
	return client.Options{
		Dial:   dial,
		Realm:  p.realm,
		Authid: p.authid,
		Auth:   auth,
		Agent:  "runnel/" + version,
		Brief:  true,
		Log:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}, nil
}

// once connects for a single request.
func (p *peer) once(ctx context.Context) (*client.Client, error) {
	opts, err := p.options()
	if err != nil {
		return nil, err
	}
	opts.Reconnect.Disabled = true
	return p.connect(ctx, opts)
}

// stay connects for as long as the command runs. The client logs when the router goes; this tells when it comes back.
func (p *peer) stay(ctx context.Context, opts client.Options) (*client.Client, error) {
	first := true
	opts.OnUp = func(client.Welcome) {
		if !first {
			fmt.Fprintln(os.Stderr, "runnel: connected again")
		}
		first = false
	}
	return p.connect(ctx, opts)
}

func (p *peer) connect(ctx context.Context, opts client.Options) (*client.Client, error) {
	c, err := client.Connect(ctx, opts)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(p.routerURL(), "unix:") {
		return nil, fmt.Errorf("connect to %s: %w; is there a router? \"runnel run\" starts one, --url says where another is", p.routerURL(), err)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w%s", p.routerURL(), err, socketHint(p.routerURL(), err))
	}
	return c, nil
}

// routerSchemes are the ways to a router.
var routerSchemes = []string{"tcp", "tls", "unix", "ws", "wss", "serial"}

// checkURL finds what no router can be reached by.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return usageError(fmt.Sprintf("--url %q is not a URL", text))
	}
	if !slices.Contains(routerSchemes, u.Scheme) {
		return usageError(fmt.Sprintf("--url %q: use tcp://HOST:PORT, tls://, ws://, wss://, unix:///PATH or serial:///DEVICE", text))
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return usageError(fmt.Sprintf("--url %q: port %s is not in 1 to 65535", text, port))
		}
	}
	return nil
}

// goodbyeTime is how long a command waits for the router's GOODBYE, and for what it has still to write.
const goodbyeTime = 5 * time.Second

// leave closes a session in good order: whatever was sent has then arrived.
func leave(c *client.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	return c.Close(ctx)
}

// untilSignal returns a context that ends with Ctrl-C or SIGTERM, and after timeout if there is one.
func untilSignal(timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if timeout <= 0 {
		return ctx, stop
	}
	timed, cancel := context.WithTimeoutCause(ctx, timeout, errTimedOut)
	return timed, func() { cancel(); stop() }
}

// ending says with which error a command ends whose context is done: none after Ctrl-C.
func ending(ctx context.Context) error {
	if context.Cause(ctx) == errTimedOut {
		return errTimedOut
	}
	return nil
}

// tlsFiles names what a TLS connection needs besides the system's own certificates.
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
