package transport

import (
	"net"

	"runnel/edge/budget"
	"runnel/transport/wire"
)

// What a connection takes at rest, in octets: its goroutine, what is known of it, small buffers; over TLS its records, too.
const (
	connCost = 20 << 10
	tlsCost  = 48 << 10
)

// On a small machine the system's buffers for a connection are bounded, as they take memory as well: a peer that does not
// read could have megabytes of it. A large one is left to tune them.
const (
	systemShare = 256 // parts of the budget
	systemMin   = 32 << 10
	systemMax   = 1 << 20 // from there on they are left alone
	systemUsual = 256 << 10
)

// systemBuffer returns how much the system may hold for a connection in each direction; 0: what it thinks best.
func systemBuffer(limit int64) int {
	size := max(limit/systemShare, systemMin)
	if limit == 0 || size >= systemMax {
		return 0
	}
	return int(size)
}

// openAccount opens the account of a connection, after it has got a descriptor. It is closed by leave. Holds mu.
func (l *Listener) openAccount(conn net.Conn) (*budget.Account, error) {
	if !l.opts.Descriptors.take(l.network == "unix") {
		return nil, errNoDescriptors
	}
	peer := budget.Peer{Name: conn.RemoteAddr().String(), Base: connCost, System: systemUsual, End: func() { conn.Close() }}
	if l.tls != nil {
		peer.Base = tlsCost
	}
	if size := systemBuffer(l.opts.Memory.Limit()); size > 0 {
		limitSystem(conn, size)
		peer.System = 2 * size // the system doubles it, for its own needs
	}
	account, err := l.opts.Memory.Open(peer)
	if err != nil {
		l.opts.Descriptors.give()
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

// limitBuffers keeps the read buffers that all connections borrow within the budget.
func (l *Listener) limitBuffers() {
	if limit := l.opts.Memory.Limit(); limit > 0 {
		wire.LimitBuffers(limit / 8)
	}
}
