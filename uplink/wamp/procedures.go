package wamp

import (
	"context"
	"errors"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink"
)

// hop forwards the calls of one share.
type hop struct {
	link   *Link
	rule   *rule
	home   *side // where the procedures are
	abroad *side // where they are registered for callers
	counts *uplink.Counter
}

// register registers procedures on the other side. In the local realm they are fallback registrations: local callees
// have precedence over them, and other links share them.
func (l *Link) register(s share) (end func(), err error) {
	h := &hop{link: l, rule: s.rule, home: &l.local, abroad: &l.remote, counts: &l.status.CallsDown}
	o := client.RegisterOptions{Match: s.Match, Invoke: s.invoke, ForwardTimeout: true, Persist: true}
	if s.rule.direction == imports {
		h.home, h.abroad, h.counts = h.abroad, h.home, &l.status.CallsUp
		o.Invoke, o.Extra = wamp.First, map[string]any{wamp.KeyFallback: true}
	}
	o.Refused = l.refusal(s, h.abroad)
	r, err := h.abroad.client.Register(atOnce, s.URI, o, h.forward)
	if err != nil {
		return nil, err
	}
	return func() { r.Unregister(atOnce) }, nil
}

// forward makes the call on the home side. It returns the result, or the error with its URI and payload, and passes on
// progressive results. INTERRUPT cancels ctx, and so the call, in the same mode.
func (h *hop) forward(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
	if h.abroad.isSelf(inv.Caller()) {
		// The link has made this call itself, for a caller on the other side. No other callee offers the procedure.
		return client.Payload{}, client.NewError(wamp.NoSuchProcedure.Error(), "no callee on either side of the uplink")
	}
	way, ok := h.link.cross(&inv.Body, callerOf(inv), h.abroad, h.home)
	if !ok {
		return client.Payload{}, client.NewError(wamp.NoSuchProcedure.Error(), "the call has already passed this realm, or too many links")
	}
	o := client.CallOptions{
		Timeout: inv.Timeout(), DiscloseMe: h.discloses(inv), ForwardFor: way, Extra: passthru(&inv.Body),
	}
	if inv.ReceiveProgress() {
		o.Progress = func(r *client.Result) { inv.Progress(carry(r)) }
	}
	if inv.More() {
		o.Input = func(ctx context.Context) (client.Payload, bool, error) {
			p, more, err := inv.Input(ctx)
			return client.Raw(p), more, err
		}
	}
	if h.home == &h.link.remote {
		h.link.awaitMove(ctx)
		if _, up := h.home.client.Welcome(); !up {
			h.counts.Drop()
			return client.Payload{}, uplink.ErrUnsent
		}
		h.link.calls.Add(1)
		defer h.link.calls.Add(-1)
	}
	procedure := h.rule.reverse(inv.Procedure())
	result, err := h.home.client.Call(ctx, procedure, o, client.Raw(inv.Payload))
	if o.DiscloseMe && errors.Is(err, wamp.DiscloseMeNotAllowed) {
		h.home.mayNotDisclose.Store(true)
		o.DiscloseMe = false
		result, err = h.home.client.Call(ctx, procedure, o, client.Raw(inv.Payload))
	}
	if isDown(err) {
		h.counts.Drop()
	} else {
		h.counts.Forward()
	}
	if err != nil {
		return client.Payload{}, err
	}
	return carry(result), nil
}

// discloses reports whether the forwarded call discloses the link. It does in the local realm, where forward recognizes the
// link's own calls by it, and at the centre if the caller has disclosed itself.
func (h *hop) discloses(inv *client.Invocation) bool {
	wanted := h.home == &h.link.local || inv.Caller() != 0
	return wanted && !h.home.mayNotDisclose.Load()
}

// carry returns a result as the answer to an invocation, with its payload unchanged.
func carry(r *client.Result) client.Payload {
	return client.Payload{Raw: r.Payload, Extra: passthru(&r.Body)}
}
