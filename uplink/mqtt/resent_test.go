package mqtt

import (
	"fmt"
	"testing"
)

// The link recognizes a retained message that a matching SUBSCRIBE repeats without a change.
func TestResent(t *testing.T) {
	for name, c := range map[string]struct {
		topic, payload string
		filter         string
		retained       bool
		want           bool
	}{
		"again":           {"a/b", "x", "a/#", true, true},
		"changed":         {"a/b", "y", "a/#", true, false},
		"another filter":  {"a/b", "x", "b/#", true, false},
		"another topic":   {"a/c", "x", "a/#", true, false},
		"a live message":  {"a/b", "x", "a/#", false, false},
		"by its own name": {"a/b", "x", "a/b", true, true},
	} {
		r := newResent()
		r.delivered("a/b", []byte("x"))
		if r.known("a/b", []byte("x"), true) {
			t.Errorf("%s: known without a SUBSCRIBE", name)
		}
		r.subscribing([]string{c.filter})
		if got := r.known(c.topic, []byte(c.payload), c.retained); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if c.want && r.known(c.topic, []byte(c.payload), c.retained) {
			t.Errorf("%s: known twice", name)
		}
	}
}

// The last messages of a limited number of topics are remembered.
func TestResentIsBounded(t *testing.T) {
	r := newResent()
	for n := range maxResent {
		r.delivered(fmt.Sprint(n), []byte("x"))
	}
	r.delivered("0", []byte("y"))
	if len(r.last) != maxResent {
		t.Errorf("%d of %d topics are remembered", len(r.last), maxResent)
	}
	r.delivered("one more", []byte("x"))
	if r.subscribing([]string{"#"}); len(r.last) != maxResent || !r.known("one more", []byte("x"), true) {
		t.Errorf("%d topics are remembered, or the last one is not", len(r.last))
	}
}
