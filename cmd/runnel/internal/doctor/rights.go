package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// probeName is the last component of the URIs that test a prefix.
const probeName = "runnel_doctor"

// rights tests at the centre each permission that the link's rules need:
//
//	export topic       PUBLISH, for which only this session is eligible
//	export procedure   REGISTER, and UNREGISTER at once; "procedure already exists" proves the permission as well
//	import topic       SUBSCRIBE, and UNSUBSCRIBE at once
//	import procedure   SUBSCRIBE to the meta events about registrations
//
// A prefix is tested with a URI below it, so that the test does not attract calls or events of others.
func (e *examination) rights(ctx context.Context, object string, u config.Uplink, c *client.Client) {
	t := trial{e: e, object: object, uplink: u}
	w, _ := c.Welcome()
	t.role = w.Authrole()
	for _, s := range u.Exports {
		if s.Topic != nil {
			uri := remote(s, *s.Topic)
			t.record("publish", uri, s.Match, publish(ctx, c, below(uri, s.Match)))
		} else {
			uri := remote(s, *s.Procedure)
			t.record("register", uri, s.Match, register(ctx, c, below(uri, s.Match)))
		}
	}
	for _, s := range u.Imports {
		if s.Topic != nil {
			t.record("subscribe", *s.Topic, s.Match, subscribe(ctx, c, *s.Topic, wamp.Match(s.Match)))
		} else {
			t.needed = append(t.needed, need{"call", *s.Procedure, s.Match})
		}
	}
	if len(t.missing) > 0 {
		e.add(Finding{"uplink", Error, object, fmt.Sprintf("the centre does not permit role %q to %s", t.role, listed(t.missing)), t.permit("", t.missing)})
	}
	t.interest(ctx, c)
	if slices.ContainsFunc(u.Imports, func(s config.Share) bool { return s.Store == "durable" }) {
		t.kept(w)
	}
}

// kept tests whether the centre can keep the events of durable imports. Without that, they are ordinary imports.
func (t *trial) kept(w client.Welcome) {
	const lost = ": events published while the link is down are lost"
	switch known, may := w.Durable(); {
	case !known:
		t.e.add(Finding{"uplink", Warning, t.object, "the centre has no durable subscriptions" + lost,
			"the centre must be a Runnel of this version or later, with data in [node]; otherwise remove store = \"durable\" from the import"})
	case !may:
		t.e.add(Finding{"uplink", Error, t.object, fmt.Sprintf("the centre does not permit role %q to create durable subscriptions", t.role) + lost,
			fmt.Sprintf("# In a file of the centre's conf.d. Then there: sudo sh -c 'runnel check && runnel reload'\n[[realm]]\nname = %s\n\n  [[realm.role]]\n  name = %s\n  durable = true",
				quoted(t.uplink.RemoteRealm), quoted(t.role))})
	}
}

// interest tests the permission to follow subscriptions and registrations through the meta API. Without it, every exported
// event crosses the link.
func (t *trial) interest(ctx context.Context, c *client.Client) {
	var missing []need
	for _, uri := range []string{"wamp.subscription.", "wamp.registration."} {
		if err := subscribe(ctx, c, uri, wamp.Prefix); errors.Is(err, wamp.NotAuthorized) {
			follow := need{"subscribe", uri, config.Match(wamp.Prefix)}
			t.needed = append(t.needed, need{"call", uri, follow.match}, follow)
			missing = append(missing, follow)
		}
	}
	if len(missing) > 0 {
		t.e.add(Finding{"uplink", Note, t.object, fmt.Sprintf("the centre does not permit role %q to %s: every exported event crosses the link, even without a subscriber", t.role, listed(missing)), t.permit("-meta", missing)})
	}
}

// below returns a URI that a rule matches.
func below(uri string, match config.Match) string {
	switch wamp.Match(match) {
	case wamp.Prefix:
		if uri == "" || strings.HasSuffix(uri, ".") {
			return uri + probeName
		}
		return uri + "." + probeName
	case wamp.Wildcard:
		parts := strings.Split(uri, ".")
		for i := range parts {
			if parts[i] == "" {
				parts[i] = probeName
			}
		}
		return strings.Join(parts, ".")
	}
	return uri
}

func publish(ctx context.Context, c *client.Client, topic string) error {
	w, _ := c.Welcome()
	return c.Publish(ctx, topic, client.PublishOptions{Acknowledge: true, Eligible: []wamp.ID{w.Session}}, client.Payload{})
}

func register(ctx context.Context, c *client.Client, procedure string) error {
	r, err := c.Register(ctx, procedure, client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
		return client.Payload{}, wamp.Unavailable
	})
	if err == nil {
		err = r.Unregister(ctx)
	}
	return err
}

func subscribe(ctx context.Context, c *client.Client, topic string, match wamp.Match) error {
	s, err := c.Subscribe(ctx, topic, client.SubscribeOptions{Match: match}, func(*client.Event) {})
	if err == nil {
		err = s.Unsubscribe(ctx)
	}
	return err
}

// remote translates a local URI to the URI that an export rule gives it at the centre.
func remote(s config.Share, uri string) string {
	if rest, ok := strings.CutPrefix(uri, s.LocalPrefix); ok {
		return s.RemotePrefix + rest
	}
	return uri
}
