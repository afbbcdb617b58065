package edge

import (
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A session ends with GOODBYE, but its connection may stay: the peer may send another HELLO (basic/sessions.md). The
// next session is independent, with its own limits and authentication. Most peers close the connection instead, and
// some wait for the router to close it.

// nextHelloTimeout is the time that a peer has after GOODBYE to start another session.
const nextHelloTimeout = time.Second

// nextHello waits for the HELLO of the peer's next session. It returns nil if the peer closes the connection, sends anything
// else, or does not send HELLO in time. Then nothing more is written to the connection, because the session has ended.
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
