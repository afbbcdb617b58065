// Package hostile breaks each rule of the protocol once, on the wire, and sends malformed input. The router must answer with
// the specified ABORT or ERROR, or close the connection. Its memory must stay bounded, and other sessions must not be
// affected. Each realm has two bystanders, which continually publish to each other and call each other: they must lose no
// event, and none of their calls may fail.
//
// See package program for RUNNEL_BIN and RUNNEL_RUNNER.
package hostile

import (
	"testing"

	"runnel/test/kit"
	"runnel/test/stage"
)

// house is the router that all cases attack.
var house *stage.House

const realm = kit.GuestRole + `
[[realm.role.permission]]
uri = "bystander."
match = "prefix"
allow = []
[[realm.role]]
name = "device"
durable = true
[[realm.role.permission]]
uri = "device."
match = "prefix"
allow = ["publish", "subscribe"]
[[realm.principal]]
authid = "ann"
role = "device"
ticket = "ann's"
[[realm.principal]]
authid = "bob"
role = "device"
ticket = "bob's"
` + bystanderRole

// bystanderRole is the role of the bystanders, and their principal.
const bystanderRole = `[[realm.principal]]
authid = "bystander"
role = "bystander"
ticket = "bystander"
[[realm.role]]
name = "bystander"
[[realm.role.permission]]
uri = "bystander."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
`

// mqttDoor is a listener for MQTT clients, into mqttRealm.
const mqttDoor = `
[[listen]]
url = "mqtt://127.0.0.1:0"
realm = "stage.tcp_cbor"
`

const mqttRealm = "stage.tcp_cbor"

// limits is a configuration with low limits, so that cases reach them.
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
	config := stage.Config{
		Top: limits, Realm: realm, Lines: 24, Strict: 6, Extra: mqttDoor + web,
		Realms: func(*stage.House) (map[string]string, error) { return map[string]string{webRealm: webRoles}, nil },
	}
	stage.TestMain(m, &house, config, watched)
}

// watched starts the bystanders.
func watched(string) (end func() error, err error) {
	if bystanders, err = newBystanders(); err != nil {
		return nil, err
	}
	return bystanders.close, nil
}
