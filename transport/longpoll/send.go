package longpoll

import (
	"errors"
	"net/http"
	"time"

	"runnel/edge/budget"
)

var errBatch = errors.New("broken batch")

// send takes a request's body. One request at a time does, so that a client that sends faster than the router reads makes
// itself wait, with one body in memory and one in the router's hands.
func (c *Conn) send(w http.ResponseWriter, r *http.Request) error {
	select {
	case c.turn <- struct{}{}:
	case <-c.ended:
		return errGone
	}
	defer func() { <-c.turn }()
	body, err := c.body(w, r, int(c.limit.Load()))
	if err == nil {
		err = c.hand(r, body)
	}
	if err != nil {
		c.account.Shrink(budget.Reading, budget.Buffer(cap(body)))
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// hand gives a body to the reader, who then has it on the account.
func (c *Conn) hand(r *http.Request, body []byte) error {
	if err := c.check(body); err != nil {
		return err
	}
	select {
	case <-c.ended:
		return errGone
	default:
	}
	select {
	case c.bodies <- body:
		return nil
	case <-c.ended:
		return errGone
	case <-r.Context().Done():
		return r.Context().Err()
	}
}

// body is Server.body for a body that may be long: what it takes is on the account, and it waits while memory is short.
func (c *Conn) body(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		c.interrupt(w, done)
	}()
	defer func() { close(done); <-stopped }() // w is the web server's afterwards
	return c.server.read(w, r, limit, func(have, size int) error {
		if size <= bufferSize {
			c.account.Grow(budget.Reading, budget.Buffer(size))
		} else if err := c.account.Wait(size, r.Context().Done()); err != nil {
			return refusal{http.StatusServiceUnavailable, err.Error()}
		}
		c.account.Shrink(budget.Reading, budget.Buffer(have))
		return nil
	})
}

// interrupt ends the reading of a body when the transport has ended, so that a client that was cut does not keep its
// memory until the body's time is over.
func (c *Conn) interrupt(w http.ResponseWriter, done <-chan struct{}) {
	select {
	case <-c.ended:
		http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	case <-done:
	}
}

// check says whether ReadMessage will be able to take the body apart.
func (c *Conn) check(body []byte) error {
	if len(body) == 0 {
		return errors.New("the body is empty")
	}
	if !c.protocol.Batched {
		return nil
	}
	for len(body) > 0 {
		before, length, after, ok := c.protocol.Split(body)
		if !ok {
			return errBatch
		}
		body = body[before+length+after:]
	}
	return nil
}
