package client

import (
	"context"
	"maps"

	"runnel/edge/wamp"
)

// RegisterOptions say how to register a procedure.
type RegisterOptions struct {
	Match          wamp.Match
	Invoke         wamp.Invoke
	DiscloseCaller bool // ask the router to disclose the callers
	ForwardTimeout bool // the client measures a call's timeout, not the router; see Invocation.Timeout

	Extra map[string]any // further fields of REGISTER.Options

	// Persist makes Register return at once, connected or not. The client registers as soon as it can, and retries
	// after a refusal. Without Persist, Register returns the first refusal as its error.
	Persist bool

	// Refused is called when the router refuses or revokes a registration that the client retries: one with Persist, or
	// after a reconnect. The same refusal is reported once. Refused(nil) means that the router has accepted. Refused
	// must not wait for the client. If it is nil, the client logs both.
	Refused func(error)
}

// Registration is a registered procedure, from Register to Unregister, across any number of sessions.
type Registration struct {
	endpointBase
	handler Handler
}

// Register registers a procedure and returns when the router has accepted. For calls of handle see the package comment.
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

// Unregister ends the registration. Running invocations continue.
func (r *Registration) Unregister(ctx context.Context) error { return r.client.closeEndpoint(ctx, r) }

// Procedure returns the registered procedure or pattern.
func (r *Registration) Procedure() string { return r.pattern.uri }

// Match returns how Procedure is matched.
func (r *Registration) Match() wamp.Match { return r.pattern.match }

func (r *Registration) addTo(in *session) { in.registrations[r.id] = r }

// removeFrom keeps the id known: invocations may arrive until the router has answered UNREGISTER.
func (r *Registration) removeFrom(*session) (tell bool) { return true }
