// Package auth decides who may join a realm and what he may do there.
//
// A Role is a name with permissions, compiled for the hot path (role.go). Principals are those who may join: what a
// realm's configuration says of each, compiled into indexes (principals.go). For one HELLO, Principals.Begin picks the
// first of the client's methods that can be used and either knows at once who the peer is (its Unix credentials, its
// client certificate: peer.go) or starts an Exchange, which is one CHALLENGE and one AUTHENTICATE; each method has a
// file: ticket.go, cra.go, scram.go, cryptosign.go. Anonymous sessions are the router's affair; see package edge,
// join.go.
//
// # Who is not there
//
// Nobody may find out by trying which authids exist. A peer that names an unknown authid is challenged with the
// parameters of a stand-in, a principal that is always the same for that authid, and with a salt of its own; whatever
// it answers, it hears what a wrong secret hears. So is one that names a known authid and a method it has no secret for.
// The reason is for the router's log only: see Refused.
//
// # Where clients differ from the specification
//
// WAMP-SCRAM has the method name "wamp-scram". Autobahn for Python and Crossbar.io implement an earlier draft as
// "scram": the verifier is authextra.scram_server_signature, without "v="; AuthMessage has an empty "c=" and an authid
// that is not escaped; AUTHENTICATE.Extra is empty; with Argon2id the key is the hash's base64 text, and this derivation
// is called "argon2id-13". Both names are offered for every principal that has SCRAM keys. Keys of the other derivation
// cannot be computed from the stored ones, so a principal has its keys either for "argon2id13" or for "argon2id-13".
//
// With salted WAMP-CRA it is the base64 text of the derived key that signs, not its octets: the specification is silent
// and all clients do so.
//
// With the channel binding "tls-unique" WAMP-Cryptosign needs 32 octets, where TLS gives 12 or 36: what is signed over is
// their SHA-256, as in Autobahn.
package auth
