package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"runnel/transport"
	"runnel/transport/origin"
)

// Few programs read metrics, and they are quick.
const (
	maxScrapers = 16
	scrapeTime  = 10 * time.Second // for one request, and for its answer
	scrapeIdle  = 2 * time.Minute  // between two requests on one connection
)

// exporter serves the metrics over HTTP.
type exporter struct {
	server *http.Server
	socket net.Listener
	work   *work
}

// newExporter opens the address of a URL. It may take the address of replaced sockets, which are about to be closed. The
// result is nil if the URL is "".
func (n *Node) newExporter(raw string, replaced ...net.Listener) (*exporter, error) {
	if raw == "" {
		return nil, nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	socket, err := transport.ListenTCP(u.Host, replaced...)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	path := metricsPath(u)
	answer := func(w http.ResponseWriter, r *http.Request) {
		if err := n.checkScraper(r, u.Hostname()); err != nil {
			http.Error(w, "runnel: "+err.Error(), http.StatusForbidden)
			return
		}
		if r.URL.Path != path {
			http.Error(w, "the metrics are at "+path, http.StatusNotFound)
			return
		}
		status := n.Status()
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(status.Metrics())
	}
	n.log.Info("metrics", "url", "http://"+socket.Addr().String()+path)
	return &exporter{socket: socket, server: &http.Server{
		Handler: http.HandlerFunc(answer), ReadTimeout: scrapeTime, WriteTimeout: scrapeTime, IdleTimeout: scrapeIdle, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}}, nil
}

// checkScraper rejects a request that a foreign web page may have caused.
func (n *Node) checkScraper(r *http.Request, host string) error {
	n.mu.Lock()
	hosts := n.config.Metrics.Hosts
	n.mu.Unlock()
	policy, err := origin.NewPolicy(nil, hosts)
	if err != nil {
		return err
	}
	return policy.Check(r, host)
}

func metricsPath(u *url.URL) string {
	if u.Path == "" {
		return "/metrics"
	}
	return u.Path
}

// Run serves until ctx is done.
func (e *exporter) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { e.server.Close() })
	defer stop()
	if err := e.server.Serve(newLimited(e.socket, maxScrapers)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

func (n *Node) startExporter() { n.exporter.work = n.reporting.start(n.exporter.Run) }

// limited is a listener with a limit of open connections. At the limit it closes the oldest one for a new one, so that
// connections that idle or send slowly do not keep out others: programs that read metrics are quick.
type limited struct {
	net.Listener
	limit int

	mu   sync.Mutex
	open []*limitedConn // oldest first. Guarded by mu.
}

func newLimited(l net.Listener, limit int) *limited { return &limited{Listener: l, limit: limit} }

func (l *limited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.limit {
		l.open[0].Conn.Close() // the web server then calls Close, which no longer has an effect
		l.open = l.open[1:]
	}
	accepted := &limitedConn{Conn: transport.HTTPOnly(c), of: l}
	l.open = append(l.open, accepted)
	return accepted, nil
}

type limitedConn struct {
	net.Conn
	of *limited
}

func (c *limitedConn) Close() error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if i := slices.Index(c.of.open, c); i >= 0 {
		c.of.open = slices.Delete(c.of.open, i, i+1)
	}
	return c.Conn.Close()
}
