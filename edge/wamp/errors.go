package wamp

// Failure is an error or a reason of the protocol; its text is the URI. It implements error: the router's functions
// return Failures, and one place turns them into ERROR, ABORT or GOODBYE.
type Failure string

// Error returns the URI.
func (f Failure) Error() string { return string(f) }

// URIs of the specification (basic/uri_reference.md, advanced/uris.md). Where it contradicts itself, this is the form
// that Runnel sends.
const (
	InvalidURI             Failure = "wamp.error.invalid_uri"
	NoSuchProcedure        Failure = "wamp.error.no_such_procedure"
	ProcedureAlreadyExists Failure = "wamp.error.procedure_already_exists"
	NoSuchRegistration     Failure = "wamp.error.no_such_registration"
	NoSuchSubscription     Failure = "wamp.error.no_such_subscription"
	InvalidArgument        Failure = "wamp.error.invalid_argument"
	ProtocolViolation      Failure = "wamp.error.protocol_violation"
	Canceled               Failure = "wamp.error.canceled"
	Timeout                Failure = "wamp.error.timeout"
	Unavailable            Failure = "wamp.error.unavailable"
	NoAvailableCallee      Failure = "wamp.error.no_available_callee"
	NetworkFailure         Failure = "wamp.error.network_failure"
	PayloadSizeExceeded    Failure = "wamp.error.payload_size_exceeded"
	FeatureNotSupported    Failure = "wamp.error.feature_not_supported"
	OptionNotAllowed       Failure = "wamp.error.option_not_allowed"
	DiscloseMeNotAllowed   Failure = "wamp.error.option_disallowed.disclose_me"

	// MaxConcurrency is Crossbar.io's: a callee's concurrency limit is reached. Crossbar.io introduced these limits.
	MaxConcurrency Failure = "crossbar.error.max_concurrency_reached"

	// RegistrationTaken is Crossbar.io's reason for a registration that another callee replaced with force_reregister.
	RegistrationTaken Failure = "wamp.error.unregistered"

	NotAuthorized          Failure = "wamp.error.not_authorized"
	AuthorizationFailed    Failure = "wamp.error.authorization_failed"
	NoSuchRealm            Failure = "wamp.error.no_such_realm"
	NoSuchRole             Failure = "wamp.error.no_such_role"
	NoSuchPrincipal        Failure = "wamp.error.no_such_principal"
	NoSuchSession          Failure = "wamp.error.no_such_session"
	NoMatchingAuthMethod   Failure = "wamp.error.no_matching_auth_method"
	AuthenticationDenied   Failure = "wamp.error.authentication_denied"
	AuthenticationFailed   Failure = "wamp.error.authentication_failed"
	AuthenticationRequired Failure = "wamp.error.authentication_required"

	// DuplicateNode is Runnel's own: another router has the same node id as the one that joins.
	DuplicateNode Failure = "runnel.error.duplicate_node"

	CloseNormal    Failure = "wamp.close.normal"
	CloseRealm     Failure = "wamp.close.close_realm"
	CloseShutdown  Failure = "wamp.close.system_shutdown"
	CloseLogout    Failure = "wamp.close.logout"
	CloseKilled    Failure = "wamp.close.killed"
	GoodbyeAndOut  Failure = "wamp.close.goodbye_and_out"
	cancelledTwoLs Failure = "wamp.error.cancelled" // the spelling of one place in basic/remote_procedure_call.md
)

// IsCanceled reports whether uri says that a call was canceled, in either of the specification's spellings.
func IsCanceled(uri string) bool { return uri == string(Canceled) || uri == string(cancelledTwoLs) }
