package edge

import (
	"runnel/edge/budget"
	"runnel/edge/wamp"
)

// Conn is a peer's message transport. The router reads it from one goroutine and writes it from one goroutine at a
// time, which may be another.
type Conn interface {
	// ReadMessage returns the peer's next message. Its bytes are valid until the next call. more reports whether a
	// further message is buffered already, so that the next call will not wait.
	ReadMessage() (msg []byte, more bool, err error)

	// Write sends a batch: messages, each behind its length in four octets, big-endian. With wait it returns when all
	// of it is written. Without, it takes what the wire takes at once and returns n < len(batch), perhaps in
	// mid-message; the router goes on with batch[n:] and nothing else. The batch is not kept after the return.
	Write(batch []byte, wait bool) (n int, err error)

	// Close unblocks ReadMessage and Write. Any goroutine may call it, any number of times.
	Close() error

	// Transport says what is known of the peer; it does not change.
	Transport() *wamp.Transport
}

// A Conn may have more, which the router uses where it is:
type (
	// limiter has a message longer than that end the connection, until it is called with 0. It belongs to the goroutine
	// that reads.
	limiter interface{ SetReadLimit(octets int) }

	// halfCloser tells the peer that nothing more comes, while ReadMessage goes on.
	halfCloser interface{ CloseWrite() error }

	// owner has an account of the memory that the peer takes, and closes it. The router opens one for other peers.
	owner interface{ Account() *budget.Account }
)

// frameHeader is the length in front of each message of a batch, in octets.
const frameHeader = 4
