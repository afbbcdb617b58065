package wamp

// Failure is an error or a reason of the protocol: its text is the URI. A Failure is a Go error, so that the router's
// functions can return one and have it turned into ERROR, ABORT or GOODBYE in one place.
type Failure string

// Error returns the URI.
func (f Failure) Error() string { return string(f) }

// The URIs the specification names (basic/uri_reference.md, advanced/uris.md), and where it contradicts itself the form
// Runnel sends.
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

	// MaxConcurrency is Crossbar.io's: it gave callees the limit that this tells of.
	MaxConcurrency Failure = "crossbar.error.max_concurrency_reached"

	// RegistrationTaken is Crossbar.io's reason for a registration that another callee took with force_reregister.
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

	// DuplicateNode is Runnel's own: another router has the id of the one that joins.
	DuplicateNode Failure = "runnel.error.duplicate_node"

	CloseNormal    Failure = "wamp.close.normal"
	CloseRealm     Failure = "wamp.close.close_realm"
	CloseShutdown  Failure = "wamp.close.system_shutdown"
	CloseLogout    Failure = "wamp.close.logout"
	CloseKilled    Failure = "wamp.close.killed"
	GoodbyeAndOut  Failure = "wamp.close.goodbye_and_out"
	cancelledTwoLs Failure = "wamp.error.cancelled" // basic/remote_procedure_call.md spells it so once
)

// IsCanceled reports whether uri says that a call was canceled, in either of the specification's spellings.
func IsCanceled(uri string) bool { return uri == string(Canceled) || uri == string(cancelledTwoLs) }
