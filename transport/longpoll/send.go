package longpoll

import (
	"errors"
	"net/http"
	"time"

	"runnel/edge/budget"
)

var errBatch = errors.New("broken batch")

// send receives the body of a request and passes it to the reader. Send requests are processed one at a time. A client that
// sends faster than the router reads thus blocks itself, and at most two of its bodies are in memory.
func (c *Conn) send(w http.ResponseWriter, r *http.Request) error {
	select {
	case c.sending <- struct{}{}:
	case <-c.ended:
		return errGone
	}
	defer func() { <-c.sending }()
	body, err := c.body(w, r, int(c.limit.Load()))
	if err == nil {
		err = c.pass(r, body)
	}
	if err != nil {
		c.account.Shrink(budget.Reading, budget.Buffer(cap(body)))
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// pass checks a body and passes it to the reader, together with its charge on the account.
func (c *Conn) pass(r *http.Request, body []byte) error {
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

// body reads a body that may be long. It charges the account for it and waits while memory is short.
func (c *Conn) body(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		c.interrupt(w, done)
	}()
	defer func() { close(done); <-stopped }() // interrupt must not use w after the handler returns
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

// interrupt aborts the read of a body when the transport has ended, so that its memory is freed before BodyTime has passed.
func (c *Conn) interrupt(w http.ResponseWriter, done <-chan struct{}) {
	select {
	case <-c.ended:
		http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	case <-done:
	}
}

// check returns an error if ReadMessage could not split the body into messages.
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
