package uplink

import (
	"context"
	"errors"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// hop is the way of the calls that one rule is for.
type hop struct {
	link   *Link
	rule   *rule
	home   *side // where the procedures are
	abroad *side // where they are made callable
	counts *flow
}

// forwardCalls makes the rule's procedures callable on the other side.
func (l *Link) forwardCalls(ctx context.Context, r *rule, home, abroad *side) error {
	h := &hop{link: l, rule: r, home: home, abroad: abroad, counts: &l.status.callsDown}
	if r.direction == imports {
		h.counts = &l.status.callsUp
	}
	_, err := abroad.client.Register(ctx, r.rewrite(r.uri), client.RegisterOptions{
		Match: r.match, ForwardTimeout: true, Persist: true, Refused: l.refusal(r, abroad),
	}, h.forward)
	return err
}

// forward makes the call where the procedure is and hands back what comes of it: the result, the error with its URI and
// payload, progress on the way. An interrupt cancels ctx, and so the call, in the same mode.
func (h *hop) forward(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
	if h.abroad.isSelf(inv.Caller()) {
		// The link has made this call itself: it came from the other side, and nobody but the link offers the procedure.
		return client.Payload{}, client.NewError(wamp.NoSuchProcedure.Error(), "no callee on either side of the uplink")
	}
	o := client.CallOptions{
		Timeout: inv.Timeout(), DiscloseMe: h.discloses(inv), Extra: passthru(&inv.Body),
	}
	if inv.ReceiveProgress() {
		o.Progress = func(r *client.Result) { inv.Progress(carry(r)) }
	}
	procedure := h.rule.reverse(inv.Procedure())
	result, err := h.home.client.Call(ctx, procedure, o, client.Raw(inv.Payload))
	if o.DiscloseMe && errors.Is(err, wamp.DiscloseMeNotAllowed) {
		h.home.mayNotDisclose.Store(true)
		o.DiscloseMe = false
		result, err = h.home.client.Call(ctx, procedure, o, client.Raw(inv.Payload))
	}
	if isDown(err) {
		h.counts.dropped.Add(1)
	} else {
		h.counts.forwarded.Add(1)
	}
	if err != nil {
		return client.Payload{}, err
	}
	return carry(result), nil
}

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
