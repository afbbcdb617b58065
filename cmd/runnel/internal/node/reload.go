package node

import (
	"errors"
	"strings"
)

// Reload reads the configuration again and changes the node accordingly. It returns the changes. After an error
// nothing has changed; config.Problems is an error of the configuration. Only one reload runs at a time.
func (n *Node) Reload() (changes []string, err error) {
	if n.opts.Load == nil {
		return nil, errors.New("this router has no configuration file")
	}
	n.reloading.Lock()
	defer n.reloading.Unlock()
	if n.opts.Reloading != nil {
		done := n.opts.Reloading()
		defer func() { done(changes, err) }()
	}
	c, err := n.opts.Load()
	if err == nil {
		for _, w := range c.Warnings {
			n.log.Warn("config", "warning", w.Error())
		}
		changes, err = n.apply(c)
	}
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			n.log.Error("configuration not applied", "err", line)
		}
		return nil, err
	}
	n.mu.Lock()
	n.missing = nil // all of its parts run
	n.mu.Unlock()
	n.keepConfiguration()
	n.retryHeld()
	n.log.Info("configuration applied", "config", c.Name, "changes", len(changes))
	return changes, nil
}

// retryHeld retries the held events of all uplinks: the centre may accept them under the new configuration.
func (n *Node) retryHeld() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.uplinks {
		l.spool.Retry()
	}
}
