package mqtt

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestEchoes(t *testing.T) {
	e := newEchoes([]string{"a/#"})
	say := func(topic string) bool { return e.take(topic, []byte("x"), false) }
	if say("a/b") {
		t.Error("an echo of what was not sent")
	}
	e.expect("a/b", []byte("x"), true, false)
	e.expect("a/b", []byte("x"), true, false)
	e.expect("b", []byte("x"), true, false)
	if got := []bool{say("a/c"), say("a/b"), say("a/b"), say("a/b"), say("b")}; !slices.Equal(got, []bool{false, true, true, false, false}) {
		t.Error(got)
	}
	for range maxEchoes + 1 {
		e.expect("a/b", []byte("x"), true, false)
	}
	if len(e.due) != maxEchoes {
		t.Errorf("%d are remembered", len(e.due))
	}
	e.expect("a/kept", []byte("x"), false, true)
	kept := func(payload string) bool { return e.take("a/kept", []byte(payload), true) }
	e.connected(false)
	if kept("x") {
		t.Error("the broker sends nothing again that it was not asked for")
	}
	e.expect("a/kept", []byte("x"), false, true)
	e.subscribing([]string{"a/#"})
	if say("a/b") || !kept("x") || kept("x") {
		t.Error("what the broker keeps was not recognized once")
	}
	e.expect("a/kept", []byte("x"), false, true)
	e.subscribing([]string{"a/#"})
	if kept("y") || kept("x") {
		t.Error("another client's message was taken for an echo")
	}
}

// An echo is expected for a limited time, and only within the connection, unless the broker keeps the session.
func TestEchoesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEchoes([]string{"a"})
		send := func(payload string) { e.expect("a", []byte(payload), true, false) }
		comes := func(payload string) bool { return e.take("a", []byte(payload), false) }
		send("1")
		time.Sleep(echoExpiry)
		if send("2"); !comes("1") || !comes("2") {
			t.Error("an echo is forgotten too early")
		}
		send("3")
		time.Sleep(echoExpiry + 1)
		if send("4"); comes("3") || !comes("4") {
			t.Error("an echo is remembered for too long")
		}
		send("5")
		if e.connected(true); !comes("5") {
			t.Error("an echo of the same session is forgotten")
		}
		send("6")
		if e.connected(false); comes("6") {
			t.Error("an echo of an earlier session is remembered")
		}
	})
}

// A message that does not come back is not expected.
func TestNoEcho(t *testing.T) {
	for name, c := range map[string]struct {
		topic          string
		live, retained bool
		want           bool // it is expected
	}{
		"live":                 {topic: "a/b", live: true, want: true},
		"retained":             {topic: "a/b", retained: true, want: true},
		"both":                 {topic: "a/b", live: true, retained: true, want: true},
		"neither":              {topic: "a/b"},
		"not subscribed to":    {topic: "b", live: true, retained: true},
		"the broker's own":     {topic: "$SYS/a", live: true},
		"the filter's own end": {topic: "a", live: true, want: true},
	} {
		e := newEchoes([]string{"a/#"})
		e.expect(c.topic, []byte("x"), c.live, c.retained)
		if got := len(e.due)+len(e.kept) > 0; got != c.want {
			t.Errorf("%s: expected %v", name, got)
		}
		e.subscribing([]string{"a/#"})
		if got := e.take(c.topic, []byte("x"), true); got != c.want {
			t.Errorf("%s: an echo %v", name, got)
		}
	}
}

// The last retained messages of a limited number of topics are remembered; those of remembered topics are replaced.
func TestKeptEchoesAreBounded(t *testing.T) {
	e := newEchoes([]string{"#"})
	for n := range maxEchoes + 1 {
		e.expect(fmt.Sprint(n), []byte("x"), false, true)
	}
	e.expect("0", []byte("y"), false, true)
	e.subscribing([]string{"#"})
	comes := func(n int, payload string) bool { return e.take(fmt.Sprint(n), []byte(payload), true) }
	if !comes(0, "y") || !comes(maxEchoes-1, "x") || comes(maxEchoes, "x") {
		t.Error("a topic within the bound is forgotten, or one beyond it is remembered")
	}
}
