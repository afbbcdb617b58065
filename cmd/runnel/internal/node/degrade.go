package node

import (
	"context"
	"slices"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/report"
)

// A remote node must start even if a port is taken or a key cannot be read. With Options.Degrade it starts without
// the parts that fail, reports them as faults, and retries them. Like a reload, a retry succeeds as a whole or
// changes nothing.

// Bounds of the pause between two attempts to start the missing parts. It doubles after each attempt.
const (
	firstRetry = 5 * time.Second
	lastRetry  = time.Minute
)

// missing is a part of the configuration that could not be started.
type missing struct {
	report.Fault
	add func(*config.Config) // adds the part to a configuration
}

// leaveOut records a part that could not be started. The node's configuration does not contain it.
func (n *Node) leaveOut(part string, err error, add func(*config.Config)) {
	n.log.Error("part left out; retrying", "part", part, "err", err)
	n.missing = append(n.missing, missing{report.Fault{Part: part, Error: err.Error(), Since: time.Now()}, add})
}

// Faults returns the parts of the configuration that do not run.
func (n *Node) Faults() []report.Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []report.Fault{}
	if f := n.config.Fallback; f != nil {
		list = append(list, report.Fault{Part: report.PartConfiguration, Error: f.Error(), Since: n.began})
	}
	for _, m := range n.missing {
		list = append(list, m.Fault)
	}
	return list
}

// retryMissing tries to start the missing parts until all of them run and the configuration is kept, or ctx is done.
func (n *Node) retryMissing(ctx context.Context) error {
	n.reloading.Lock()
	kept := n.keepConfiguration()
	n.reloading.Unlock()
	for pause := firstRetry; !kept || len(n.Faults()) > 0; pause = min(2*pause, lastRetry) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		n.retryConfiguration()
		kept = n.retryParts()
	}
	return nil
}

// retryConfiguration reloads if the node runs with a fallback configuration and its files are valid now.
func (n *Node) retryConfiguration() {
	n.mu.Lock()
	fallback := n.config.Fallback != nil
	n.mu.Unlock()
	if !fallback || n.opts.Load == nil {
		return
	}
	if _, err := n.opts.Load(); err == nil {
		n.Reload() // it logs the outcome
	}
}

// retryParts retries each missing part separately. It reports whether the configuration has been saved.
func (n *Node) retryParts() (kept bool) {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	n.mu.Lock()
	list := slices.Clone(n.missing)
	n.mu.Unlock()
	for _, m := range list {
		n.mu.Lock()
		next := *n.config
		n.mu.Unlock()
		m.add(&next)
		_, err := n.apply(&next)
		n.mu.Lock()
		i := slices.IndexFunc(n.missing, func(other missing) bool { return other.Part == m.Part })
		if err == nil {
			n.missing = slices.Delete(slices.Clone(n.missing), i, i+1)
		} else {
			n.missing[i].Error = err.Error()
		}
		n.mu.Unlock()
		if err == nil {
			n.log.Info("part started", "part", m.Part)
		}
	}
	return n.keepConfiguration()
}

// keepConfiguration saves the configuration for a start with invalid files, provided that all of its parts run. It
// reports whether the configuration is saved.
func (n *Node) keepConfiguration() bool {
	if len(n.Faults()) > 0 {
		return false
	}
	n.mu.Lock()
	c := n.config
	n.mu.Unlock()
	err := config.KeepLastGood(c)
	if err != nil && !n.notKept.Swap(true) {
		n.log.Warn("cannot save the configuration for a later start; retrying", "err", err)
	}
	if err == nil {
		n.notKept.Store(false)
	}
	return err == nil
}

// openListeners opens the listeners. It fails if none opens, because no peer and no operator could reach the router then.
func (n *Node) openListeners(c *config.Config) error {
	var first error
	for _, l := range c.Listens {
		opened, err := n.listen(l, nil, nil)
		switch {
		case err != nil && !n.opts.Degrade:
			return err
		case err != nil:
			if first == nil {
				first = err
			}
			n.config.Listens = config.Without(n.config.Listens, func(other config.Listen) bool { return other.URL == l.URL })
			n.leaveOut("listener "+l.URL, err, func(c *config.Config) { c.Listens = append(slices.Clone(c.Listens), l) })
		default:
			n.listeners = append(n.listeners, opened...)
		}
	}
	n.warnUnused(c)
	if len(n.listeners) == 0 && first != nil {
		return first
	}
	return nil
}

func (n *Node) openMetrics(c *config.Config) (err error) {
	n.exporter, err = n.newExporter(c.Metrics.URL)
	if err == nil || !n.opts.Degrade {
		return err
	}
	m := c.Metrics
	n.config.Metrics = config.Metrics{}
	n.leaveOut("metrics "+m.URL, err, func(c *config.Config) { c.Metrics = m })
	return nil
}

// openUplinks opens the links with their spools. While a link is missing, events that only this link can store safely
// are refused.
func (n *Node) openUplinks(c *config.Config) error {
	for _, u := range c.Uplinks {
		l, err := n.openLink(c, u)
		switch {
		case err != nil && !n.opts.Degrade:
			return err
		case err != nil:
			same := func(other config.Uplink) bool { return other.Name == u.Name }
			n.config.Uplinks = config.Without(n.config.Uplinks, same)
			n.config.Absent = append(n.config.Absent, u)
			n.leaveOut("uplink "+u.Name, err, func(c *config.Config) {
				c.Uplinks = append(slices.Clone(c.Uplinks), u)
				c.Absent = config.Without(c.Absent, same)
			})
		default:
			n.uplinks = append(n.uplinks, l)
		}
	}
	return nil
}
