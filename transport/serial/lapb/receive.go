package lapb

import (
	"time"

	"runnel/transport/serial/hdlc"
)

// information takes an I frame.
func (l *Link) information(f hdlc.Frame, command bool) {
	ns, nr, p := fields(f.Control)
	if !command {
		l.count.Ignored++
		return
	}
	if !l.numbered(nr, command, p) {
		return
	}
	switch gap := ahead(l.vr, ns); {
	case gap != 0:
		l.outOfSequence(gap)
	case len(f.Info) > l.room:
		// The frame exceeds the receive room. The other end sends it again later.
		l.busy = true
		l.due |= dueState
	default:
		l.accept(f.Info)
	}
}

// numbered does the common part of I and S frames. It returns false if the frame belongs to no connection.
func (l *Link) numbered(nr uint8, command, p bool) bool {
	if command && p {
		l.turn = true
	}
	if l.phase == calling && l.calledToo && l.c.Role == Gateway {
		l.up()
	}
	if l.phase != connected {
		l.unconnected()
		return false
	}
	l.alive()
	if !l.acknowledged(nr) {
		l.down(ErrConfused)
		return false
	}
	switch {
	case p && command:
		l.due |= dueFinal
	case p && l.polled:
		l.checkpoint()
	}
	return true
}

// alive records that the other end has answered.
func (l *Link) alive() {
	l.heard, l.tries = true, 0
	switch {
	case !l.c.HalfDuplex:
		l.t3 = l.now.Add(l.c.T3)
	case l.c.Role == Device:
		l.t3 = l.now.Add(l.c.T3 + l.c.linger())
	}
}

// acknowledged drops the frames that the other end has received.
func (l *Link) acknowledged(nr uint8) (ok bool) {
	n, ok := l.out.acknowledge(nr)
	if n == 0 {
		return ok
	}
	l.size = min(l.size+n*growth, l.info)
	l.stuck = 0
	l.t1 = time.Time{}
	if l.out.cut > 0 || l.polled || l.peerBusy {
		l.startT1()
	}
	return true
}

// startT1 starts T1 unless it runs. A half-duplex device has no T1: it sends again when it is polled again.
func (l *Link) startT1() {
	if l.t1.IsZero() && !(l.c.HalfDuplex && l.c.Role == Device) {
		l.t1 = l.now.Add(l.c.T1)
	}
}

// checkpoint takes the answer to a poll: frames sent before the poll and not acknowledged are lost.
func (l *Link) checkpoint() {
	l.polled = false
	l.t1 = time.Time{}
	if l.recovering {
		l.resend()
		l.recovering = false
	}
	if l.out.cut > 0 || l.peerBusy {
		l.startT1()
	}
	if l.c.HalfDuplex {
		l.pollAt = l.now.Add(l.c.Poll)
	}
}

// accept takes the info of the expected frame.
func (l *Link) accept(info []byte) {
	l.vr = next(l.vr)
	l.rejecting = false
	l.room -= len(info)
	if !l.busy && l.room < l.c.reserve() {
		l.busy = true
		l.due |= dueState
	}
	// Acknowledge half a window at once, so that the other end's window does not run out.
	if l.unacknowledged++; 2*l.unacknowledged >= l.window {
		l.due |= dueAck
	} else if l.t2.IsZero() {
		l.t2 = l.now.Add(l.c.T2)
	}
	if len(info) > 0 {
		l.user.Receive(info)
	}
}

// outOfSequence takes an I frame that is gap ahead of the expected one.
func (l *Link) outOfSequence(gap int) {
	if gap >= l.window {
		l.due |= dueAck // too far ahead for a lost frame: it is a repeated one, whose acknowledgement was lost
		return
	}
	if l.rejecting && gap > l.gap {
		l.gap = gap // sent before the other end received the REJ
		return
	}
	// The first such frame, or the requested frame was lost again.
	l.rejecting, l.gap = true, gap
	l.due |= dueReject
}

// supervisory takes an S frame.
func (l *Link) supervisory(f hdlc.Frame, command bool) {
	kind := f.Control & 0x0F
	_, nr, p := fields(f.Control)
	if kind != rr && kind != rnr && kind != rej {
		l.count.Ignored++
		return
	}
	if !l.numbered(nr, command, p) {
		return
	}
	l.peerBusy = kind == rnr
	switch kind {
	case rr:
		if l.out.cut == 0 && !l.polled {
			l.t1 = time.Time{} // it ran to poll a busy peer
		}
	case rnr:
		l.startT1() // poll again, as the RR that ends the busy state may be lost
	case rej:
		l.count.RejectsIn++
		l.polled, l.recovering, l.t1 = false, false, time.Time{}
		l.resend()
	}
}

// resend makes all unacknowledged frames due again.
func (l *Link) resend() {
	if l.out.rewind() > 0 {
		l.size = max(l.size/2, min(MinInfo, l.info))
	}
}
