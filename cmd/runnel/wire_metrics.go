package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"runnel/transport"
	"runnel/transport/origin"
)

// Those who read metrics are few, and quick.
const (
	maxScrapers = 16
	scrapeTime  = 10 * time.Second
	scrapeIdle  = 2 * time.Minute // between two, of one connection
)

// exporter serves the metrics.
type exporter struct {
	server *http.Server
	socket net.Listener
	work   *work
}

// newExporter opens the address of a URL, which may be that of a socket that is about to be closed; nil if it is "".
func (n *node) newExporter(raw string, over ...net.Listener) (*exporter, error) {
	if raw == "" {
		return nil, nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	socket, err := transport.ListenTCP(u.Host, over...)
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
		status := n.status()
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(status.metrics())
	}
	n.log.Info("metrics", "url", "http://"+socket.Addr().String()+path)
	return &exporter{socket: socket, server: &http.Server{
		Handler: http.HandlerFunc(answer), ReadTimeout: scrapeTime, WriteTimeout: scrapeTime, IdleTimeout: scrapeIdle, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}}, nil
}

// checkScraper refuses a request that a foreign web page may have caused.
func (n *node) checkScraper(r *http.Request, host string) error {
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
	if err := e.server.Serve(newFew(e.socket, maxScrapers)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// changeMetrics ends the exporter and starts the one in its place, if the URL is another.
func (n *node) changeMetrics(p *plan, r *prepared) {
	if !p.metrics {
		return
	}
	if n.exporter != nil {
		n.exporter.work.end()
	}
	if n.exporter = r.exporter; n.exporter != nil {
		n.runExporter()
	}
}

func (n *node) runExporter() { n.exporter.work = n.inside.start(n.exporter.Run) }

// few is a listener that accepts when one of its connections is closed, if there are as many as there may be.
type few struct {
	net.Listener
	room   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newFew(l net.Listener, limit int) *few {
	return &few{Listener: l, room: make(chan struct{}, limit), closed: make(chan struct{})}
}

func (f *few) Accept() (net.Conn, error) {
	select {
	case f.room <- struct{}{}:
	case <-f.closed:
		return nil, net.ErrClosed
	}
	c, err := f.Listener.Accept()
	if err != nil {
		<-f.room
		return nil, err
	}
	return &oneOfFew{Conn: transport.HTTPOnly(c), leave: sync.OnceFunc(func() { <-f.room })}, nil
}

func (f *few) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Listener.Close()
}

type oneOfFew struct {
	net.Conn
	leave func()
}

func (c *oneOfFew) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
