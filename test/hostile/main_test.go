// Package hostile breaks each rule of the protocol once, on the wire, and sends what no client would: the answer is the
// specified ABORT or ERROR or the end of the connection, memory stays bounded, and others do not notice. In each realm
// there are two bystanders, who publish to each other and call each other all the time: no event of theirs is lost, and
// no call fails.
//
// See package program for RUNNEL_BIN and RUNNEL_RUNNER.
package hostile

import (
	"testing"

	"runnel/test/kit"
	"runnel/test/stage"
)

// house is the router that all attack.
var house *stage.House

const realm = kit.GuestRole + `
[[realm.role.permission]]
uri = "bystander."
match = "prefix"
allow = []
[[realm.role]]
name = "bystander"
[[realm.role.permission]]
uri = "bystander."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
[[realm.principal]]
authid = "bystander"
role = "bystander"
ticket = "bystander"
`

// limits are low, so that they are reached.
const limits = `
[limits]
max_message = "256KiB"
max_subscriptions = 20
max_registrations = 20
max_calls = 20
max_retained = "64KiB"
outbox = "64KiB"
hello_timeout = "10s"
`

func TestMain(m *testing.M) {
	stage.TestMain(m, &house, stage.Config{Top: limits, Realm: realm, Lines: 24, Strict: 6}, watched)
}

// watched lets the bystanders begin.
func watched(string) (end func() error, err error) {
	if bystanders, err = newBystanders(); err != nil {
		return nil, err
	}
	return bystanders.leave, nil
}
