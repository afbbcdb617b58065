package transport

import (
	"net"

	"runnel/edge/budget"
	"runnel/transport/wire"
)

// The memory of an idle connection in bytes: its goroutine, its state, small buffers, and the record buffers of TLS.
const (
	connCost = 20 << 10
	tlsCost  = 48 << 10
)

// Limits of the system's socket buffers, in bytes. On a machine with little memory they are bounded, because a peer that
// does not read could occupy megabytes. On a large machine the system chooses their size.
const (
	systemShare = 256 // a socket buffer is at most 1/256 of the budget
	systemMin   = 32 << 10
	systemMax   = 1 << 20 // from this size on, the system chooses
	systemUsual = 256 << 10
)

// systemBuffer returns the size of the system's buffer for each direction of a connection; 0: the system chooses.
func systemBuffer(limit int64) int {
	size := max(limit/systemShare, systemMin)
	if limit == 0 || size >= systemMax {
		return 0
	}
	return int(size)
}

// openAccount reserves a descriptor for a connection and opens its account. release closes it. The caller holds mu.
func (l *Listener) openAccount(conn net.Conn) (*budget.Account, error) {
	if !l.opts.Descriptors.take(l.network == "unix" && l.web == nil) {
		return nil, errNoDescriptors
	}
	peer := budget.Peer{Name: conn.RemoteAddr().String(), Base: connCost, System: systemUsual, Close: func() { conn.Close() }}
	if l.tls != nil {
		peer.Base = tlsCost
	}
	if size := systemBuffer(l.opts.Memory.Limit()); size > 0 {
		limitSystem(conn, size)
		peer.System = 2 * size // the system doubles the size for its own bookkeeping (socket(7), SO_SNDBUF)
	}
	account, err := l.opts.Memory.Open(peer)
	if err != nil {
		l.opts.Descriptors.release()
	}
	return account, err
}

// limitSystem bounds the system's buffers for a connection.
func limitSystem(conn net.Conn, size int) {
	if c, ok := conn.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	}); ok {
		c.SetReadBuffer(size)
		c.SetWriteBuffer(size)
	}
}

// limitBuffers bounds the pool of read buffers, which all connections share, to an eighth of the budget.
func (l *Listener) limitBuffers() {
	if limit := l.opts.Memory.Limit(); limit > 0 {
		wire.LimitBuffers(limit / 8)
	}
}
