package edge

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"runnel/edge/codec"
	"runnel/edge/durable"
	"runnel/edge/filter"
	"runnel/edge/wamp"
)

// The options of requests are read without building Go values. Unknown keys are ignored (basic/messages.md), and so is
// null. A known key with a value of the wrong type is rejected by name, unless package codec has rejected it already.

// nextOption advances to the next option that is set.
func nextOption(f *codec.Fields) bool {
	for f.Next() {
		if !f.Value().IsNull() {
			return true
		}
	}
	return false
}

func wrongType(key []byte, want string) error {
	return refusal{wamp.InvalidArgument, fmt.Sprintf("option %q must be %s", key, want)}
}

func boolOption(f *codec.Fields, into *bool) error {
	v, ok := f.Value().Bool()
	if !ok {
		return wrongType(f.Key(), "a bool")
	}
	*into = v
	return nil
}

// msOption reads a number of milliseconds. It is capped at what a time.Duration can hold.
func msOption(f *codec.Fields, into *time.Duration) error {
	ms, ok := f.Value().Uint()
	if !ok || ms > math.MaxInt64/uint64(time.Millisecond) {
		return wrongType(f.Key(), "a number of milliseconds")
	}
	*into = time.Duration(ms) * time.Millisecond
	return nil
}

func textOption(f *codec.Fields, into *string) error {
	text, ok := f.Value().Text()
	if !ok {
		return wrongType(f.Key(), "a string")
	}
	*into = string(text)
	return nil
}

// countOption reads a number greater than 0.
func countOption(f *codec.Fields, into *int) error {
	n, ok := f.Value().Uint()
	if !ok || n == 0 {
		return wrongType(f.Key(), "a positive integer")
	}
	*into = int(min(n, math.MaxInt32))
	return nil
}

// nameOption reads an option whose value is the name of a policy.
func nameOption[T any](f *codec.Fields, parse func(string) (T, bool), into *T) error {
	text, ok := f.Value().Text()
	if ok {
		*into, ok = parse(string(text))
	}
	if !ok {
		return refusal{wamp.InvalidArgument, fmt.Sprintf("option %q has an unknown value", f.Key())}
	}
	return nil
}

// publishOptions is PUBLISH.Options.
type publishOptions struct {
	acknowledge bool
	discloseMe  bool
	excludeMe   bool
	retain      bool
	ttl         time.Duration // after which the event has expired; 0: no limit
	passthru    bool          // ppt_* options must be passed on
	noted       bool          // notes (wamp.IsNote) must be passed on
	forwarded   bool          // forward_for or _time must be passed on, see forward.go
	origin      bool          // _origin is present, see once.go
	resource    string        // rkey, see shard.go
	filtered    bool          // black or white lists are present
	plain       bool          // no option but acknowledge is present
}

func readPublishOptions(d codec.Dict) (o publishOptions, err error) {
	o.excludeMe, o.plain = true, true
	if d.Empty() {
		return o, nil
	}
	for f := d.Fields(); nextOption(&f) && err == nil; {
		o.plain = o.plain && string(f.Key()) == "acknowledge"
		switch key := f.Key(); string(key) {
		case "acknowledge":
			err = boolOption(&f, &o.acknowledge)
		case "disclose_me":
			err = boolOption(&f, &o.discloseMe)
		case "exclude_me":
			err = boolOption(&f, &o.excludeMe)
		case "retain":
			err = boolOption(&f, &o.retain)
		case wamp.KeyTTL:
			err = msOption(&f, &o.ttl)
		case "rkey":
			err = textOption(&f, &o.resource)
		case "forward_for", wamp.KeyTime:
			o.forwarded = true
		case wamp.KeyOrigin:
			o.origin = true
		default:
			o.filtered = o.filtered || filter.IsList(key)
			o.passthru, o.noted = o.passthru || isPassthru(key), o.noted || wamp.IsNote(key)
		}
	}
	return o, err
}

// readFilter reads the black and white lists of PUBLISH.Options, if there are any. It decodes lists, so the publisher's
// permission must have been checked before.
func readFilter(d codec.Dict, filtered bool) (*filter.Filter, error) {
	if !filtered {
		return nil, nil
	}
	lists, err := filter.Read(d)
	if err != nil {
		return nil, refusal{wamp.InvalidArgument, err.Error()}
	}
	return lists, nil
}

// isPassthru reports whether an option belongs to the payload passthru mode (advanced/payload_passthru_mode.md).
func isPassthru(key []byte) bool { return bytes.HasPrefix(key, []byte("ppt_")) }

// addPassthru copies the ppt_* options and the notes of a request.
func addPassthru(b *codec.Builder, from codec.Dict) {
	for f := from.Fields(); f.Next(); {
		if isPassthru(f.Key()) || wamp.IsNote(f.Key()) {
			b.Value(string(f.Key()), f.Value())
		}
	}
}

// subscribeOptions is SUBSCRIBE.Options.
type subscribeOptions struct {
	match         wamp.Match
	node          string // nkey, see shard.go
	getRetained   bool
	confirm       bool // see confirm.go
	wantsRetained bool // details mark retained events

	durable *durable.Options // nil: the subscription is not durable
}

func readSubscribeOptions(d codec.Dict) (o subscribeOptions, err error) {
	for f := d.Fields(); nextOption(&f) && err == nil; {
		switch string(f.Key()) {
		case "match":
			err = nameOption(&f, wamp.ParseMatch, &o.match)
		case "nkey":
			err = textOption(&f, &o.node)
		case "get_retained":
			err = boolOption(&f, &o.getRetained)
		case wamp.KeyConfirm:
			err = boolOption(&f, &o.confirm)
		case wamp.KeyRetain:
			err = boolOption(&f, &o.wantsRetained)
		default:
			if durable.IsOption(f.Key()) {
				err = o.readDurable(&f)
			}
		}
	}
	return o, err
}

func (o *subscribeOptions) readDurable(f *codec.Fields) error {
	if o.durable == nil {
		o.durable = new(durable.Options)
	}
	if err := o.durable.Read(f.Key(), f.Value()); err != nil {
		return refusal{wamp.InvalidArgument, err.Error()}
	}
	return nil
}

// registerOptions is REGISTER.Options.
type registerOptions struct {
	match          wamp.Match
	invoke         wamp.Invoke
	node           string // nkey, see shard.go
	forwardTimeout bool
	discloseCaller bool
	force          bool // force_reregister: replaces the current callee
	concurrency    int  // limit of concurrent calls; 0: none
	fallback       bool // see fallback.go
}

func readRegisterOptions(d codec.Dict) (o registerOptions, err error) {
	for f := d.Fields(); nextOption(&f) && err == nil; {
		switch string(f.Key()) {
		case "match":
			err = nameOption(&f, wamp.ParseMatch, &o.match)
		case "invoke":
			err = nameOption(&f, wamp.ParseInvoke, &o.invoke)
		case "nkey":
			err = textOption(&f, &o.node)
		case "forward_timeout":
			err = boolOption(&f, &o.forwardTimeout)
		case "disclose_caller":
			err = boolOption(&f, &o.discloseCaller)
		case "force_reregister":
			err = boolOption(&f, &o.force)
		case "concurrency":
			err = countOption(&f, &o.concurrency)
		case wamp.KeyFallback:
			err = boolOption(&f, &o.fallback)
		}
	}
	return o, err
}

// callOptions is CALL.Options.
type callOptions struct {
	discloseMe      bool
	receiveProgress bool
	progress        bool // further chunks of the arguments follow
	passthru        bool
	forwarded       bool          // forward_for must be passed on, see forward.go
	runmode         string        // see shard.go
	resource        string        // rkey
	timeout         time.Duration // 0: no timeout
}

func readCallOptions(d codec.Dict) (o callOptions, err error) {
	if d.Empty() {
		return o, nil
	}
	for f := d.Fields(); nextOption(&f) && err == nil; {
		switch key := f.Key(); string(key) {
		case "disclose_me":
			err = boolOption(&f, &o.discloseMe)
		case "receive_progress":
			err = boolOption(&f, &o.receiveProgress)
		case "progress":
			err = boolOption(&f, &o.progress)
		case "runmode":
			err = textOption(&f, &o.runmode)
		case "rkey":
			err = textOption(&f, &o.resource)
		case "timeout":
			err = msOption(&f, &o.timeout)
		case "forward_for":
			o.forwarded = true
		default:
			o.passthru = o.passthru || isPassthru(key)
		}
	}
	if err == nil {
		err = o.checkRunmode()
	}
	return o, err
}

// yieldOptions is YIELD.Options.
type yieldOptions struct{ progress, passthru bool }

func readYieldOptions(d codec.Dict) (o yieldOptions, err error) {
	if d.Empty() {
		return o, nil
	}
	for f := d.Fields(); nextOption(&f) && err == nil; {
		if key := f.Key(); string(key) == "progress" {
			err = boolOption(&f, &o.progress)
		} else {
			o.passthru = o.passthru || isPassthru(key)
		}
	}
	return o, err
}

func readCancelMode(d codec.Dict) (mode wamp.CancelMode, err error) {
	for f := d.Fields(); nextOption(&f) && err == nil; {
		if string(f.Key()) == "mode" {
			err = nameOption(&f, wamp.ParseCancelMode, &mode)
		}
	}
	return mode, err
}
