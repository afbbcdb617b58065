package wamp

import (
	"context"
	"errors"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink"
)

// hop is the way of the calls that one rule is for.
type hop struct {
	link   *Link
	rule   *rule
	home   *side // where the procedures are
	abroad *side // where they are made callable
	counts *uplink.Counter
}

// register makes procedures callable on the other side. Here they stand behind those of local callees, beside those of
// other links.
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

// forward makes the call where the procedure is and hands back what comes of it: the result, the error with its URI and
// payload, progress on the way. An interrupt cancels ctx, and so the call, in the same mode.
func (h *hop) forward(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
	if h.abroad.isSelf(inv.Caller()) {
		// The link has made this call itself: it came from the other side, and nobody but the link offers the procedure.
		return client.Payload{}, client.NewError(wamp.NoSuchProcedure.Error(), "no callee on either side of the uplink")
	}
	way, ok := h.link.cross(&inv.Body, callerOf(inv), h.abroad, h.home)
	if !ok {
		return client.Payload{}, client.NewError(wamp.NoSuchProcedure.Error(), "the call has come round in a circle, or too far")
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
		h.link.settle(ctx)
		if _, up := h.home.client.Welcome(); !up {
			h.counts.Drop()
			return client.Payload{}, errUnsent
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

// errUnsent is the answer to a call that has gone nowhere. The router may ask another link.
var errUnsent = func() *client.Error {
	e := client.NewError(wamp.NetworkFailure.Error(), "the link is down")
	var d codec.Builder
	d.Reset(wamp.CBOR, nil)
	d.Bool(wamp.KeyUnsent, true)
	e.Details = d.Dict()
	return e
}()

// discloses reports whether the call is to say that it is the link's: at home if that is here, for forward tells by it
// what comes back; at the centre if the caller has disclosed itself.
func (h *hop) discloses(inv *client.Invocation) bool {
	wanted := h.home == &h.link.local || inv.Caller() != 0
	return wanted && !h.home.mayNotDisclose.Load()
}

// carry makes a result the answer to an invocation, untouched.
func carry(r *client.Result) client.Payload {
	return client.Payload{Raw: r.Payload, Extra: passthru(&r.Body)}
}
