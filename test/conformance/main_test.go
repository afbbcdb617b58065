// Package conformance checks on the wire that the router follows the protocol: every rule, over every transport and with
// every serializer, against the binary from outside. docs/protocol.md lists the cases of each feature.
//
// See package program for RUNNEL_BIN and RUNNEL_RUNNER.
package conformance

import (
	"testing"

	"runnel/test/kit"
	"runnel/test/stage"
)

// house is the router that all cases use.
var house *stage.House

// everyone is the realm of each way. It has anonymous sessions, and named ones of two roles. They have all rights except those
// that some cases test.
const everyone = kit.GuestRole + `
[[realm.role.permission]]
uri = "open."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
disclose = true
[[realm.role.permission]]
uri = "closed."
match = "prefix"
allow = []
[[realm.role.permission]]
uri = "closed.door"
allow = ["publish", "subscribe", "call", "register"]
[[realm.role.permission]]
uri = "history.closed."
match = "prefix"
allow = []
[[realm.role.permission]]
uri = "trust.low."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
trust = 0
[[realm.role.permission]]
uri = "trust.high."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
trust = 5
[[realm.role]]
name = "staff"
` + kit.Everything + `
[[realm.role]]
name = "outsider"
` + kit.Everything + `
[[realm.role.permission]]
uri = "wamp."
match = "prefix"
allow = []
[[realm.role.permission]]
uri = "runnel."
match = "prefix"
allow = []
[[realm.principal]]
authid = "ann"
role = "guest"
ticket = "ann"
[[realm.principal]]
authid = "bob"
role = "staff"
ticket = "bob"
[[realm.principal]]
authid = "eve"
role = "outsider"
ticket = "eve"
[[realm.role]]
name = "watched"
authorizer = "stage.authorize"
[[realm.role.permission]]
uri = "stage.sync."
match = "prefix"
allow = ["publish"]
[[realm.role.permission]]
uri = "free."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
[[realm.role.permission]]
uri = "shut."
match = "prefix"
allow = []
[[realm.role.permission]]
uri = "room..door"
match = "wildcard"
allow = ["publish"]
[[realm.role.permission]]
uri = "room..window"
match = "wildcard"
allow = []
[[realm.role.permission]]
uri = "room.cellar"
match = "prefix"
allow = []
[[realm.role.permission]]
uri = "room.cellar.door"
allow = ["publish"]
[[realm.principal]]
authid = "una"
role = "watched"
ticket = "una"
[realm.authenticator]
ticket = "stage.authenticate"
wampcra = "stage.authenticate"
[[realm.history]]
uri = "history."
match = "prefix"
[[realm.history]]
uri = "history.exact"
[[realm.history]]
uri = "history..leaf"
match = "wildcard"
[[realm.history]]
uri = "history.bounded"
events = 3
`

func TestMain(m *testing.M) {
	stage.TestMain(m, &house, stage.Config{Top: patient, Realm: everyone, Lines: 6, Strict: linesToStrict, Realms: guardedRealms, Extra: listeners})
}

// patient sets long timeouts, for peers on a busy machine.
const patient = `
[limits]
hello_timeout = "1m"
ask_timeout = "1m"
`

// linesToStrict is enough for three ways with four peers each.
const linesToStrict = 12

// listeners configures the listeners for cases that test listeners.
const listeners = `
[[listen]]
url = "unix://identity.sock"
realm = "stage.tcp_json"
authid = "door"
role = "staff"
[[listen]]
url = "tcp://localhost:0"
max_connections = 2
[[listen]]
url = "tcp://127.0.0.2:0"
max_message = "4096"
ping_interval = "100ms"
origins = ["https://app.example.com"]
[[listen]]
url = "tcp://127.0.0.3:0"
cookie = { name = "stage", max_age = "1h" }
[[listen]]
url = "tcp://127.0.0.4:0"
max_message = "65536"
compress = true
[[listen]]
url = "tcp://127.0.0.5:0"
ping_interval = "1s"
ping_timeout = "1s"
`
