package edge

import (
	"runnel/edge/budget"
	"runnel/edge/wamp"
)

// Conn is a peer's message transport. The router reads from one goroutine, and writes from one goroutine at a time, which
// may be a different one.
type Conn interface {
	// ReadMessage returns the peer's next message. Its bytes are valid until the next call. more reports whether another
	// message is buffered already, so that the next call will not wait.
	ReadMessage() (msg []byte, more bool, err error)

	// Write sends a batch of messages, each preceded by its length in four octets, big-endian. If wait is true, it returns
	// when the whole batch is written. Otherwise it writes what it can without waiting, and may return n < len(batch), even
	// in the middle of a message; the router continues with batch[n:] and nothing else. The batch is not kept.
	Write(batch []byte, wait bool) (n int, err error)

	// Close unblocks ReadMessage and Write. Any goroutine may call it, any number of times.
	Close() error

	// Transport describes the peer. It does not change.
	Transport() *wamp.Transport
}

// A Conn may have optional methods:
type (
	// limiter closes the connection when a longer message arrives, in bytes; 0 lifts the limit. The reading goroutine calls
	// it.
	limiter interface{ SetReadLimit(limit int) }

	// halfCloser tells the peer that no more messages follow, while ReadMessage continues to work.
	halfCloser interface{ CloseWrite() error }

	// owner has opened an account for the memory that the peer uses, and closes it. Without one, the router opens it.
	owner interface{ Account() *budget.Account }
)

// frameHeader is the length field of each message in a batch, in octets.
const frameHeader = 4
