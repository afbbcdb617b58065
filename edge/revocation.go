package edge

import (
	"slices"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Revocation: the router takes a subscription or registration from a session (advanced/pubsub_subscription_revocation.md,
// advanced/rpc_registration_revocation.md). If the session has announced that feature, it gets UNSUBSCRIBED or UNREGISTERED for
// request 0. The meta procedures for it are named as in Crossbar.io, because the specification does not name any.

// subscriptionRemoveSubscriber answers wamp.subscription.remove_subscriber(subscription, session, reason).
func (c *metaCall) subscriptionRemoveSubscriber() ([]any, error) {
	id, member, reason, err := c.revoked()
	if err != nil {
		return nil, err
	}
	c.realm.mu.Lock()
	defer c.realm.mu.Unlock()
	place := member.subscriptions[id]
	if place == nil {
		return nil, wamp.NoSuchSubscription
	}
	c.realm.revokeSeat(c.turn, place, reason)
	return nil, nil
}

// registrationRemoveCallee answers wamp.registration.remove_callee(registration, session, reason).
func (c *metaCall) registrationRemoveCallee() ([]any, error) {
	id, member, reason, err := c.revoked()
	if err != nil {
		return nil, err
	}
	c.realm.mu.Lock()
	defer c.realm.mu.Unlock()
	seat := member.registrations[id]
	if seat == nil {
		return nil, wamp.NoSuchRegistration
	}
	c.realm.revokeCallee(c.turn, seat, reason)
	return nil, nil
}

// revoked reads the arguments of both procedures. Internal sessions cannot be selected.
func (c *metaCall) revoked() (id wamp.ID, member *session, reason string, err error) {
	if id, err = c.id(0); err != nil {
		return 0, nil, "", err
	}
	if isGiven(c.arg(2)) {
		if reason, err = c.text(2); err != nil {
			return 0, nil, "", err
		}
	}
	of := *c
	of.args = slices.Clone(c.args[1:])
	if member, err = of.member(); err == nil && member.internal() {
		err = errInternal
	}
	return id, member, reason, err
}

// revokeSeat takes a subscription from a session. The caller holds mu.
func (r *realm) revokeSeat(t *turn, place *seat, reason string) {
	r.dropSeat(t, place)
	if s := place.session; s.features.has(subscriberRevocation) {
		t.sendRevoked(s, wamp.Unsubscribed, "subscription", place.subscription, reason)
	}
}

// revokeCallee takes a registration from a session. Running calls continue. The caller holds mu.
func (r *realm) revokeCallee(t *turn, seat *calleeSeat, reason string) {
	r.dropCallee(t, seat)
	if s := seat.session; s.features.has(calleeRevocation) {
		t.sendRevoked(s, wamp.Unregistered, "registration", seat.registration, reason)
	}
}

func (t *turn) sendRevoked(s *session, message wamp.Type, key string, id wamp.ID, reason string) {
	t.details.Reset(s.serializer, nil)
	t.details.Uint(key, id)
	if reason != "" {
		t.details.String("reason", reason)
	}
	t.send(s, &codec.Message{Type: message, Dict: t.details.Dict()})
}
