package edge

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"runnel/edge/auth"
	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// call routes a CALL to a callee.
func (s *session) call(t *turn, m *codec.Message) error {
	options, err := readCallOptions(m.Dict)
	if err != nil {
		return err
	}
	if resumed, err := s.continueStream(t, m, options); resumed || err != nil {
		return err
	}
	if options.passthru && !s.features.has(callerPassthru) {
		return violation("CALL in payload passthru mode, which the caller did not announce")
	}
	if !wamp.ValidURI(m.Text, wamp.Exact, s.strict) {
		return wamp.InvalidURI
	}
	if isOwnDurable(m.Text) || s.isWill(m.Text) { // like EVENT_RECEIVED, it needs no permission
		return s.callMeta(t, m)
	}
	disclose, err := s.permitted(t, auth.Call, m.Text, m.Dict)
	if err != nil {
		return err
	}
	if wamp.Reserved(m.Text) || isOwnProcedure(m.Text) {
		return s.callMeta(t, m)
	}
	if options.forwarded {
		if options.forwarded, err = s.acceptForwarding(m, true); err != nil {
			return err
		}
	}
	options.discloseMe = options.discloseMe || disclose
	for {
		reg, seat := s.answering(t, m.Text, options)
		if reg == nil {
			return refusal{wamp.NoSuchProcedure, fmt.Sprintf("no callee has registered %q", m.Text)}
		}
		if err := s.invoke(t, m, reg, seat, options); err != errChooseAgain {
			return err
		}
	}
}

// errChooseAgain means that the callee left, or another one became free, between the look-up and the INVOCATION: choose
// again by the current table.
var errChooseAgain = errors.New("the callee is no longer free")

// invoke sends the INVOCATION for the CALL m.
func (s *session) invoke(t *turn, m *codec.Message, reg *registration, seat *calleeSeat, o callOptions) error {
	callee, p := seat.session, &s.realm.pending
	if err := callee.accepts(o, len(m.Payload.Raw)); err != nil {
		return err
	}
	invocation := codec.Message{Type: wamp.Invocation, ID: reg.id}
	var err error
	if invocation.Payload, err = t.translate(m.Payload, callee.serializer); err != nil {
		return err
	}
	invocation.Dict = t.invocationDetails(s, m.Text, m.Dict, seat, o)

	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case seat.gone:
		return errChooseAgain
	case seat.busy():
		if next := reg.choose(o); next != seat && !next.busy() {
			return errChooseAgain // another callee is free by now
		}
		return refusal{wamp.MaxConcurrency, fmt.Sprintf("the callee accepts %d calls at a time", seat.concurrency)}
	}
	if err := s.mayCall(m, o); err != nil {
		return err
	}
	c := p.newCall()
	c.caller, c.request, c.progress = s, m.Request, o.receiveProgress
	if err := p.invoke(t, c, seat, &invocation); err != nil {
		if o.progress {
			s.memory().Drop(budget.Calls, len(m.Dict.Raw))
		}
		return err
	}
	if o.timeout > 0 && !seat.forwardTimeout {
		c.timeout = o.timeout
		c.timer = time.AfterFunc(c.timeout, func() { p.expire(c) })
	}
	if o.progress {
		c.stream = newStream(m, seat, o)
		c.addKept(len(c.stream.dict.Raw))
	} else if octets := len(m.Dict.Raw) + len(m.Payload.Raw); reg.reroutes(seat) && s.mayKeep(octets) {
		c.reroute = newReroute(m, seat, o)
		c.addKept(octets)
	}
	t.count.calls++
	return nil
}

// mayCall returns an error if the session cannot have another call in progress. The caller holds pending.mu.
func (s *session) mayCall(m *codec.Message, o callOptions) error {
	if len(s.calls) >= s.realm.router.options().MaxCalls {
		return refusal{wamp.Unavailable, "the session has reached its limit of calls in progress"}
	}
	if err := s.keepCall(); err != nil {
		return err
	}
	if o.progress && !s.mayKeep(len(m.Dict.Raw)) {
		return refusal{wamp.Unavailable, "the options of the session's progressive calls are too long"}
	}
	return nil
}

// accepts returns an error if the session, as a callee, cannot be given a call with these options and a payload of n bytes.
func (s *session) accepts(o callOptions, n int) error {
	switch {
	case s.out.congested(n):
		return refusal{wamp.Unavailable, "the callee does not keep up with its invocations"}
	case o.passthru && !s.features.has(calleePassthru):
		return refusal{wamp.FeatureNotSupported, "the callee does not know the payload passthru mode"}
	case o.progress && !s.features.has(calleeProgressiveInvocations|calleeCanceling):
		return refusal{wamp.FeatureNotSupported, "the callee does not know progressive call invocations"}
	}
	return nil
}

// invocationDetails makes INVOCATION.Details for a CALL of procedure with the given options.
func (t *turn) invocationDetails(caller *session, procedure []byte, dict codec.Dict, seat *calleeSeat, o callOptions) codec.Dict {
	callee := seat.session
	progress := o.receiveProgress && callee.acceptsProgress()
	forward, sharded := o.timeout > 0 && seat.forwardTimeout, o.resource != "" && callee.mayForward()
	trust, trusted := caller.role().Trust(procedure)
	disclose := o.discloseMe || seat.discloseCaller
	if !disclose && !trusted && seat.match == wamp.Exact && !progress && !forward && !o.passthru && !o.progress && !o.forwarded && !sharded {
		return codec.Dict{}
	}
	b := &t.details
	b.Reset(callee.serializer, nil)
	if seat.match != wamp.Exact {
		b.Text("procedure", procedure)
	}
	if disclose {
		b.Uint("caller", caller.id)
		b.String("caller_authid", caller.authid)
		b.String("caller_authrole", caller.role().Name())
	}
	if trusted {
		b.Uint("trustlevel", uint64(trust))
	}
	if progress {
		b.Bool("receive_progress", true)
	}
	if o.progress {
		b.Bool("progress", true)
	}
	if forward {
		b.Uint("timeout", uint64(o.timeout.Milliseconds()))
	}
	if o.passthru {
		addPassthru(b, dict)
	}
	if o.forwarded {
		addForwarded(b, dict)
	}
	if sharded {
		b.String("rkey", o.resource)
	}
	return b.Dict()
}

// acceptsProgress reports whether the session, as a callee, may be asked for progressive results.
// advanced/rpc_progressive_call_results.md requires call_canceling as well. autobahn-js does not announce it, so only a
// strict realm insists.
func (s *session) acceptsProgress() bool {
	if s.strict {
		return s.features.has(calleeProgressiveResults | calleeCanceling)
	}
	return s.features.has(calleeProgressiveResults)
}

// translate returns the payload in the given serializer. The result is valid until the turn's next message.
func (t *turn) translate(p codec.Payload, serializer wamp.Serializer) (codec.Payload, error) {
	own := p.Serializer == serializer
	had := cap(t.scratch)
	p, err := p.In(serializer, t.scratch)
	if !own && err == nil {
		t.scratch = p.Raw
		t.charge(had, cap(t.scratch))
	}
	return p, err
}

// yield routes a YIELD to the caller as RESULT. A YIELD for a call that has ended meanwhile (canceled, timed out, its caller
// gone) is dropped. A YIELD for an INVOCATION that was never sent is a protocol violation.
func (s *session) yield(t *turn, m *codec.Message) error {
	options, err := readYieldOptions(m.Dict)
	if err != nil {
		return violation("YIELD: " + err.Error())
	}
	if options.passthru && !s.features.has(calleePassthru) {
		return violation("YIELD in payload passthru mode, which the callee did not announce")
	}
	result := codec.Message{Type: wamp.Result, Payload: m.Payload}
	p := &s.realm.pending
	c, err := p.findAnswered(t, s, m.Request, &result.Payload)
	if c == nil {
		return err
	}
	defer p.mu.Unlock()
	if options.progress && !c.progress {
		return nil // the caller did not ask for it
	}
	if options.passthru && !c.caller.features.has(callerPassthru) {
		p.remove(c)
		p.fail(t, c, refusal{wamp.FeatureNotSupported, "the result is in payload passthru mode, which the caller did not announce"})
		return nil
	}
	if options.progress || options.passthru {
		t.details.Reset(c.caller.serializer, nil)
		if options.progress {
			t.details.Bool("progress", true)
		}
		if options.passthru {
			addPassthru(&t.details, m.Dict)
		}
		result.Dict = t.details.Dict()
	}
	if options.progress {
		c.restartTimeout()
	} else {
		p.remove(c)
	}
	p.answer(t, c, &result)
	return nil
}

// invocationError routes a callee's ERROR to the caller.
func (s *session) invocationError(t *turn, m *codec.Message) error {
	if m.ErrorType == wamp.Event && (s.internal() || s.durables.Load() != nil) {
		if !s.refuseDurable(m.Request) {
			s.realm.acknowledgements.rejected(t, s, m)
		}
		return nil
	}
	if m.ErrorType != wamp.Invocation {
		return violation("a client may send ERROR for INVOCATION only, not for " + m.ErrorType.String())
	}
	answer := codec.Message{Type: wamp.Error, ErrorType: wamp.Call, Dict: m.Dict, Text: m.Text, Payload: m.Payload}
	if !wamp.ValidURI(m.Text, wamp.Exact, s.strict) {
		answer = failureMessage(s.serializer, wamp.Call, 0, refusal{wamp.InvalidURI, "the callee answered with an error that is not a URI"})
	}
	p := &s.realm.pending
	c, err := p.findAnswered(t, s, m.Request, &answer.Payload)
	if c == nil {
		return err
	}
	defer p.mu.Unlock()
	if c.mayReroute(m) {
		p.rerouteCall(t, c)
		return nil
	}
	p.remove(c)
	p.answer(t, c, &answer)
	return nil
}

// cancel handles CANCEL (advanced/rpc_call_canceling.md). It is ignored for a call that has ended.
func (s *session) cancel(t *turn, m *codec.Message) error {
	mode, err := readCancelMode(m.Dict)
	if err != nil {
		return violation("CANCEL: " + err.Error())
	}
	p := &s.realm.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	c := s.calls[m.Request]
	if c == nil {
		return nil
	}
	if !c.callee.features.has(calleeCanceling) {
		mode = wamp.Skip
	}
	if c.killed && mode != wamp.KillNoWait {
		return nil // the callee has been asked; its answer ends the call
	}
	if mode == wamp.Kill {
		c.killed = true
		p.interrupt(t, c, mode)
		return nil
	}
	p.remove(c)
	if mode == wamp.KillNoWait {
		p.interrupt(t, c, mode)
	}
	p.fail(t, c, wamp.Canceled)
	return nil
}

// register answers REGISTER.
func (s *session) register(t *turn, m *codec.Message) error {
	options, err := readRegisterOptions(m.Dict)
	if err != nil {
		return err
	}
	if wamp.Reserved(m.Text) || !wamp.ValidURI(m.Text, options.match, s.strict) {
		return wamp.InvalidURI
	}
	uri := string(m.Text)
	if err := s.checkProcedure(uri, options.match); err != nil {
		return err
	}
	// A pattern is registered completely or not at all: calls use the best match, whatever the callee's permissions.
	for {
		role := s.role()
		grant, err := s.permittedPattern(t, question{auth.Register, options.match, uri}, m.Dict)
		if err != nil {
			return err
		}
		if grant.partly {
			return wamp.NotAuthorized
		}
		seat := &calleeSeat{
			session: s, uri: uri, match: options.match, node: cmp.Or(options.node, s.authid), granted: grant.asked,
			forwardTimeout: options.forwardTimeout, discloseCaller: options.discloseCaller, concurrency: options.concurrency,
			fallback: options.fallback && s.internal(), role: role,
		}
		if err := s.realm.register(t, seat, &options, m.Request); err != errOutdated {
			return err
		}
	}
}

// register adds the seat to its registration. errOutdated means that the session's role has changed meanwhile.
func (r *realm) register(t *turn, seat *calleeSeat, o *registerOptions, request wamp.ID) error {
	s := seat.session
	r.mu.Lock()
	defer r.mu.Unlock()
	if seat.role != s.role() {
		return errOutdated
	}
	if len(s.registrations) >= r.router.options().MaxRegistrations {
		return refusal{wamp.Unavailable, "the session has reached its limit of registrations"}
	}
	reg, ok := r.table(seat).Get(seat.match, seat.uri)
	if ok && o.force {
		if err := r.takeFrom(t, reg); err != nil {
			return err
		}
		ok = false
	}
	if !ok {
		reg = &registration{id: r.nextID(), uri: seat.uri, match: seat.match, invoke: o.invoke, created: time.Now(), turn: new(atomic.Uint64), sharded: new(atomic.Bool)}
	} else if reg.invoke != o.invoke || o.invoke == wamp.Single || s.registrations[reg.id] != nil {
		return refusal{wamp.ProcedureAlreadyExists, fmt.Sprintf("%q is already registered, with the policy %q", seat.uri, reg.invoke)}
	}
	// REGISTERED is appended before the seat is in the table, so no INVOCATION can precede it.
	if err := s.keepSeat(seat.uri); err != nil {
		return err
	}
	if err := t.send(s, &codec.Message{Type: wamp.Registered, Request: request, ID: reg.id}); err != nil {
		s.freeSeat(seat.uri)
		return err
	}
	if s.registrations == nil {
		s.registrations = make(map[wamp.ID]*calleeSeat)
	}
	seat.registration = reg.id
	reg.sharded.CompareAndSwap(false, o.node != "")
	s.registrations[reg.id] = seat
	r.table(seat).Set(reg.match, reg.uri, reg.with(seat))
	r.announceRegister(t, s, reg, !ok)
	return nil
}

// takeFrom revokes a registration from all its callees, for a callee that sent force_reregister, as Crossbar.io does. It fails for
// a procedure of an internal session. The caller holds mu.
func (r *realm) takeFrom(t *turn, reg *registration) error {
	for _, seat := range reg.callees {
		if seat.session.internal() {
			return refusal{wamp.NotAuthorized, fmt.Sprintf("%q is registered by a part of the router", reg.uri)}
		}
	}
	for _, seat := range reg.callees {
		r.revokeCallee(t, seat, string(wamp.RegistrationTaken))
	}
	return nil
}

// unregister answers UNREGISTER.
func (s *session) unregister(t *turn, m *codec.Message) error {
	r := s.realm
	r.mu.Lock()
	defer r.mu.Unlock()
	seat := s.registrations[m.ID]
	if seat == nil {
		return wamp.NoSuchRegistration
	}
	r.dropCallee(t, seat)
	return t.send(s, &codec.Message{Type: wamp.Unregistered, Request: m.Request})
}

// dropCallee removes a seat from its registration. No INVOCATION is sent to it afterwards. The caller holds mu.
func (r *realm) dropCallee(t *turn, seat *calleeSeat) {
	delete(seat.session.registrations, seat.registration)
	seat.session.freeSeat(seat.uri)
	table := r.table(seat)
	reg, ok := table.Get(seat.match, seat.uri)
	if !ok {
		return
	}
	if reg = reg.without(seat); len(reg.callees) == 0 {
		table.Remove(seat.match, seat.uri)
	} else {
		table.Set(seat.match, seat.uri, reg)
	}
	// The table is changed before the seat is marked: a caller that sees the mark does not find the seat when it searches again.
	r.pending.mu.Lock()
	seat.gone = true
	r.pending.mu.Unlock()
	r.announceUnregister(t, seat.session, reg, len(reg.callees) == 0)
}

// dropRegistrations ends all of s's registrations. The caller holds mu.
func (r *realm) dropRegistrations(t *turn, s *session) {
	for _, seat := range s.registrations {
		r.dropCallee(t, seat)
	}
}
