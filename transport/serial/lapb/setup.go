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
	case l.phase == left && !command && (kind == ua || kind == dm):
		l.phase, l.lingerAt = stopped, time.Time{}
	case kind == xid:
		l.identity(f.Info, command, p)
	case kind == ui && command:
		l.count.Logs++
		l.user.Log(f.Info)
	case kind == sabm && command:
		l.called(p)
	case kind == disc && command:
		l.dismissed(p)
	case kind == ua && !command:
		l.answered()
	case (kind == dm || kind == frmr) && !command:
		l.refused(kind)
	default:
		l.count.Ignored++
	}
}

// identity takes what the other end says of itself. It counts for the next connection.
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

// called takes a SABM: the other end has no connection, whatever we think.
func (l *Link) called(p bool) {
	if l.phase > connected {
		return // DISC is the answer
	}
	l.due |= dueUA
	l.uaF = p
	switch {
	case l.phase == calling:
		l.meet()
	case !l.heard:
		// The SABM that this connection began with, sent again because our UA was late or lost, or that of another end
		// which restarted meanwhile. As nothing was heard of that end, it has acknowledged nothing and all octets from the
		// first on are there to be sent: the connection is as good as a new one, and cutting it would only cost time.
	default:
		l.end(ErrRestarted)
		if l.stopping {
			l.leave()
			return
		}
		l.up()
	}
}

// meet begins a connection that the other end asks for. If we have asked as well and our SABM may be under way, the other
// end will begin anew when it arrives, and what it sends until then belongs to a connection that it is about to end: wait
// for its UA, or for so long that it must have come. A gateway takes an I or S frame for it too: the device sends none
// unless it has our UA.
func (l *Link) meet() {
	arrived := l.spoke.Add(l.c.T1)
	if !l.now.Before(arrived) || l.c.HalfDuplex && l.c.Role == Device {
		l.up()
		return
	}
	l.met, l.upAt = true, arrived
}

// dismissed takes a DISC. The other end gets time to be gone before it is called again.
func (l *Link) dismissed(p bool) {
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

// answered takes a UA. While the link is up it is late, or the answer to a call that was repeated. One more than there
// were calls shows that the first was the answer to another's call, of a program that has restarted since: the other end
// has begun anew after it, and this connection is in truth two.
func (l *Link) answered() {
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

// refused takes a DM or FRMR. While there is no connection it tells nothing new: the next SABM is under way.
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

// strange answers an I or S frame without a connection. A SABM does what a DM does, and one that is under way must not be
// followed by a DM: it would arrive in the connection that the SABM began, and end it.
func (l *Link) strange() {
	l.count.Ignored++
	if l.phase == calling && l.dmAt.IsZero() {
		l.dmAt = latest(l.now, l.spoke.Add(l.c.T1))
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// call asks for a connection, at once or at the given time, but no sooner than T1 after the last SABM: its answer may
// be under way, and must not be taken for the next one's. (On a slow line that is more than anybody wants to wait.)
func (l *Link) call(at time.Time) {
	l.phase, l.calls, l.answers, l.met = calling, 0, 0, false
	if l.c.HalfDuplex && l.c.Role == Device {
		return // it is asked
	}
	l.callAt = latest(at, l.spoke.Add(min(l.c.T1, callSlow)))
}

// callGap is the time to the next SABM. The gateway begins quickly, as somebody may wait.
func (l *Link) callGap() time.Duration {
	gap := callSlow
	if l.c.Role == Gateway {
		gap = min(l.c.T1<<min(l.calls, 10), callSlow)
	}
	return gap
}

// up begins a connection: all counters are 0.
func (l *Link) up() {
	l.phase = connected
	l.due &= dueUA | dueIdentity | dueHello
	l.callAt, l.upAt, l.dmAt, l.calls, l.met = time.Time{}, time.Time{}, time.Time{}, 0, false
	l.window, l.info = l.c.Window, l.c.Info
	if l.peer.Window > 0 {
		l.window, l.info = min(l.window, l.peer.Window), min(l.info, l.peer.Info)
	}
	l.out.reset(l.c.sendRoom())
	l.size = l.info
	l.peerBusy, l.polled, l.recovering, l.tries, l.stuck = false, false, false, 0, 0
	l.vr, l.heard, l.room, l.busy, l.owed, l.rejecting = 0, false, l.c.receiveRoom(), false, 0, false
	l.closing, l.lingerAt = false, time.Time{}
	l.alive()
	l.heard = false
	if l.c.HalfDuplex && l.c.Role == Gateway {
		l.pollAt = l.now
	}
	l.count.Connections++
	l.user.Up()
}

// end is the end of the connection, without a next one.
func (l *Link) end(cause error) {
	l.t1, l.t2, l.t3, l.pollAt, l.lingerAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	l.due &= dueUA | dueIdentity
	if cause != io.EOF && !l.closing {
		l.count.Resets++
	}
	l.closing = false
	l.user.Down(cause)
}

// down is the end of the connection; the next one is asked for.
func (l *Link) down(cause error) {
	l.end(cause)
	l.call(l.now)
	if l.stopping {
		l.leave()
	}
}

// closed is the end that we want ourselves.
func (l *Link) closed() {
	l.end(io.EOF)
	l.call(l.now) // a SABM tells the other end that its stream is over
	if l.stopping {
		l.leave()
	}
}

// leave has DISC sent.
func (l *Link) leave() {
	l.phase, l.due = leaving, 0
	l.callAt, l.upAt, l.dmAt = time.Time{}, time.Time{}, time.Time{}
	l.lingerAt = l.now.Add(l.c.linger())
}
