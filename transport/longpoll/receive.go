package longpoll

import (
	"net/http"
	"strconv"
	"time"

	"runnel/transport/wire"
)

// poll is a receive request that waits for messages.
type poll struct {
	woken    chan struct{} // holds an element after a change of the transport
	replaced bool          // a newer request waits instead. Guarded by Conn.mu
}

// wake makes the request check the transport again. p may be nil.
func (p *poll) wake() {
	if p == nil {
		return
	}
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

var errReplaced = refusal{http.StatusConflict, "another request waits for this transport's messages"}

// receive answers with a message or, in the batched form, with all buffered messages. It answers with no content if there
// is no message for PollTime, or if the transport ends.
func (c *Conn) receive(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.server.body(w, r, maxAsk); err != nil {
		return err
	}
	p, err := c.startPoll()
	if err != nil {
		return err
	}
	defer c.endPoll(p)
	messages, err := c.await(r, p)
	if err != nil {
		return err
	}
	if err := c.answer(w, messages); err != nil && messages != nil {
		c.disconnect(err) // the messages are lost: the client cannot request them again
	}
	return nil
}

// answer writes and flushes the answer. It does so before the request ends, because the listener may end with it.
func (c *Conn) answer(w http.ResponseWriter, messages []byte) error {
	control := http.NewResponseController(w)
	control.SetWriteDeadline(time.Now().Add(c.server.opts.BodyTime))
	if messages == nil {
		w.WriteHeader(http.StatusNoContent)
		return control.Flush()
	}
	h := w.Header()
	h.Set("Content-Type", c.contentType())
	h.Set("Content-Length", strconv.Itoa(len(messages)))
	if _, err := w.Write(messages); err != nil {
		return err
	}
	return control.Flush()
}

func (c *Conn) contentType() string {
	if c.protocol.Text() {
		return "application/json; charset=utf-8"
	}
	return "application/octet-stream"
}

// startPoll makes a request the waiting one. It replaces an older request, whose connection may be lost already.
func (c *Conn) startPoll() (*poll, error) {
	p := &poll{woken: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed && len(c.out) == c.at {
		c.remove()
		return nil, errGone
	}
	if c.poll != nil {
		c.poll.replaced = true
		c.poll.wake()
	}
	c.poll = p
	c.idle.Stop()
	return p, nil
}

// endPoll is called when the request is answered. It starts the idle timer unless another request waits.
func (c *Conn) endPoll(p *poll) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.poll != p {
		return
	}
	c.poll = nil
	switch {
	case c.removed:
	case c.closed:
		c.idle.Reset(lingerTime)
	default:
		c.idle.Reset(c.server.opts.IdleTime)
	}
}

// await waits until there are messages, the transport has ended, or PollTime has passed.
func (c *Conn) await(r *http.Request, p *poll) (messages []byte, err error) {
	late := time.NewTimer(c.server.opts.PollTime)
	defer late.Stop()
	for {
		messages, over, err := c.take(p)
		if messages != nil || over || err != nil {
			return messages, err
		}
		select {
		case <-p.woken:
		case <-late.C:
			return nil, nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// take returns messages to answer with, or nil. over reports that no more messages will follow.
func (c *Conn) take(p *poll) (messages []byte, over bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case p.replaced:
		return nil, false, errReplaced
	case len(c.out) == c.at:
		return nil, c.cause != nil, nil
	}
	messages = c.fetch()
	c.recharge()
	c.room.Broadcast()
	return messages, false, nil
}

// fetch removes one message or, in the batched form, all messages from c.out. The caller holds mu.
func (c *Conn) fetch() (messages []byte) {
	waiting := c.out[c.at:]
	if c.protocol.Batched {
		messages = c.protocol.Pack(nil, waiting)
		c.at = len(c.out)
	} else {
		m := wire.MessageSize(waiting)
		messages = append(messages, waiting[wire.HeadSize:m]...)
		c.at += m
	}
	switch {
	case c.at == len(c.out):
		c.out, c.at = nil, 0
	case c.at > len(c.out)/2:
		c.out = c.out[:copy(c.out, c.out[c.at:])]
		c.at = 0
	}
	return messages
}
