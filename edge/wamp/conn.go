package wamp

// Conn carries messages between two peers. The transports implement it. One goroutine at a time may call ReadMessage, and one
// at a time Write. Any goroutine may call Close and Transport.
type Conn interface {
	// ReadMessage returns the peer's next message, which is valid until the next call. more reports whether a further complete
	// message is buffered, so that the next call will not block. After a clean close by the peer the error is io.EOF.
	ReadMessage() (msg []byte, more bool, err error)

	// Write sends a batch: messages, each preceded by its length in four octets, big-endian. With wait it returns when
	// the whole batch is written. Without wait it writes as much as the connection takes at once, possibly nothing or part
	// of a message. The caller must then continue with batch[n:]. The batch is not kept.
	Write(batch []byte, wait bool) (n int, err error)

	// Close closes the connection and unblocks the other methods. Further calls do nothing.
	Close() error

	// Transport describes how the peer is reached. The result does not change.
	Transport() *Transport
}
