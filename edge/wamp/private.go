package wamp

// Private options and details: Runnel's own additions to the protocol. Their keys begin with an underscore, as the
// specification requires. A router ignores keys that it does not know or does not heed, so they are safe to send.
//
// "Internal" keys are heeded only from sessions of the router's own process. "Forwarding" keys are heeded from these and
// from roles that may forward (configured with forward = true). docs/protocol.md describes them for other implementations.
const (
	// KeyConfirm: SUBSCRIBE.Options, internal, bool. The subscriber takes responsibility for events: PUBLISHED waits until
	// it has answered. EVENT.Details, bool: the router waits for EVENT_RECEIVED, or ERROR for EVENT.
	KeyConfirm = "_confirm"

	// KeyRetain: SUBSCRIBE.Options, internal, bool. The subscriber is told which events the router retains.
	// EVENT.Details, bool: the router retains this event.
	KeyRetain = "_retain"

	// KeyTTL: PUBLISH.Options, from any session, milliseconds. A retained event is forgotten after this time.
	KeyTTL = "_ttl"

	// KeyTime: PUBLISH.Options, forwarding, milliseconds since 1970. When the event was first published.
	// EVENT.Details: the same.
	KeyTime = "_time"

	// KeyOrigin: PUBLISH.Options, forwarding, [node, epoch, sequence]. Identifies an event, so that the router recognizes
	// it when it is sent again. Heeded with acknowledge only. It is not passed on.
	KeyOrigin = "_origin"

	// KeyFallback: REGISTER.Options, internal, bool. The procedure is offered in the name of another router: it is called
	// only where no registration of the realm's own matches, and neither keeps the other from registering.
	KeyFallback = "_away"

	// KeyUnsent: ERROR.Details, internal, bool. With wamp.error.network_failure: the call was not sent anywhere, so another
	// callee may be asked.
	KeyUnsent = "_unsent"

	// KeyNode: HELLO.Details, dict. Which router the session belongs to (Node.Fields).
	// WELCOME.Details, string: the router and its realm, as the hops of forward_for name them.
	// A hop of forward_for, string: the router at that hop.
	KeyNode = "_node"

	// KeyNodes: WELCOME.Details, list of dicts. This router and those above it, the nearest first. Sent to sessions that
	// have KeyNode in HELLO.
	KeyNodes = "_nodes"

	// KeyTag: a hop of forward_for, string. Tells two routers of one id apart (Node.Tag).
	KeyTag = "_tag"

	// KeyOverlaps: keyword argument of wamp.subscription.list and wamp.registration.list, list of [URI, match policy].
	// Only what overlaps one of these patterns is listed, with its details as a second result.
	KeyOverlaps = "_overlaps"

	// KeyMembers: keyword argument beside KeyOverlaps, bool. The details list the sessions, too.
	KeyMembers = "_members"
)
