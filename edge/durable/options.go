package durable

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Options are the options of a SUBSCRIBE for a durable subscription.
type Options struct {
	Name   string // wamp.KeyDurable
	Start  Start  // wamp.KeyFrom
	Sent   bool   // wamp.KeyAck
	Wait   time.Duration
	Window int
	Origin bool // wamp.KeyOrigin
	MaxAge Age  // wamp.KeyMaxAge
}

// Age is a limit on the age of events.
type Age struct {
	Limit time.Duration // 0: none
	Given bool
}

// IsOption reports whether an option of SUBSCRIBE is about durable subscriptions.
func IsOption(key []byte) bool {
	switch string(key) {
	case wamp.KeyDurable, wamp.KeyFrom, wamp.KeyAck, wamp.KeyAckWait, wamp.KeyWindow, wamp.KeyMaxAge, wamp.KeyOrigin:
		return true
	}
	return false
}

// Read reads one option.
func (o *Options) Read(key []byte, v codec.Value) error {
	want := ""
	switch text, isText := v.Text(); string(key) {
	case wamp.KeyDurable:
		if !isText {
			want = "a string"
			break
		}
		o.Name = string(text)
		return CheckName(o.Name)
	case wamp.KeyFrom:
		if id, ok := v.Uint(); ok && wamp.ValidID(wamp.ID(id)) {
			o.Start = Start{After: wamp.ID(id)}
			return nil
		}
		if !isText {
			want = "a string or a publication id"
			break
		}
		var err error
		o.Start, err = ParseStart(string(text))
		return err
	case wamp.KeyAck:
		if o.Sent = string(text) == "sent"; !o.Sent && string(text) != "received" {
			want = `"received" or "sent"`
		}
	case wamp.KeyAckWait, wamp.KeyMaxAge:
		ms, ok := v.Uint()
		if !ok || ms > math.MaxInt64/uint64(time.Millisecond) {
			want = "a number of milliseconds"
			break
		}
		if d := time.Duration(ms) * time.Millisecond; string(key) == wamp.KeyAckWait {
			if o.Wait = d; !AckWaitInRange(d) {
				want = fmt.Sprintf("a number of milliseconds from %d to %d", MinAckWait.Milliseconds(), MaxAckWait.Milliseconds())
			}
		} else {
			o.MaxAge = Age{d, true}
		}
	case wamp.KeyOrigin:
		on, ok := v.Bool()
		if !ok {
			want = "a bool"
		}
		o.Origin = on
	case wamp.KeyWindow:
		n, ok := v.Uint()
		if !ok || n == 0 || n > MaxWindow {
			want = fmt.Sprintf("an integer from 1 to %d", MaxWindow)
		}
		o.Window = int(n)
	}
	if want != "" {
		return fmt.Errorf("option %q must be %s", key, want)
	}
	return nil
}

// Check reports options that are given without a name.
func (o *Options) Check() error {
	if o.Name == "" {
		return errors.New(`options "_from", "_ack", "_ack_wait", "_window", "_max_age" and "_origin" need the option "_durable"`)
	}
	return nil
}

// CheckRules returns the first error in the rules of a realm.
func CheckRules(rules []Rule, strict bool) error {
	for i, r := range rules {
		if err := CheckName(r.Name); err != nil {
			return err
		}
		if !wamp.ValidURI(r.URI, r.Match, strict) {
			return fmt.Errorf("durable subscription %q: %q is not a URI that can be matched as %v", r.Name, r.URI, r.Match)
		}
		if slices.ContainsFunc(rules[:i], func(other Rule) bool { return other.Name == r.Name && other.Owner == r.Owner }) {
			return fmt.Errorf("durable subscription %q: declared twice", r.Name)
		}
	}
	return nil
}
