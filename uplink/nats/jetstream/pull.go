package jetstream

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"runnel/uplink/nats/conn"
)

// PullOptions say how many messages to request at a time.
type PullOptions struct {
	Batch   int           // messages asked for at a time; 0: 100
	Expires time.Duration // lifetime of a request for messages; 0: 30 s
}

const (
	defaultBatch   = 100
	defaultExpires = 30 * time.Second
)

// pullRequest is the body of a request for messages.
type pullRequest struct {
	Batch     int           `json:"batch"`
	Expires   time.Duration `json:"expires"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

// Pull requests messages repeatedly and passes them to a handler until ctx is done, the connection ends, or the
// consumer is gone. The goroutine of the connection's Run calls the handler, which must not wait. Acknowledge a message
// by Ack once it is handled. MaxAckPending bounds the messages in flight. After Pull has returned, no call of the
// handler is in progress, and none begins. The server may still deliver a batch to the connection for up to Expires.
// Close the connection before another one reads the consumer.
//
// Pull returns the cause of ctx, the error that ended the connection, or an Error with CodeConsumerNotFound if the
// consumer is gone.
func (c *Consumer) Pull(ctx context.Context, opts PullOptions, handler func(*conn.Msg)) error {
	return c.pull(ctx, opts, handler, false)
}

// pull implements Pull. A fleeting pull ends with the first failure.
func (c *Consumer) pull(ctx context.Context, opts PullOptions, handler func(*conn.Msg), fleeting bool) error {
	if opts.Batch == 0 {
		opts.Batch = defaultBatch
	}
	if opts.Expires == 0 {
		opts.Expires = defaultExpires
	}
	heartbeat := min(c.js.heartbeat, opts.Expires/2)
	body, err := json.Marshal(pullRequest{opts.Batch, opts.Expires, heartbeat})
	if err != nil {
		return err
	}
	p := &puller{
		consumer: c, batch: opts.Batch, silence: 3 * heartbeat, fleeting: fleeting, handler: handler, wake: make(chan struct{}, 1),
		next: conn.Out{Subject: c.js.prefix + ".CONSUMER.MSG.NEXT." + c.Stream + "." + c.Name, Data: body},
	}
	defer p.close()
	return p.run(ctx)
}

// puller is a Pull in progress.
type puller struct {
	consumer *Consumer
	batch    int           // messages asked for at a time
	silence  time.Duration // after which the consumer's server is assumed lost
	fleeting bool          // the first failure ends the pull
	handler  func(*conn.Msg)
	next     conn.Out      // the request for messages
	wake     chan struct{} // signals a change of the fields below

	mu sync.Mutex // held during calls of the handler
	// Guarded by mu.
	batches []*batch // requested
	alive   bool     // the consumer has sent data since the last check of run
	problem error    // why the last batch ended early
	ended   bool
}

// batch is an open request for messages.
type batch struct {
	sub  *conn.Sub
	left int // messages still to arrive
}

// run requests batches until an error occurs that another batch would also get.
func (p *puller) run(ctx context.Context) error {
	pause := newPause()
	silence := time.NewTimer(0)
	defer silence.Stop()
	for {
		alive, problem, err := p.request()
		if err != nil {
			return err
		}
		if alive && problem == nil {
			pause = newPause()
		}
		if problem != nil {
			if err := p.check(ctx, problem); err != nil {
				return err
			}
			if err := pause.wait(ctx, p.done()); err != nil {
				return err
			}
			continue
		}
		silence.Reset(p.silence)
		select {
		case <-p.wake:
		case <-silence.C:
			p.silent()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.done():
			return conn.ErrClosed
		}
	}
}

func (p *puller) done() <-chan struct{} { return p.consumer.js.conn.Done() }

// request requests another batch if less than half a batch is still to arrive. It returns the events since the last
// call.
func (p *puller) request() (alive bool, problem, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	alive, problem = p.alive, p.problem
	p.alive, p.problem = false, nil
	left := 0
	for _, b := range p.batches {
		left += b.left
	}
	if problem != nil || left > p.batch/2 {
		return alive, problem, nil
	}
	b := &batch{left: p.batch}
	// Messages arrive under their own subjects, so each batch needs a subscription. The end of the subscription also
	// ends the request at the server.
	c := p.consumer.js.conn
	if b.sub, err = c.Subscribe(c.NewInbox(), "", func(m *conn.Msg) { p.receive(b, m) }); err != nil {
		return alive, nil, err
	}
	p.batches = append(p.batches, b)
	out := p.next
	out.Reply = b.sub.Subject
	if err := c.Publish(out); err != nil {
		p.drop(b)
		if !Temporary(err) {
			return alive, nil, err
		}
		problem = err
	}
	return alive, problem, nil
}

// receive handles a message or a status for a batch.
func (p *puller) receive(b *batch, m *conn.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.alive = true
	status := m.Header.Status()
	if status == 100 {
		p.signal() // a heartbeat
		return
	}
	if status == 0 || len(m.Data) > 0 {
		if b.left--; b.left <= 0 {
			p.drop(b)
		}
		p.handler(m)
	} else {
		p.drop(b)
		if status != 404 && status != 408 { // 404: no messages; 408: the request has expired
			p.problem = statusError(status, m.Header.Description())
		}
	}
	p.signal()
}

// statusError returns the status that ended a batch as an error.
func statusError(status int, text string) error {
	e := &Error{Code: status, Description: text}
	switch low := strings.ToLower(text); {
	case status == 503:
		return conn.ErrNoResponders
	case strings.Contains(low, "consumer deleted"), strings.Contains(low, "consumer not found"):
		e.ErrCode = CodeConsumerNotFound
	}
	return e
}

// signal wakes run. The caller holds mu.
func (p *puller) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// drop ends a batch. The caller holds mu.
func (p *puller) drop(b *batch) {
	b.sub.Unsubscribe()
	for i, other := range p.batches {
		if other == b {
			p.batches = append(p.batches[:i], p.batches[i+1:]...)
			return
		}
	}
}

// silent ends all batches because the consumer was silent for too long: its server may be lost.
func (p *puller) silent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive {
		return
	}
	for len(p.batches) > 0 {
		p.drop(p.batches[0])
	}
	p.problem = conn.ErrNoResponders
}

// close ends all calls of the handler.
func (p *puller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for len(p.batches) > 0 {
		p.drop(p.batches[0])
	}
}

// check returns the error if another batch would fail too. It asks the server whether the consumer still exists.
func (p *puller) check(ctx context.Context, problem error) error {
	if p.fleeting || IsCode(problem, CodeConsumerNotFound) {
		return problem
	}
	_, err := p.consumer.js.Consumer(ctx, p.consumer.Stream, p.consumer.Name)
	switch {
	case err == nil || Temporary(err) && ctx.Err() == nil:
		return nil
	case IsCode(err, CodeStreamNotFound):
		return &Error{404, CodeConsumerNotFound, "the stream was deleted"}
	}
	return err
}
