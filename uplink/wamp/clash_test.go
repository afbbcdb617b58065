package wamp

import (
	"errors"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// Another router with this node's id is reported once, and only if the centre reports it.
func TestClash(t *testing.T) {
	l, log := newTestLink(t)
	l.remoteFailed(errors.New("refused"))
	l.remoteFailed(client.NewError(wamp.NotAuthorized.Error()))
	if s := l.State(); s.Clash != "" || s.LastError != "wamp.error.not_authorized" {
		t.Errorf("state %+v", s)
	}
	for range 2 {
		l.remoteFailed(client.NewError(wamp.DuplicateNode.Error(), "the node id edge-1 is in use"))
	}
	if s := l.State(); !strings.Contains(s.Clash, "the node id edge-1 is in use") {
		t.Errorf("state %+v", s)
	}
	if text := log.String(); strings.Count(text, "another node has the id of this one") != 1 || !strings.Contains(text, "node=edge-1") {
		t.Errorf("log: %s", text)
	}
}

// Messages that have come back are counted. The first is logged.
func TestLoopsAreCounted(t *testing.T) {
	l, log := newTestLink(t)
	for range 3 {
		l.countLoop(place{name: "edge-1/realm1"})
	}
	if n := l.State().Looped; n != 3 || strings.Count(log.String(), "message dropped") != 1 || !strings.Contains(log.String(), "realm=edge-1/realm1") {
		t.Errorf("%d messages, log: %s", n, log)
	}
}

// The central router and those above it are reported, to a link that is asked to.
func TestAboveIsOptional(t *testing.T) {
	l, _ := newTestLink(t)
	l.reportAbove([]wamp.Node{{ID: "centre"}})
	var got [][]wamp.Node
	l.opts.Above = func(nodes []wamp.Node) { got = append(got, nodes) }
	l.reportAbove([]wamp.Node{{ID: "centre"}})
	l.reportAbove(nil)
	if len(got) != 2 || len(got[0]) != 1 || got[1] != nil {
		t.Errorf("reported %v", got)
	}
}
