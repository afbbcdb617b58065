package wamp

// Match is a matching policy of a subscription, a registration or a permission (advanced/pubsub_pattern_based_subscription.md).
type Match uint8

const (
	Exact    Match = iota // the whole URI
	Prefix                // the URI's first characters; a character prefix, not a component-wise one
	Wildcard              // the same number of components; an empty component of the pattern matches any
)

var matchNames = [...]string{"exact", "prefix", "wildcard"}

// String returns the policy's name in the protocol.
func (m Match) String() string { return matchNames[m] }

// ParseMatch returns the policy with a name; the empty string is Exact.
func ParseMatch(s string) (m Match, ok bool) {
	i, ok := parseName(matchNames[:], s)
	return Match(i), ok
}

// Invoke is the policy for choosing a callee of a shared registration (advanced/rpc_shared_registration.md).
type Invoke uint8

const (
	Single     Invoke = iota // at most one callee
	First                    // the callee that registered first
	Last                     // the callee that registered last
	RoundRobin               // all in turn, in order of registration
	Random                   // a random one
)

var invokeNames = [...]string{"single", "first", "last", "roundrobin", "random"}

// String returns the policy's name in the protocol.
func (i Invoke) String() string { return invokeNames[i] }

// ParseInvoke returns the policy with a name; the empty string is Single.
func ParseInvoke(s string) (i Invoke, ok bool) {
	n, ok := parseName(invokeNames[:], s)
	return Invoke(n), ok
}

// CancelMode says what CANCEL does to an invocation (advanced/rpc_call_canceling.md).
type CancelMode uint8

const (
	KillNoWait CancelMode = iota // ERROR to the caller at once, INTERRUPT to the callee
	Kill                         // INTERRUPT to the callee, whose answer ends the call
	Skip                         // ERROR to the caller at once, nothing to the callee
)

var cancelNames = [...]string{"killnowait", "kill", "skip"}

// String returns the mode's name in the protocol.
func (m CancelMode) String() string { return cancelNames[m] }

// ParseCancelMode returns the mode with a name. The empty string is KillNoWait: the specification does not name a
// default, and other routers use this one.
func ParseCancelMode(s string) (m CancelMode, ok bool) {
	i, ok := parseName(cancelNames[:], s)
	return CancelMode(i), ok
}

func parseName(names []string, s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	for i, name := range names {
		if s == name {
			return i, true
		}
	}
	return 0, false
}
