package lapb

import (
	"io"
	"time"

	"runnel/transport/serial/hdlc"
)

// unnumbered takes a U frame.
func (l *Link) unnumbered(f hdlc.Frame, command bool) {
	p := f.Control&pf != 0
	if command && p {
		l.turn = true
	}
	switch kind := f.Control &^ pf; {
	case l.phase == disconnected && !command && (kind == ua || kind == dm):
		l.phase, l.lingerAt = stopped, time.Time{}
	case kind == xid:
		l.identity(f.Info, command, p)
	case kind == ui && command:
		l.count.Logs++
		l.user.Log(f.Info)
	case kind == sabm && command:
		l.receiveCall(p)
	case kind == disc && command:
		l.receiveDisc(p)
	case kind == ua && !command:
		l.receiveUA()
	case (kind == dm || kind == frmr) && !command:
		l.refused(kind)
	default:
		l.count.Ignored++
	}
}

// identity takes the other end's identity. It takes effect with the next connection.
func (l *Link) identity(info []byte, command, p bool) {
	peer, ok := parseIdentity(info)
	if !ok {
		l.count.Ignored++
		return
	}
	l.peer = peer
	switch {
	case !command || l.c.NoXID:
	case p:
		l.due |= dueIdentity
	case l.c.HalfDuplex && l.c.Role == Device:
		l.due |= dueHello
	}
}

// receiveCall takes a SABM: the other end has no connection, whatever this end's state.
func (l *Link) receiveCall(p bool) {
	if l.phase > connected {
		return // DISC is the answer
	}
	l.due |= dueUA
	l.uaF = p
	switch {
	case l.phase == calling:
		l.acceptCall()
	case !l.heard:
		// This SABM is a repetition of the one that began the current connection, because the UA was late or lost. Or
		// it comes from another end that has restarted meanwhile. No frame has arrived from that end, so it has
		// acknowledged none, and all octets can still be sent: the connection equals a new one.
	default:
		l.disconnect(ErrRestarted)
		if l.stopping {
			l.queueDisc()
			return
		}
		l.up()
	}
}

// acceptCall begins the connection that the other end requests. If this end has called as well, its SABM may still be
// on the line and will make the other end start again. Frames sent until then belong to a connection that is about to
// end. This end therefore waits for the UA, or until the UA must have arrived. A gateway treats an I or S frame like
// the UA, because a device sends none before it has the gateway's UA.
func (l *Link) acceptCall() {
	arrived := l.lastSetup.Add(l.c.T1)
	if !l.now.Before(arrived) || l.c.HalfDuplex && l.c.Role == Device {
		l.up()
		return
	}
	l.calledToo, l.upAt = true, arrived
}

// receiveDisc takes a DISC. The other end gets time to disappear before it is called again.
func (l *Link) receiveDisc(p bool) {
	if l.phase != connected {
		l.due |= dueDM
		return
	}
	l.down(io.EOF)
	l.due |= dueUA
	l.uaF = p
	if !l.callAt.IsZero() {
		l.callAt = l.now.Add(l.c.T1)
	}
}

// receiveUA takes a UA. With a connection it is late, or answers a repeated call. One UA more than calls were made means
// that the first answered a program that has restarted since. The other end has begun a new connection after that UA, so
// this end's connection is in fact two.
func (l *Link) receiveUA() {
	switch {
	case l.answers == 0 && l.phase == connected:
		l.down(ErrConfused)
	case l.answers > 0:
		l.answers--
		if l.phase == calling {
			l.up()
		}
	}
}

// refused handles a DM or FRMR. Without a connection it has no effect, because the next SABM is due anyway.
func (l *Link) refused(kind byte) {
	if l.phase != connected {
		return
	}
	if kind == frmr {
		l.down(ErrConfused)
		return
	}
	l.down(ErrUnknown)
}

// unconnected answers an I or S frame without a connection. A SABM has the effect of a DM. A DM must not follow a SABM: it
// would end the connection that the SABM began.
func (l *Link) unconnected() {
	l.count.Ignored++
	if l.phase == calling && l.dmAt.IsZero() {
		l.dmAt = latest(l.now, l.lastSetup.Add(l.c.T1))
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// call schedules a SABM at the given time, but at least T1 after the last one: the answer to that may still be on the
// line, and must not be taken for the answer to the next. (This matters on slow lines.)
func (l *Link) call(at time.Time) {
	l.phase, l.calls, l.answers, l.calledToo = calling, 0, 0, false
	if l.c.HalfDuplex && l.c.Role == Device {
		return // it calls when the gateway polls it
	}
	l.callAt = latest(at, l.lastSetup.Add(min(l.c.T1, callSlow)))
}

// callGap returns the time to the next SABM. The gateway begins with short gaps, as a program may be waiting.
func (l *Link) callGap() time.Duration {
	gap := callSlow
	if l.c.Role == Gateway {
		gap = min(l.c.T1<<min(l.calls, 10), callSlow)
	}
	return gap
}

// up begins a connection with all counters at 0.
func (l *Link) up() {
	l.phase = connected
	l.due &= dueUA | dueIdentity | dueHello
	l.callAt, l.upAt, l.dmAt, l.calls, l.calledToo = time.Time{}, time.Time{}, time.Time{}, 0, false
	l.window, l.info = l.c.Window, l.c.Info
	if l.peer.Window > 0 {
		l.window, l.info = min(l.window, l.peer.Window), min(l.info, l.peer.Info)
	}
	l.out.reset(l.c.sendRoom())
	l.size = l.info
	l.peerBusy, l.polled, l.recovering, l.tries, l.stuck = false, false, false, 0, 0
	l.vr, l.heard, l.room, l.busy, l.unacknowledged, l.rejecting = 0, false, l.c.receiveRoom(), false, 0, false
	l.closing, l.lingerAt = false, time.Time{}
	l.alive()
	l.heard = false
	if l.c.HalfDuplex && l.c.Role == Gateway {
		l.pollAt = l.now
	}
	l.count.Connections++
	l.user.Up()
}

// disconnect ends the connection without calling again.
func (l *Link) disconnect(cause error) {
	l.t1, l.t2, l.t3, l.pollAt, l.lingerAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	l.due &= dueUA | dueIdentity
	if cause != io.EOF && !l.closing {
		l.count.Resets++
	}
	l.closing = false
	l.user.Down(cause)
}

// down ends the connection and calls again.
func (l *Link) down(cause error) {
	l.disconnect(cause)
	l.call(l.now)
	if l.stopping {
		l.queueDisc()
	}
}

// closed ends a connection that this end has closed.
func (l *Link) closed() {
	l.disconnect(io.EOF)
	l.call(l.now) // a SABM tells the other end that its stream has ended
	if l.stopping {
		l.queueDisc()
	}
}

// queueDisc makes DISC due.
func (l *Link) queueDisc() {
	l.phase, l.due = disconnecting, 0
	l.callAt, l.upAt, l.dmAt = time.Time{}, time.Time{}, time.Time{}
	l.lingerAt = l.now.Add(l.c.linger())
}
