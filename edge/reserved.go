package edge

import (
	"fmt"
	"slices"

	"runnel/edge/wamp"
)

// URIs below "runnel." belong to the router, for its own procedures and events. Only internal sessions register and publish
// there, whatever a role's permissions say: a client must not answer for the router. A prefix that matches such URIs is
// refused as well. A wildcard with an empty first component is accepted, but is never called for these URIs.
//
// Options.Reports lists the exceptions: topics on which routers report to each other. A session whose role may forward is a
// router, too, and publishes its node's own reports there.

// ownURIs is the reserved prefix.
var ownURIs = wamp.Pattern{URI: "runnel.", Match: wamp.Prefix}

// checkProcedure returns an error if the session cannot register or describe a URI or pattern, even if its role allows it.
func (s *session) checkProcedure(uri string, match wamp.Match) error {
	switch {
	case s.internal() || !ownURIs.Overlaps(wamp.Pattern{URI: uri, Match: match}) || match == wamp.Wildcard && !wamp.OfNode(uri):
		return nil
	case wamp.OfNode(uri):
		return refusal{wamp.NotAuthorized, fmt.Sprintf("%q: URIs below \"runnel.\" are reserved for the router", uri)}
	}
	return refusal{wamp.NotAuthorized, fmt.Sprintf(
		"%v pattern %q: it matches URIs below \"runnel.\", which are reserved for the router; use a narrower pattern", match, uri)}
}

// answersFor reports whether calls of a URI that the registration matches may go to it.
func (r *registration) answersFor(uri []byte) bool {
	return !wamp.OfNode(uri) || r.callees[0].session.internal()
}

// checkTopic returns an error if the session cannot publish to a topic, even if its role allows it.
func (s *session) checkTopic(topic []byte) error {
	if !wamp.OfNode(topic) || s.internal() || s.role().Forwards() || slices.Contains(s.realm.router.options().Reports, string(topic)) {
		return nil
	}
	return refusal{wamp.NotAuthorized, fmt.Sprintf("%q: URIs below \"runnel.\" are reserved for the router", topic)}
}
