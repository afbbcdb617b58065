package mqtt

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"runnel/transport/mqtt/packet"
)

// A broker gives the session to the client that connects last with a client id, and closes the other connection. MQTT 5
// reports that as the reason; MQTT 3.1.1 reports none. Two gateways with one id, as after copying an SD card,
// disconnect each other again and again. The link detects this by the reason, or by the pattern: the broker accepts
// several connections in a row at once, and they work. It then closes each of them, although it has received no message
// that it could reject.

const (
	takeoversSure  = 3 // ends of this kind in a row
	takeoverWindow = 5 * time.Minute
)

// takeovers records the ends of connections that look like a takeover. Owned by Link.Run.
type takeovers struct {
	ends []time.Time
}

// refused records a failed attempt: the broker is not reachable, which explains the ends before.
func (t *takeovers) refused() { t.ends = nil }

// note records the end of a connection. like means that it looks like a takeover. note reports whether another client
// takes the session over.
func (t *takeovers) note(like bool, now time.Time) bool {
	if !like {
		t.ends = nil
		return false
	}
	for len(t.ends) > 0 && now.Sub(t.ends[0]) > takeoverWindow {
		t.ends = t.ends[1:]
	}
	t.ends = append(t.ends, now)
	return t.sure()
}

// certain records the end of a connection that the broker has closed for a takeover.
func (t *takeovers) certain(now time.Time) {
	t.ends = nil
	for range takeoversSure {
		t.ends = append(t.ends, now)
	}
}

// sure reports whether another client takes the session over.
func (t *takeovers) sure() bool { return len(t.ends) >= takeoversSure }

// takenOver returns err, with an explanation if another client with the same id takes over the session. harmless means
// that the link has sent no message that the broker could reject.
func (l *Link) takenOver(s *session, err error, harmless bool) error {
	how := "and closes this connection"
	if g := isGoodbye(err); g != nil && g.code == packet.SessionTakenOver {
		l.takeovers.certain(time.Now())
	} else {
		like := harmless && endedByPeer(err)
		if like && !s.heard {
			return err // too short for a conclusion
		}
		if !l.takeovers.note(like, time.Now()) {
			return err
		}
		how = fmt.Sprintf("and ends the connection soon after, %d times in a row", len(l.takeovers.ends))
	}
	text := fmt.Sprintf("another client takes over the session: the broker accepts the client id %q %s; give each gateway its own [node] id or client_id",
		l.opts.ClientID, how)
	if l.status.Clashes(text, takeoverWindow) {
		l.log.Error("another client has the client id of this link", "client_id", l.opts.ClientID, "url", s.url, "err", text)
	}
	return fmt.Errorf("%w; %s", err, text)
}

// endedByPeer reports whether the other end has closed the connection, for a message or without a reason.
func endedByPeer(err error) bool {
	if g := isGoodbye(err); g != nil {
		return g.blamesMessage()
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
