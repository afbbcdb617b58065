package node

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/transport/guest/rest"
	"runnel/transport/memory"
)

// hook is a webhook with its settings.
type hook struct {
	*rest.Webhook
	config config.Webhook
	work   *work // nil before it runs
}

// openWebhooks makes the webhooks.
func (n *Node) openWebhooks(c *config.Config) error {
	for _, w := range c.Webhooks {
		h, err := n.newHook(w)
		switch {
		case err != nil && !n.opts.Degrade:
			return err
		case err != nil:
			n.config.Webhooks = config.Without(n.config.Webhooks, func(other config.Webhook) bool { return other.Name == w.Name })
			n.leaveOut("webhook "+w.Name, err, func(c *config.Config) { c.Webhooks = append(slices.Clone(c.Webhooks), w) })
		default:
			n.hooks = append(n.hooks, h)
		}
	}
	return nil
}

// newHook makes a webhook that does not run.
func (n *Node) newHook(w config.Webhook) (*hook, error) {
	how := transport.DialOptions{Timeout: time.Duration(w.Timeout)}
	address, host, path, secure := w.Target()
	secret, err := w.Secret.Value()
	var authorization string
	if err == nil {
		authorization, err = w.Authorization.Value()
	}
	if err == nil && strings.ContainsAny(authorization, "\r\n\x00") {
		err = fmt.Errorf("authorization has several lines; write the value of one header")
	}
	if err == nil {
		how.TLS, err = transport.ClientFiles(string(w.CA), "", "")
	}
	if err != nil {
		return nil, fmt.Errorf("webhook %s: %w", w.Name, err)
	}
	return &hook{config: w, Webhook: rest.NewWebhook(rest.WebhookOptions{
		Name: w.Name, Realm: w.Realm, Authid: w.Authid, Role: w.Role, Topic: w.Topic, Match: wamp.Match(w.Match),
		Host: host, Path: path, Secret: secret, Authorization: authorization, Timeout: time.Duration(w.Timeout),
		Dial:  func(ctx context.Context) (net.Conn, error) { return transport.DialStream(ctx, address, secure, how) },
		Serve: func(c *memory.Conn) { n.router.Serve(c) },
		Agent: n.agent(), Log: n.log,
	})}, nil
}

func (n *Node) startHook(h *hook) { h.work = n.listening.start(h.Run) }

// prepareHooks makes the webhooks that a reload starts.
func (n *Node) prepareHooks(p *Changes, r *prepared) error {
	for _, w := range p.webhooks.starting() {
		h, err := n.newHook(*w)
		if err != nil {
			return err
		}
		r.hooks = append(r.hooks, h)
	}
	return nil
}

// replaceHooks ends webhooks and starts others. Their durable subscriptions keep the events meanwhile.
func (a *application) replaceHooks() {
	n := a.node
	ending := a.plan.webhooks.ending()
	kept := n.hooks[:0:0]
	for _, h := range n.hooks {
		if slices.ContainsFunc(ending, func(w *config.Webhook) bool { return w.Name == h.config.Name }) {
			h.work.close()
		} else {
			kept = append(kept, h)
		}
	}
	for _, h := range a.parts.hooks {
		n.startHook(h)
	}
	n.mu.Lock()
	n.hooks = append(kept, a.parts.hooks...)
	n.mu.Unlock()
	for _, w := range a.plan.webhooks.gone {
		a.say("webhook %s ended", w.Name)
	}
	sayStarted(a, "webhook", a.plan.webhooks, func(w *config.Webhook) string { return w.Name }, func(_, _ *config.Webhook) string { return "" })
}

// Webhooks reports on the webhooks.
func (n *Node) Webhooks() []report.Webhook {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []report.Webhook
	for _, h := range n.hooks {
		list = append(list, report.Webhook{WebhookState: h.State(), Topic: h.config.Topic, URL: transport.RedactURL(h.config.URL)})
	}
	return list
}
