// Package auth decides who may join a realm, and what each session may do there.
//
// A Role is a name with permissions, compiled for the hot path (role.go). Principals are the peers that may join. They
// are compiled from a realm's configuration into indexes (principals.go). For each HELLO, Principals.Begin picks the
// first of the client's methods that can be used. The connection itself may identify the peer, by Unix credentials or a
// client certificate (peer.go). Otherwise Begin starts an Exchange: one CHALLENGE and one AUTHENTICATE. Each method has
// its own file: ticket.go, cra.go, scram.go, cryptosign.go. Package edge handles anonymous sessions (join.go).
//
// # Unknown authids
//
// A peer must not find out by trial which authids exist. A peer that names an unknown authid is challenged, too. The
// challenge has the parameters of a decoy and its own salt. The decoy is a principal that is always the same for that
// authid. No answer is right, and the peer receives the same error as for a wrong secret. The same happens if the
// authid is known but has no secret for the client's methods. Only the router's log contains the cause; see Refused.
//
// # Where clients differ from the specification
//
// WAMP-SCRAM has the method name "wamp-scram". Autobahn for Python and Crossbar.io implement an earlier draft as "scram". There
// the verifier is authextra.scram_server_signature, without "v=". AuthMessage has an empty "c=" and an authid that is not
// escaped. AUTHENTICATE.Extra is empty. With Argon2id the key is the base64 text of the hash; this derivation is called
// "argon2id-13". The router offers both names for every principal that has SCRAM keys. The keys of one derivation cannot be
// computed from those of the other, so a principal has keys either for "argon2id13" or for "argon2id-13".
//
// In salted WAMP-CRA the HMAC key is the base64 text of the derived key, not its octets. The specification does not say
// so, but all clients do it.
//
// With the channel binding "tls-unique" WAMP-Cryptosign needs 32 octets, but TLS provides 12 or 36. As in Autobahn,
// their SHA-256 hash is used.
package auth
