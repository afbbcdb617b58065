// Package wamp holds the vocabulary of the Web Application Messaging Protocol: message types, ids, URIs, match
// policies, error URIs, serializer names, and the description of a peer's transport. It has no state and imports only
// the standard library. Every other package of the router may import it.
//
// References such as "basic/messages.md" name files under rfc/text of the specification's repository, wamp-proto/wamp-proto.
package wamp
