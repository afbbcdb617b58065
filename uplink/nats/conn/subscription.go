package conn

import (
	"strconv"
	"sync/atomic"
)

// Sub is a subscription.
type Sub struct {
	Subject, Queue string

	conn   *Conn
	sid    uint64
	handle func(*Msg)
	denied atomic.Pointer[Denied]
}

// Subscribe subscribes to a subject, with "*" for one token and ">" at the end for the rest. One member of a queue
// group gets each message; queue "": no group. The goroutine of Run calls the handler. After a Flush, Denied reports
// whether the server has rejected the subscription.
func (c *Conn) Subscribe(subject, queue string, handler func(*Msg)) (*Sub, error) {
	if !ValidSubject(subject, true) || queue != "" && !ValidSubject(queue, false) {
		return nil, ErrSubject
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	c.sids++
	s := &Sub{Subject: subject, Queue: queue, conn: c, sid: c.sids, handle: handler}
	parts := []string{"SUB", subject, strconv.FormatUint(s.sid, 10)}
	if queue != "" {
		parts = []string{"SUB", subject, queue, parts[2]}
	}
	if err := c.out.line(parts...); err != nil {
		return nil, err
	}
	c.subs[s.sid] = s
	return s, nil
}

// Unsubscribe ends the subscription. A call of the handler may still be in progress.
func (s *Sub) Unsubscribe() {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subs[s.sid] == nil || c.err != nil {
		return
	}
	delete(c.subs, s.sid)
	c.out.line("UNSUB", strconv.FormatUint(s.sid, 10))
}

// Denied returns the violation for which the server has rejected the subscription; nil: none so far.
func (s *Sub) Denied() *Denied { return s.denied.Load() }

// sub returns a subscription; nil: it has ended.
func (c *Conn) sub(sid uint64) *Sub {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subs[sid]
}

// deny reports a violation to its subscriptions or requests.
func (c *Conn) deny(d *Denied) {
	if d.Subject == "" {
		return
	}
	var failed []*Inbox
	c.mu.Lock()
	if d.Publish {
		for _, b := range c.inboxes {
			if b.request == d.Subject {
				failed = append(failed, b)
			}
		}
	} else {
		for _, s := range c.subs {
			if s.Subject == d.Subject && s.Queue == d.Queue {
				s.denied.Store(d)
			}
		}
	}
	c.mu.Unlock()
	for _, b := range failed {
		if b.remove() {
			b.finish(d)
		}
	}
}
