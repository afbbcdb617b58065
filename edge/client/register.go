package client

import (
	"context"
	"maps"

	"runnel/edge/wamp"
)

// RegisterOptions say what to register and how.
type RegisterOptions struct {
	Match          wamp.Match
	Invoke         wamp.Invoke
	DiscloseCaller bool // ask the router to say who calls
	ForwardTimeout bool // ask the router to leave a call's timeout to this client, see Invocation.Timeout

	Extra map[string]any // further fields of REGISTER.Options

	// Persist makes Register return at once, connected or not: the client registers when it can, and tries again what is
	// refused. Without it a first refusal is Register's error.
	Persist bool

	// Refused is called when the router refuses a registration that the client keeps trying to make: with Persist, or
	// after a reconnect; a refusal like the one before is not reported again. It is called with nil when the router has
	// agreed after all. It must not wait for the client. By default both are logged.
	Refused func(error)
}

// Registration is a procedure on offer, from Register to Unregister, over any number of sessions.
type Registration struct {
	endpointBase
	handler Handler
}

// Register offers a procedure and returns when the router has agreed. The package's comment says how handle is called.
func (c *Client) Register(ctx context.Context, procedure string, o RegisterOptions, handle Handler) (*Registration, error) {
	options := maps.Clone(o.Extra)
	if options == nil {
		options = make(map[string]any)
	}
	if o.Match != wamp.Exact {
		options["match"] = o.Match.String()
	}
	if o.Invoke != wamp.Single {
		options["invoke"] = o.Invoke.String()
	}
	if o.DiscloseCaller {
		options["disclose_caller"] = true
	}
	if o.ForwardTimeout {
		options["forward_timeout"] = true
	}
	r := &Registration{
		endpointBase: endpointBase{
			client: c, pattern: pattern{procedure, o.Match}, options: options, messages: registration, refused: o.Refused,
		},
		handler: handle,
	}
	if err := c.establish(ctx, r, o.Persist); err != nil {
		return nil, err
	}
	return r, nil
}

// Unregister ends the registration. Invocations under way go on.
func (r *Registration) Unregister(ctx context.Context) error { return r.client.end(ctx, r) }

// Procedure returns the procedure or pattern registered.
func (r *Registration) Procedure() string { return r.pattern.uri }

// Match returns how Procedure is matched.
func (r *Registration) Match() wamp.Match { return r.pattern.match }

func (r *Registration) addTo(in *session) { in.registrations[r.id] = r }

// leave leaves it known: until the router confirms, invocations may still come.
func (r *Registration) removeFrom(*session) (tell bool) { return true }
