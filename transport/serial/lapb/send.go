package lapb

import (
	"time"

	"runnel/transport/serial/hdlc"
)

// Append appends the frames that are due to dst. It does not allocate if dst has room for a window of frames.
func (l *Link) Append(dst []byte, now time.Time) []byte {
	l.now = now
	l.expire()
	if l.c.HalfDuplex {
		return l.appendTurn(dst)
	}
	dst = l.appendSetup(dst)
	dst = l.appendLogs(dst)
	if l.phase == connected {
		dst = l.appendConnected(dst)
	}
	return dst
}

// done clears d and reports whether any of it was due.
func (l *Link) done(d due) bool {
	was := l.due&d != 0
	l.due &^= d
	return was
}

func (l *Link) append(dst []byte, command bool, control byte, info []byte) []byte {
	l.count.FramesOut++
	return hdlc.Append(dst, hdlc.Frame{Address: l.address(command), Control: control, Info: info})
}

// appendSetup appends U frames.
func (l *Link) appendSetup(dst []byte) []byte {
	if l.done(dueDM) {
		l.lastSetup = l.now
		dst = l.append(dst, false, dm|pf, nil)
	}
	if l.done(dueIdentity) {
		dst = l.appendIdentity(dst, false, true)
	}
	if l.done(dueHello) {
		dst = l.appendIdentity(dst, true, false)
	}
	if l.done(dueUA) {
		dst = l.append(dst, false, ua|final(l.uaF), nil)
	}
	if l.done(dueCall) {
		dst = l.appendCall(dst)
	}
	if l.phase == disconnecting {
		dst = l.append(dst, true, disc|pf, nil)
		l.phase, l.lingerAt = disconnected, l.now.Add(l.c.T1)
	}
	return dst
}

// appendCall appends SABM, preceded by this end's identity.
func (l *Link) appendCall(dst []byte) []byte {
	if !l.c.NoXID {
		dst = l.appendIdentity(dst, true, !l.c.HalfDuplex)
	}
	l.callAt = l.now.Add(l.callGap())
	l.calls++
	l.answers = min(l.answers+1, maxAnswers)
	l.lastSetup = l.now
	return l.append(dst, true, sabm|pf, nil)
}

func (l *Link) appendIdentity(dst []byte, command, p bool) []byte {
	var info [identityHead + maxName]byte
	me := Identity{Window: l.c.Window, Info: l.c.Info, BootID: l.c.BootID, Name: l.c.Name}
	return l.append(dst, command, xid|final(p), me.append(info[:0]))
}

func (l *Link) appendLogs(dst []byte) []byte {
	for _, line := range l.logs {
		dst = l.append(dst, true, ui, line)
	}
	clear(l.logs)
	l.logs = l.logs[:0]
	return dst
}

// appendConnected appends I and S frames.
func (l *Link) appendConnected(dst []byte) []byte {
	if l.due&(dueFinal|dueReject) != 0 {
		dst = l.appendState(dst, false, l.done(dueFinal))
	}
	if l.done(duePoll) {
		dst = l.appendPoll(dst)
	}
	for !l.recovering && !l.peerBusy && l.out.ready(l.window) {
		dst = l.appendInformation(dst, false)
		l.startT1()
	}
	if l.due&(dueAck|dueState) != 0 {
		dst = l.appendState(dst, false, false)
	}
	return dst
}

// appendPoll polls the other end. The first unacknowledged frame carries P; a short frame follows it, which passes a
// line that is too noisy for long ones.
func (l *Link) appendPoll(dst []byte) []byte {
	l.recovering = l.out.cut > 0
	if l.recovering && !l.peerBusy {
		l.out.rewind()
		dst = l.appendInformation(dst, true)
	}
	dst = l.appendState(dst, true, true)
	l.polled, l.t1 = true, l.now.Add(l.c.T1)
	return dst
}

// appendInformation appends the next I frame. There must be one.
func (l *Link) appendInformation(dst []byte, p bool) []byte {
	ns, info, again, _ := l.out.take(l.window, l.size)
	if again {
		l.count.Resent++
	}
	l.acknowledgementSent()
	return l.append(dst, true, informationControl(ns, l.vr, p), info)
}

// appendState appends RR, RNR or REJ. All of them acknowledge.
func (l *Link) appendState(dst []byte, command, p bool) []byte {
	kind := byte(rr)
	switch reject := l.done(dueReject); {
	case l.busy:
		kind = rnr
	case reject:
		kind = rej
		l.count.RejectsOut++
	}
	l.due &^= dueState
	l.acknowledgementSent()
	return l.append(dst, command, supervisoryControl(kind, l.vr, p), nil)
}

// acknowledgementSent records that V(R) was sent.
func (l *Link) acknowledgementSent() {
	l.due &^= dueAck
	l.unacknowledged, l.t2 = 0, time.Time{}
}
