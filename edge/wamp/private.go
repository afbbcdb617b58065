package wamp

// Private options and details: Runnel's own additions to the protocol. Their keys begin with an underscore, as the
// specification requires. A router ignores keys that it does not know or does not accept, so it is safe to send them.
//
// "Internal" keys are accepted only from sessions of the router's own process. "Forwarding" keys are accepted from these, and
// from roles that may forward (configured with forward = true). docs/protocol.md describes them for other implementations.
const (
	// KeyConfirm: SUBSCRIBE.Options, internal, bool. The subscriber takes responsibility for events: PUBLISHED waits until
	// it has answered. EVENT.Details, bool: the router waits for EVENT_RECEIVED, or ERROR for EVENT.
	KeyConfirm = "_confirm"

	// KeyRetain: SUBSCRIBE.Options, internal, bool. The subscriber learns which events the router retains.
	// EVENT.Details, bool: the router retains this event.
	KeyRetain = "_retain"

	// KeyTTL: PUBLISH.Options, from any session, milliseconds. The event is of no use after this time: the router does not
	// deliver it later. EVENT.Details: the time that is left.
	KeyTTL = "_ttl"

	// KeyDurable: SUBSCRIBE.Options, from any session, string. The name of a durable subscription: the router keeps its
	// events while no session consumes them. WELCOME.Details, bool: the realm has durable subscriptions, and the session's role
	// may, or may not, create them.
	KeyDurable = "_durable"

	// KeyFrom: SUBSCRIBE.Options besides KeyDurable: "now", "all", a time as in RFC 3339, or a publication id. It says where
	// a new durable subscription begins.
	KeyFrom = "_from"

	// KeyAck: SUBSCRIBE.Options besides KeyDurable, string: "received" or "sent". It says when an event is done: once the
	// session has acknowledged it, or once it was sent.
	KeyAck = "_ack"

	// KeyAckWait: SUBSCRIBE.Options besides KeyDurable, milliseconds. An event that is not acknowledged within this time is
	// delivered again.
	KeyAckWait = "_ack_wait"

	// KeyWindow: SUBSCRIBE.Options besides KeyDurable, integer. How many events may be sent and not acknowledged.
	KeyWindow = "_window"

	// KeyMaxAge: SUBSCRIBE.Options besides KeyDurable, milliseconds, 0: no limit. An older event is not delivered, and
	// EVENT.Details has the rest of the time as KeyTTL.
	KeyMaxAge = "_max_age"

	// KeyQoS: PUBLISH.Options and EVENT.Details, from any session, integer. The quality of service of a publisher that speaks
	// MQTT: 0, 1 or 2. The router passes it on unchanged.
	KeyQoS = "_qos"

	// KeyProperties: PUBLISH.Options and EVENT.Details, from any session, dict. The properties of the message of a publisher
	// that speaks MQTT. The router passes them on unchanged.
	KeyProperties = "_properties"

	// KeyPosition: EVENT.Details of durable subscriptions, integer. It increases with each event of a realm.
	KeyPosition = "_position"

	// KeyGap: EVENT.Details of durable subscriptions, dict. This EVENT replaces dropped events.
	KeyGap = "_gap"

	// KeyTime: PUBLISH.Options, forwarding, milliseconds since 1970. When the event was first published.
	// EVENT.Details: the same.
	KeyTime = "_time"

	// KeyOrigin: PUBLISH.Options, forwarding, [node, epoch, sequence]. Identifies an event, so that the router
	// recognizes it when it is sent again. Accepted only together with acknowledge. It is passed on only to internal
	// subscribers, with the authid of the numbering's owner as a fourth item, which internal publishers may send, too.
	// SUBSCRIBE.Options besides KeyDurable, from any session, bool: EVENT.Details has such a list, and an event that
	// the consumer rejects delays the later ones.
	KeyOrigin = "_origin"

	// KeyFallback: REGISTER.Options, internal, bool. The procedure is registered on behalf of another router. It is
	// called only if no registration of the realm itself matches. Neither prevents the other from being registered.
	KeyFallback = "_away"

	// KeyUnsent: ERROR.Details, internal, bool. Together with wamp.error.network_failure: the call was not sent, so the
	// router may try another callee.
	KeyUnsent = "_unsent"

	// KeyNode: HELLO.Details, dict: the router that the session belongs to (Node.Fields). WELCOME.Details, string: the
	// router and its realm, as named in the hops of forward_for. A hop of forward_for, string: the router at that hop.
	KeyNode = "_node"

	// KeyNodes: WELCOME.Details, list of dicts. This router and those above it, nearest first. Sent to sessions whose
	// HELLO has KeyNode.
	KeyNodes = "_nodes"

	// KeyBrief: HELLO.Details, from peers of this machine, bool. The session lasts for one command. Its beginning and end are
	// logged at level debug.
	KeyBrief = "_brief"

	// KeyTag: a hop of forward_for, string. Distinguishes routers with the same id (Node.Tag).
	KeyTag = "_tag"

	// KeyOverlaps: keyword argument of wamp.subscription.list and wamp.registration.list, list of [URI, match policy].
	// Lists only entries that overlap one of these patterns, with the details as a second result.
	KeyOverlaps = "_overlaps"

	// KeyMembers: keyword argument besides KeyOverlaps, bool. The details list the sessions, too, and those of a registration
	// the node of each session, and whether it is sharded.
	KeyMembers = "_members"

	// Reach is the procedure by which a session reports the nodes at other routers that its registration reaches.
	Reach = "wamp.registration._reach"

	// OnShard is the topic of the event that a registration is sharded from now on.
	OnShard = "wamp.registration._on_shard"
)

// IsNote reports whether an option of PUBLISH is passed on to the subscribers unchanged.
func IsNote(key []byte) bool { return string(key) == KeyQoS || string(key) == KeyProperties }

// ReasonDropped is the reason in UNSUBSCRIBED for the consumers of a durable subscription that an operator has dropped.
const ReasonDropped = "runnel.durable.dropped"
