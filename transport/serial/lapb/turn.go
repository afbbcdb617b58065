package lapb

import "time"

// On a half-duplex line the gateway sends one frame with P and is silent until the device has answered with F or T1 has
// expired. The device sends only then: log lines, one I frame, and last the frame with F, which returns the line.

func (l *Link) appendTurn(dst []byte) []byte {
	if l.c.Role == Device {
		return l.appendDeviceTurn(dst)
	}
	return l.appendGatewayTurn(dst)
}

func (l *Link) appendGatewayTurn(dst []byte) []byte {
	if l.phase == connected && l.polled && l.t1.After(l.now) {
		return dst // the device may be sending
	}
	dst = l.appendSetup(dst)
	if l.phase != connected || l.due == 0 && (l.peerBusy || !l.out.ready(1)) {
		return dst
	}
	// A noisy line may damage every long frame, so every other attempt is a short one.
	short := l.peerBusy || !l.out.ready(1) || l.due&(dueState|dueReject) != 0 || l.tries%2 == 1
	l.done(duePoll | dueFinal)
	if short {
		dst = l.appendState(dst, true, true)
	} else {
		dst = l.appendInformation(dst, true)
	}
	l.polled, l.recovering = true, true
	l.t1, l.pollAt = l.now.Add(l.c.T1), time.Time{}
	return dst
}

func (l *Link) appendDeviceTurn(dst []byte) []byte {
	if !l.turn {
		return dst
	}
	l.turn = false
	answered := l.due&(dueUA|dueDM|dueIdentity) != 0 || l.phase == disconnecting
	if !answered {
		dst = l.appendLogs(dst)
	}
	dst = l.appendSetup(dst)
	if answered || l.phase != connected {
		return dst
	}
	l.out.rewind() // frames received by the gateway were acknowledged by its poll
	if !l.peerBusy && l.out.ready(1) {
		dst = l.appendInformation(dst, false)
	}
	l.done(dueFinal)
	return l.appendState(dst, false, true)
}
