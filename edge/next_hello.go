package edge

import (
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A session ends with GOODBYE, its transport does not have to: the peer may say HELLO again (basic/sessions.md). The next
// session is a new one in every respect, with limits and an authentication of its own. Most peers just close the connection,
// and some wait for the router to do it.

// nextHelloTimeout is how long a peer that has said GOODBYE has to begin another session.
const nextHelloTimeout = time.Second

// nextHello waits for the HELLO of the peer's next session. It returns nil if the peer leaves, waits too long, or says anything
// else, of which it is not told: its session was over. Then nothing more is written to the connection.
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
