package longpoll

import (
	"errors"
	"net/http"
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
	body, err := c.server.body(w, r, int(c.limit.Load()))
	if err != nil {
		return err
	}
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
	case <-c.ended:
		return errGone
	case <-r.Context().Done():
		return r.Context().Err()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
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
