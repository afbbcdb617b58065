package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"runnel/transport/mqtt/packet"
)

// ping sends PINGREQ at intervals.
func (s *session) ping() {
	tick := time.NewTicker(s.limits.ping)
	defer tick.Stop()
	for {
		s.sendPing()
		select {
		case <-tick.C:
		case <-s.open.Done():
			return
		}
	}
}

// sendPing sends PINGREQ and returns its number.
func (s *session) sendPing() uint64 {
	s.pings.mu.Lock()
	defer s.pings.mu.Unlock()
	s.pings.sent++
	s.pinged.Store(int64(time.Since(s.began)))
	s.out.Send(packet.Ping{Type: packet.TypePingreq})
	return s.pings.sent
}

// pings counts PINGREQ and PINGRESP, which have the same order.
type pings struct {
	mu      sync.Mutex
	sent    uint64        // guarded by mu
	seen    uint64        // guarded by mu
	changed chan struct{} // guarded by mu; closed with the next PINGRESP; nil: no goroutine waits
}

func (p *pings) pong() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen++; p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// answered waits for the answer to a PINGREQ.
func (p *pings) answered(ctx context.Context, number uint64) error {
	for {
		p.mu.Lock()
		if p.seen >= number {
			p.mu.Unlock()
			return nil
		}
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pong handles PINGRESP.
func (s *session) pong() {
	s.pings.pong()
	s.link.roundTrip.Store(int64(time.Since(s.began)) - s.pinged.Load())
	select {
	case <-s.answered:
	default:
		close(s.answered)
	}
}

// wait waits for the broker's next packet. Slow lines get extra time for the bytes in front of PINGREQ.
func (s *session) wait() error {
	o := &s.link.opts
	heard, sent := time.Now(), s.out.Queued()
	for {
		slack := min(time.Duration(s.out.Queued()-sent)*time.Second/slowest, mostSlack)
		silence := s.limits.ping + o.AnswerTime + slack
		if time.Since(heard) >= silence {
			return fmt.Errorf("the broker was silent for %v: %w", silence, os.ErrDeadlineExceeded)
		}
		s.rest.silence = 0
		s.conn.SetReadDeadline(heard.Add(silence))
		_, err := s.in.Peek(1)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			s.rest.silence = silence
			return err
		}
	}
}

// rest reads the rest of a packet. On a slow line a long packet may take any time as long as bytes arrive.
type rest struct {
	net.Conn
	silence time.Duration // limit between two bytes; 0: the connection's deadline applies. Owned by the session's read
}

func (r *rest) Read(b []byte) (int, error) {
	if r.silence > 0 {
		r.Conn.SetReadDeadline(time.Now().Add(r.silence))
	}
	return r.Conn.Read(b)
}
