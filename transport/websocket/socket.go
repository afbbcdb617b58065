package websocket

import (
	"net"

	"runnel/edge/budget"
	"runnel/transport/wire"
)

// socket is the connection below a Conn, with the frames that it has not taken yet.
type socket struct {
	net.Conn
	outbox
}

func newSocket(conn net.Conn, head []byte) *socket {
	return &socket{Conn: conn, outbox: outbox{wire: wire.New(conn, head)}}
}

// charge sets the account that is charged for long messages. It is called before other goroutines use the socket.
func (s *socket) charge(a *budget.Account) {
	s.account = a
	s.wire.Charge(a)
}

// Close closes the connection without sending CLOSE.
func (s *socket) Close() error {
	err := s.wire.Close()
	s.forget()
	return err
}
