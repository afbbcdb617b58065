package fleet

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"time"
	"unicode"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// URIs of the errors that the procedures return.
const (
	NoData      = "runnel.error.no_data"
	Invalid     = "wamp.error.invalid_argument"
	Full        = "runnel.error.fleet_full"
	NoSuchNode  = "runnel.error.no_such_node"
	NoSuchToken = "runnel.error.no_such_token"
	Spent       = "runnel.error.token_spent"
	Taken       = "runnel.error.node_taken"

	NodeOffline  = "runnel.error.node_offline"
	NotRemote    = "runnel.error.not_remote"
	NotAttending = "runnel.error.not_attending"
	NotApplied   = "runnel.error.not_applied"
)

// Error is a rejected request, with the URI of its WAMP error.
type Error struct{ URI, Text string }

func (e *Error) Error() string { return e.Text }

// Request is the data that a node sends to enrol. Key is its public key.
type Request struct {
	Node, Key, Board, Version string
}

// longest bounds each text of a request, in bytes.
const longest = 256

func (q Request) check() (ed25519.PublicKey, error) {
	for _, text := range []string{q.Node, q.Key, q.Board, q.Version} {
		for _, r := range text {
			if !unicode.IsPrint(r) {
				return nil, &Error{Invalid, "a text of the request holds an unprintable character"}
			}
		}
		if len(text) > longest {
			return nil, &Error{Invalid, fmt.Sprintf("a text of the request is longer than %d bytes", longest)}
		}
	}
	if q.Node == "" || !wamp.ValidURI(q.Node, wamp.Exact, false) {
		return nil, &Error{Invalid, fmt.Sprintf("%q is not a valid node id", q.Node)}
	}
	key, err := auth.ParseKey(q.Key)
	if err != nil {
		return nil, &Error{Invalid, "public key: " + err.Error()}
	}
	return key, nil
}

// Enrol adds a node to the registry. The node's session must have proved that it holds the token. taken reports whether the
// configuration has a principal with an authid. While the token is valid, a node may enrol again with the same key, which does
// not use up the token. The error is an *Error.
func (r *Registry) Enrol(realm, token string, q Request, taken func(authid string) bool) (n Node, err error) {
	n, uses, err := r.enrol(realm, token, q, taken)
	if err != nil {
		r.log.Warn("enrolment rejected", "realm", realm, "node", bounded(q.Node), "token", token, "err", err)
		return n, err
	}
	r.log.Info("node enrolled", "realm", realm, "node", n.ID, "role", n.Role, "token", token, "uses_left", uses, "board", n.Board, "version", n.Version)
	return n, nil
}

func (r *Registry) enrol(realm, token string, q Request, taken func(string) bool) (n Node, left int, err error) {
	key, err := q.check()
	if err != nil {
		return n, 0, err
	}
	if taken(q.Node) {
		return n, 0, &Error{Taken, fmt.Sprintf("the centre's configuration already has a principal %q; choose another id", q.Node)}
	}
	err = r.change(func(k *kept) error {
		i := k.token(realm, token)
		if i < 0 {
			return &Error{NoSuchToken, "the token was revoked; ask for another one"}
		}
		t := &k.Tokens[i]
		if why := t.spent(time.Now()); why != "" {
			return &Error{Spent, fmt.Sprintf("the token %s is %s (%d of %d uses, until %s); ask for another one", t.ID, why, t.Used, t.Uses, t.Expires.Format(time.RFC3339))}
		}
		n = Node{ID: q.Node, Realm: realm, Role: t.Role, Key: q.Key, Board: q.Board, Version: q.Version, Token: t.ID, Enrolled: time.Now().UTC().Truncate(time.Second)}
		if at := k.node(realm, q.Node); at >= 0 {
			if known, err := auth.ParseKey(k.Nodes[at].Key); err != nil || !bytes.Equal(known, key) {
				return &Error{Taken, fmt.Sprintf("a node %q has enrolled with another key; choose another id, or at the centre: runnel fleet forget %s", q.Node, q.Node)}
			}
			k.Nodes[at] = n
		} else if len(k.Nodes) >= mostNodes {
			return &Error{Full, fmt.Sprintf("the fleet has %d nodes, which is the limit; remove nodes at the centre with runnel fleet forget", mostNodes)}
		} else {
			t.Used++
			k.Nodes = append(k.Nodes, n)
		}
		left = t.Uses - t.Used
		return nil
	})
	return n, left, err
}

// bounded shortens a text of a node for the log.
func bounded(text string) string { return text[:min(len(text), longest)] }
