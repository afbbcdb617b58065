package edge

import (
	"fmt"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// features are the features of a client, announced in HELLO, that affect how the router treats it.
type features uint16

const (
	calleeProgressiveResults features = 1 << iota
	calleeProgressiveInvocations
	calleeCanceling
	calleeReroute
	calleePassthru
	calleeRevocation
	callerProgressiveInvocations
	callerPassthru
	publisherPassthru
	subscriberRevocation
)

// clientRoles names the roles of HELLO.Details.roles, and their features that the router heeds. Where the specification has
// two spellings, both are accepted.
var clientRoles = map[string]map[string]features{
	"callee": {
		"progressive_call_results":     calleeProgressiveResults,
		"progressive_call_invocations": calleeProgressiveInvocations,
		"call_canceling":               calleeCanceling,
		"call_cancelling":              calleeCanceling,
		"call_reroute":                 calleeReroute,
		"payload_passthru_mode":        calleePassthru,
		"registration_revocation":      calleeRevocation,
	},
	"caller": {
		"progressive_call_invocations": callerProgressiveInvocations,
		"payload_passthru_mode":        callerPassthru,
	},
	"publisher": {
		"payload_passthru_mode": publisherPassthru,
	},
	"subscriber": {
		"subscription_revocation": subscriberRevocation,
	},
}

// routerRoles is WELCOME.Details.roles.
var routerRoles = map[string]any{
	"broker": map[string]any{"reflection": true, "features": map[string]any{
		"shareded_subscriptions":        true, // the specification's spelling
		"sharded_subscription":          true,
		"event_history":                 true,
		"event_retention":               true,
		"pattern_based_subscription":    true,
		"payload_passthru_mode":         true,
		"publication_trustlevels":       true,
		"publisher_exclusion":           true,
		"publisher_identification":      true,
		"session_meta_api":              true,
		"subscription_meta_api":         true,
		"subscription_revocation":       true,
		"subscriber_blackwhite_listing": true,
	}},
	"dealer": map[string]any{"reflection": true, "features": map[string]any{
		"sharded_registration":         true,
		"call_canceling":               true,
		"call_timeout":                 true,
		"call_trustlevels":             true,
		"call_reroute":                 true,
		"caller_identification":        true,
		"payload_passthru_mode":        true,
		"pattern_based_registration":   true,
		"progressive_call_invocations": true,
		"progressive_call_results":     true,
		"registration_revocation":      true,
		"registration_meta_api":        true,
		"session_meta_api":             true,
		"testament_meta_api":           true,
		"shared_registration":          true,
	}},
}

// rolesFor holds routerRoles in each serializer. bareRolesFor holds the roles without features, for peers that accept
// only short messages.
var (
	rolesFor     = inEachSerializer(routerRoles)
	bareRolesFor = inEachSerializer(map[string]any{"broker": map[string]any{}, "dealer": map[string]any{}})
)

func inEachSerializer(constant map[string]any) (roles [wamp.CBOR + 1]codec.Value) {
	for _, s := range wamp.Serializers {
		dict, err := codec.NewDict(s, constant)
		if err != nil {
			panic(err) // it is a constant
		}
		roles[s] = codec.Value(dict)
	}
	return roles
}

// announced reads HELLO.Details.roles. There must be at least one role (basic/sessions.md).
func announced(details map[string]any) (f features, err error) {
	roles, _ := details["roles"].(map[string]any)
	if len(roles) == 0 {
		return 0, violation("HELLO.Details.roles announces no role")
	}
	for name, role := range roles {
		known, ok := clientRoles[name]
		if !ok {
			return 0, violation(fmt.Sprintf("HELLO.Details.roles: %q is not a role of a client", name))
		}
		dict, ok := role.(map[string]any)
		if !ok {
			return 0, violation(fmt.Sprintf("HELLO.Details.roles.%s is not a dict", name))
		}
		of, _ := dict["features"].(map[string]any)
		for feature, bit := range known {
			if on, _ := of[feature].(bool); on {
				f |= bit
			}
		}
	}
	return f, nil
}

// has reports whether all of the wanted features were announced.
func (f features) has(wanted features) bool { return f&wanted == wanted }
