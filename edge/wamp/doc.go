// Package wamp holds the words of the Web Application Messaging Protocol: message types, ids, URIs, match policies,
// error URIs, serializer names, and what is known of a peer's transport. It has no state and imports nothing beyond the
// standard library; every other package of the router may import it.
//
// References such as "basic/messages.md" name files under rfc/text of the specification's repository,
// wamp-proto/wamp-proto.
package wamp
