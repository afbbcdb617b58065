package conn

import (
	"context"
	"fmt"
	"time"
)

const (
	// A slow line carries at least slowest bytes a second. Bytes before a PONG may delay it accordingly, by at most
	// mostSlack.
	slowest   = 1 << 10
	mostSlack = time.Minute
)

// maxPings bounds the unanswered PINGs.
const maxPings = 1024

// Ping sends a PING and waits for its PONG.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	sent := time.Now()
	ponged, err := c.sendPing()
	if err != nil {
		return 0, err
	}
	select {
	case err = <-ponged:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	took := time.Since(sent)
	c.roundTrip.Store(int64(took))
	return took, nil
}

// sendPing sends a PING. The channel gets the result.
func (c *Conn) sendPing() (<-chan error, error) {
	ponged := make(chan error, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if len(c.pings) >= maxPings {
		return nil, ErrFull
	}
	// The PING is queued under mu, so that PINGs are sent in the order of pings.
	if err := c.out.line("PING"); err != nil {
		return nil, err
	}
	c.pings = append(c.pings, ponged)
	return ponged, nil
}

// pong passes a PONG to the oldest PING. It ignores a PONG without a PING.
func (c *Conn) pong() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pings) > 0 {
		c.pings[0] <- nil
		c.pings = c.pings[1:]
	}
}

// ping sends PINGs at intervals, and closes the connection if the server does not answer.
func (c *Conn) ping() {
	timer := time.NewTimer(c.opts.Ping)
	defer timer.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-timer.C:
		}
		if !c.alive() {
			c.close(fmt.Errorf("the server is silent: no PONG in %v", c.opts.Answer))
			return
		}
		timer.Reset(c.opts.Ping)
	}
}

// alive sends a PING and reports whether the answer arrives in time.
func (c *Conn) alive() bool {
	began, moved := time.Now(), c.moved()
	ponged, err := c.sendPing()
	if err != nil {
		return true // the connection has ended, or many PINGs wait for an answer
	}
	wait := time.NewTimer(c.opts.Answer)
	defer wait.Stop()
	for {
		select {
		case <-ponged:
			c.roundTrip.Store(int64(time.Since(began)))
			return true
		case <-wait.C:
		}
		took := time.Since(began)
		if took > c.opts.Answer+mostSlack || c.moved()-moved < uint64(took.Seconds()*slowest) {
			return false
		}
		wait.Reset(time.Second)
	}
}

// moved returns how many bytes have crossed the line so far, in both directions.
func (c *Conn) moved() uint64 {
	return c.out.Written() + c.heard.Load()
}
