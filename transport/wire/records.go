package wire

import (
	"encoding/binary"
	"net"
)

// Sizes of TLS records in bytes (RFC 8446, 5.1 and 5.2; RFC 5246, 6.2.3, allows longer ones).
const (
	recordHead = 5 // ends with the length of the rest
	maxRecord  = recordHead + 16<<10 + 2<<10
)

// Records is the connection below a tls.Conn. It reads the socket into a buffer that it borrows, and hands out one TLS record
// at a time, so that crypto/tls never reads ahead. A Conn over that tls.Conn can therefore wait for the socket: it holds no
// buffer meanwhile, and needs less stack than a wait inside crypto/tls.
//
// One goroutine at a time may call Read. Any goroutine may call the other methods.
type Records struct {
	net.Conn
	input
	left int // bytes of the current record that Read has not returned yet. Owned by the reader
}

// NewRecords returns Records over a socket. head holds bytes that the caller has read from it already; it is copied.
func NewRecords(conn net.Conn, head []byte) *Records {
	r := &Records{Conn: conn}
	r.raw = rawConn(conn)
	r.tryR = r.readReady
	r.begin(head)
	return r
}

// recordsOf returns the Records below rw if rw is TLS over Records with a descriptor, else nil.
func recordsOf(rw any) *Records {
	switch v := rw.(type) {
	case interface{ Socket() net.Conn }:
		return recordsOf(v.Socket())
	case interface{ NetConn() net.Conn }:
		if r, ok := v.NetConn().(*Records); ok && r.raw != nil {
			return r
		}
	}
	return nil
}

// Read returns bytes of one record, once the whole record has arrived. crypto/tls reports an invalid record.
func (r *Records) Read(p []byte) (int, error) {
	if r.raw == nil && r.r == r.w {
		return r.Conn.Read(p)
	}
	for r.raw != nil && !r.ready() {
		if err := r.raw.Read(r.tryR); err != nil {
			return 0, err
		}
	}
	have := r.buf[r.r:r.w]
	if len(have) == 0 {
		return 0, r.rerr
	}
	if r.left == 0 {
		r.left = recordLength(have)
	}
	n := copy(p, have[:min(r.left, len(have))])
	r.r += n
	r.left -= n
	return n, nil
}

// ready reports whether Read returns at once: the next record has arrived, or never will.
func (r *Records) ready() bool {
	if r.left > 0 || r.rerr != nil {
		return true
	}
	have := r.buf[r.r:r.w]
	r.want = recordLength(have)
	return len(have) >= min(r.want, maxRecord)
}

// recordLength returns the length in bytes of the record that begins with b, as far as b tells it.
func recordLength(b []byte) int {
	if len(b) < recordHead {
		return recordHead
	}
	return recordHead + int(binary.BigEndian.Uint16(b[recordHead-2:]))
}

// Close closes the connection and unblocks Read.
func (r *Records) Close() error {
	r.input.close()
	return r.Conn.Close()
}
