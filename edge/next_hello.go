package edge

import (
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// GOODBYE ends a session, but not necessarily its connection: the peer may send HELLO again (basic/sessions.md). The next
// session is new in every respect, with its own limits and authentication. Most peers just close the connection, and some
// wait for the router to close it.

// nextHelloTimeout is how long a peer that has sent GOODBYE has to begin another session.
const nextHelloTimeout = time.Second

// nextHello waits for the HELLO of the peer's next session. It returns nil if the peer disconnects, waits too long, or sends
// anything else. Then nothing more is written to the connection, because the session was over.
func (s *session) nextHello() []byte {
	limitReads(s.conn, maxHandshakeRead)
	late := time.AfterFunc(nextHelloTimeout, func() { s.closeWrite() })
	data, _, err := s.conn.ReadMessage()
	if !late.Stop() || err != nil {
		return nil
	}
	if codec.TypeOf(s.serializer, data) != wamp.Hello {
		s.closeGracefully()
		return nil
	}
	return data
}
