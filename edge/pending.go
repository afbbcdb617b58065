package edge

import (
	"fmt"
	"sync"
	"time"

	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// pending holds the calls of a realm that are in progress. A call is in the maps of its caller and its callee until it
// ends. The code that removes it, under mu, answers the caller. The answer is appended under mu, too, so that no
// message of a call follows its end.
type pending struct {
	mu sync.Mutex

	unused []*call // ended calls, to be used again. Guarded by mu.
}

// maxUnused limits pending.unused.
const maxUnused = 256

// call is a CALL between caller and callee.
type call struct {
	// Static after construction.
	caller   *session
	request  wamp.ID // CALL.Request
	progress bool    // the caller requests progressive results
	timeout  time.Duration

	// Guarded by pending.mu.
	callee     *session
	seat       *calleeSeat // the callee's
	invocation wamp.ID     // INVOCATION.Request
	killed     bool        // CANCEL in mode kill was received
	ended      bool
	timer      *time.Timer // nil: no timeout
	stream     *stream     // nil: the arguments are not chunked
	reroute    *reroute    // nil: no other callee can be tried
	octets     int         // bytes kept of the CALL
}

// maxKept limits the bytes kept of a session's pending CALLs: of calls that may be rerouted, and of the options of
// chunked calls. Beyond it, a callee's error is final.
const maxKept = 4 << 20

// addKept counts bytes kept of the CALL, which mayKeep has charged. The caller holds mu.
func (c *call) addKept(octets int) {
	c.octets = octets
	c.caller.kept += octets
}

// newCall returns an empty call. The caller holds mu.
func (p *pending) newCall() *call {
	n := len(p.unused)
	if n == 0 {
		return new(call)
	}
	c := p.unused[n-1]
	p.unused = p.unused[:n-1]
	*c = call{}
	return c
}

// invoke assigns the INVOCATION its id, sends it to the callee and adds the call. One lock covers all of it, so that a callee sees
// INVOCATION.Request in sequence 1, 2, 3, ... The caller holds mu.
func (p *pending) invoke(t *turn, c *call, seat *calleeSeat, invocation *codec.Message) error {
	callee := seat.session
	invocation.Request = wamp.NextID(callee.lastInvocation)
	if err := t.send(callee, invocation); err != nil {
		return err
	}
	callee.lastInvocation = invocation.Request
	c.callee, c.seat, c.invocation = callee, seat, invocation.Request
	seat.calls.Add(1)
	p.add(c)
	return nil
}

// add adds c to the maps of its caller and its callee. The caller holds mu.
func (p *pending) add(c *call) {
	if c.caller.calls == nil {
		c.caller.calls = make(map[wamp.ID]*call)
	}
	if c.callee.invocations == nil {
		c.callee.invocations = make(map[wamp.ID]*call)
	}
	c.caller.calls[c.request] = c
	c.callee.invocations[c.invocation] = c
}

// remove ends c. Until mu is unlocked, c can still be answered. Then it may be used again, unless a timer, a stream or another
// callee may refer to it. The caller holds mu.
func (p *pending) remove(c *call) {
	if !c.ended {
		c.caller.kept -= c.octets
		c.caller.memory().Drop(budget.Calls, c.octets)
		c.seat.calls.Add(-1)
		if len(p.unused) < maxUnused && c.timer == nil && c.stream == nil && c.reroute == nil {
			p.unused = append(p.unused, c)
		}
	}
	c.ended = true
	delete(c.caller.calls, c.request)
	delete(c.callee.invocations, c.invocation)
	c.caller.freeCalls(false)
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.stream != nil && c.stream.open {
		c.caller.noteUnfinished(c.request)
	}
}

// restartTimeout starts the callee's time again: the timeout applies between progressive results
// (advanced/rpc_progressive_call_results.md). The caller holds mu.
func (c *call) restartTimeout() {
	if c.timer != nil {
		c.timer.Reset(c.timeout)
	}
}

// findAnswered finds the call that callee answers and transcodes the answer's payload for its caller. If there is such a call,
// it returns with mu held. If the call has ended before, it returns neither a call nor an error: the late answer is ignored.
func (p *pending) findAnswered(t *turn, callee *session, invocation wamp.ID, payload *codec.Payload) (*call, error) {
	p.mu.Lock()
	c := callee.invocations[invocation]
	if c != nil && c.caller.serializer != callee.serializer && payload.Items > 0 {
		serializer := c.caller.serializer // c may end meanwhile, and be used again
		p.mu.Unlock()                     // transcoding a large payload must not block the realm
		translated, err := t.translate(*payload, serializer)
		if err != nil {
			return nil, violation(err.Error())
		}
		*payload = translated
		p.mu.Lock()
		c = callee.invocations[invocation]
	}
	if c != nil {
		return c, nil
	}
	last := callee.lastInvocation
	p.mu.Unlock()
	if invocation > last {
		return nil, violation(fmt.Sprintf("unknown INVOCATION %d", invocation))
	}
	return nil, nil
}

// answer sends the caller a message about its call. The caller holds mu.
func (p *pending) answer(t *turn, c *call, m *codec.Message) {
	m.Request = c.request
	if err := t.send(c.caller, m); err != nil {
		if !c.ended {
			p.remove(c)
		}
		p.fail(t, c, err)
	}
}

// fail sends the caller an ERROR for err. The caller holds mu.
func (p *pending) fail(t *turn, c *call, err error) {
	m := failureMessage(c.caller.serializer, wamp.Call, c.request, err)
	t.send(c.caller, &m)
}

// stop ends a call before the callee has answered it: the caller gets an ERROR for err. The caller holds mu.
func (p *pending) stop(t *turn, c *call, err error) {
	p.remove(c)
	p.interrupt(t, c, wamp.KillNoWait)
	p.fail(t, c, err)
}

// interrupt sends INTERRUPT to the callee, if it has announced that feature. The caller holds mu.
func (p *pending) interrupt(t *turn, c *call, mode wamp.CancelMode) {
	if !c.callee.features.has(calleeCanceling) {
		return
	}
	t.details.Reset(c.callee.serializer, nil)
	t.details.String("mode", mode.String())
	t.send(c.callee, &codec.Message{Type: wamp.Interrupt, Request: c.invocation, Dict: t.details.Dict()})
}

// expire ends a call that has timed out. Its timer calls it.
func (p *pending) expire(c *call) {
	t := turns.Get().(*turn)
	p.mu.Lock()
	if !c.ended {
		p.stop(t, c, wamp.Timeout)
	}
	p.mu.Unlock()
	t.endDetached(c.caller.realm.router)
}

// endCalls ends all calls of s. Its own calls are interrupted, and the calls that it had to answer fail at once
// (basic/remote_procedure_call.md).
func (p *pending) endCalls(t *turn, s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range s.calls {
		p.remove(c)
		p.interrupt(t, c, wamp.KillNoWait)
	}
	for _, c := range s.invocations {
		p.remove(c)
		p.fail(t, c, refusal{wamp.Canceled, "the callee has left"})
	}
	s.freeCalls(true)
	p.unused = nil // they may refer to s
}
