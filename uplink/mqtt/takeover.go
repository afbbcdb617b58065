package mqtt

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// A broker gives the session to whoever connects last with a client id, and ends the other connection. MQTT 3.1.1 does not
// say why: all that is seen is the end of the stream. Two gateways of one id, as a copied SD card makes them, throw each
// other out for ever. The pattern tells: connection after connection that the broker accepts at once, that is in good
// health, and that the broker ends although nothing was sent that it could object to.

const (
	takeoversSure  = 3 // such ends in a row
	takeoverWindow = 5 * time.Minute
)

// takeovers are the ends of connections that look like it. Owned by Link.Run.
type takeovers struct {
	ends []time.Time
}

// refused notes an attempt that the broker did not accept: it is away, and the ends before it had that reason.
func (t *takeovers) refused() { t.ends = nil }

// ended notes the end of a connection, and reports whether another client takes the session over.
func (t *takeovers) ended(like bool, now time.Time) bool {
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

// sure reports whether another client takes the session over.
func (t *takeovers) sure() bool { return len(t.ends) >= takeoversSure }

// takenOver looks whether a connection was ended for another client of the same id, and then says so. quiet says that
// nothing was sent that the broker could object to.
func (l *Link) takenOver(s *session, err error, quiet bool) error {
	like := quiet && endedByPeer(err)
	if like && !s.heard {
		return err // too short to show anything
	}
	if !l.takeovers.ended(like, time.Now()) {
		return err
	}
	text := fmt.Sprintf("another client takes the session over: the broker accepts the client id %q and ends the connection soon after, %d times in a row; give each gateway its own [node] id or client_id",
		l.opts.ClientID, len(l.takeovers.ends))
	if l.status.Clashes(text, takeoverWindow) {
		l.log.Error("another client has the client id of this link", "client_id", l.opts.ClientID, "url", s.url, "err", text)
	}
	return fmt.Errorf("%w; %s", err, text)
}

// endedByPeer reports whether the other end has closed the connection.
func endedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
