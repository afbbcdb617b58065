package lines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Request is sent to a device that answers only when it is asked. Any line or telegram is an answer.
type Request struct {
	Send    []byte
	Every   time.Duration // 0: only when the port is opened, until there is an answer
	AtOpen  bool          // sent first when the port is opened, otherwise after Every
	Timeout time.Duration // for the answer; 0 if none is expected
}

// Limits of requests.
const (
	MinAsk     = 10 * time.Millisecond // of Every and Timeout
	MaxRequest = 4 << 10               // bytes
)

func (r Request) validate() error {
	switch {
	case len(r.Send) == 0 || len(r.Send) > MaxRequest:
		return fmt.Errorf("ask: send has %d bytes: want 1 to %d", len(r.Send), MaxRequest)
	case r.Every == 0 && !r.AtOpen:
		return errors.New("ask: set every or at_open")
	case r.Every != 0 && r.Every < MinAsk || r.Timeout != 0 && r.Timeout < MinAsk:
		return fmt.Errorf("ask: every and timeout: want at least %v", MinAsk)
	}
	return nil
}

// beforeAsking is the delay of the first request after opening. The answer follows silence, so it is a whole line.
const beforeAsking = 2 * silence

// The delay of a request that is sent once, if it was not answered.
const (
	minAgain = time.Second
	maxAgain = time.Minute
)

// asker sends a sensor's requests, one at a time: the next one waits for the answer or its timeout.
type asker struct {
	// Static after construction.
	send     func(context.Context, []byte) error
	asked    func(answered bool)
	answered chan struct{} // holds one element after a line or telegram has arrived

	plans []plan // owned by run
}

// plan is a request and the time at which it is due.
type plan struct {
	Request
	due   time.Time // zero: never again
	again time.Duration
}

// run sends the requests until ctx is done.
func (a *asker) run(ctx context.Context, requests []Request) {
	now := time.Now().Add(beforeAsking)
	for _, r := range requests {
		p := plan{Request: r, due: now, again: minAgain}
		if !r.AtOpen {
			p.due = now.Add(r.Every)
		}
		a.plans = append(a.plans, p)
	}
	for p := a.next(); p != nil && pause(ctx, time.Until(p.due)); p = a.next() {
		answered := a.ask(ctx, p.Request)
		if ctx.Err() != nil {
			return
		}
		a.asked(answered)
		p.plan(answered, time.Now())
	}
}

// next returns the plan that is due first, or nil.
func (a *asker) next() (first *plan) {
	for i := range a.plans {
		if p := &a.plans[i]; !p.due.IsZero() && (first == nil || p.due.Before(first.due)) {
			first = p
		}
	}
	return first
}

// plan sets the time of the next request.
func (p *plan) plan(answered bool, now time.Time) {
	switch {
	case p.Every > 0:
		if p.due = p.due.Add(p.Every); p.due.Before(now) {
			p.due = now
		}
	case answered:
		p.due = time.Time{}
	default:
		p.due = now.Add(p.again)
		p.again = min(2*p.again, maxAgain)
	}
}

// ask sends a request and waits for the answer.
func (a *asker) ask(ctx context.Context, r Request) (answered bool) {
	select {
	case <-a.answered: // of something else
	default:
	}
	if err := a.send(ctx, r.Send); err != nil {
		pause(ctx, minAgain) // the port fails; its reader ends soon
		return false
	}
	if r.Timeout == 0 {
		return true
	}
	timeout := time.NewTimer(r.Timeout)
	defer timeout.Stop()
	select {
	case <-a.answered:
		return true
	case <-timeout.C:
	case <-ctx.Done():
	}
	return false
}

// pause waits for d. It reports whether ctx is still valid.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// startAsking sends the requests until the function that it returns is called. The returned function closes the device,
// because a write may be stuck.
func (s *Sensor) startAsking(device io.Reader) (stop func()) {
	if len(s.parser.ask) == 0 || s.Send == nil {
		return func() {}
	}
	a := &asker{send: s.Send, asked: s.countAsked, answered: s.answered}
	ctx, cancel := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	asking.Go(func() { a.run(ctx, s.parser.ask) })
	return func() {
		cancel()
		if c, ok := device.(io.Closer); ok {
			c.Close()
		}
		asking.Wait()
	}
}

// wakeAsker tells the asker that a line or telegram has arrived.
func (s *Sensor) wakeAsker() {
	select {
	case s.answered <- struct{}{}:
	default:
	}
}

func (s *Sensor) countAsked(answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Asked++
	if answered {
		s.state.UnansweredInARow = 0
		return
	}
	s.state.Unanswered++
	s.state.UnansweredInARow++
}
