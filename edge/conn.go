package edge

import (
	"runnel/edge/budget"
	"runnel/edge/wamp"
)

// Conn is a peer's message transport. The router reads from one goroutine, and writes from one goroutine at a time, which
// may be a different one.
type Conn = wamp.Conn

// A Conn may have optional methods:
type (
	// limiter closes the connection when a message is longer than limit bytes; 0 lifts the limit. The reading goroutine calls it.
	limiter interface{ SetReadLimit(limit int) }

	// halfCloser tells the peer that no more messages follow, while ReadMessage continues to work.
	halfCloser interface{ CloseWrite() error }

	// owner is a Conn with an account for the peer's memory, which it closes itself. For other Conns the router opens one.
	owner interface{ Account() *budget.Account }
)

// frameHeader is the length field of each message in a batch, in octets.
const frameHeader = 4
