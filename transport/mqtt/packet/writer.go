package packet

import (
	"net"

	"runnel/transport/batch"
)

// Writer writes packets in batches. Its methods may be called from any goroutine.
type Writer struct {
	*batch.Writer
	version Version
}

// NewWriter returns a Writer of packets of a version. Run writes them.
func NewWriter(conn net.Conn, v Version) *Writer { return &Writer{batch.New(conn), v} }

// Send queues a packet. It does not wait. A packet that is queued after the end of the Writer is lost.
func (w *Writer) Send(p Packet) {
	w.Append(func(dst []byte, _ uint64) ([]byte, error) { return p.Append(dst, w.version), nil })
}
