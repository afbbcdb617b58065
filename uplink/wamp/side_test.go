package wamp

import (
	"strings"
	"testing"

	"runnel/edge/client"
)

// Events that can't be published on a side are counted. The first of an outage is logged, and the number at its end.
func TestOutage(t *testing.T) {
	l, log := newTestLink(t)
	for range 3 {
		l.local.drop()
	}
	l.local.joined(client.Welcome{Session: 7})
	l.local.joined(client.Welcome{Session: 8})
	if text := log.String(); strings.Count(text, "not connected; dropping events") != 1 ||
		strings.Count(text, "events dropped while not connected") != 1 || !strings.Contains(text, "events=3") {
		t.Errorf("log: %s", text)
	}
	if l.local.isSelf(7) || !l.local.isSelf(8) || (&side{}).isSelf(0) {
		t.Error("the link does not recognize its own session")
	}
	l.local.drop()
	if strings.Count(log.String(), "not connected; dropping events") != 2 {
		t.Errorf("the next outage is not logged: %s", log)
	}
}
