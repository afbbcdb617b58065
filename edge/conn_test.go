package edge

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/transport/memory"
)

// able is a Conn with all optional methods.
type able struct {
	*memory.Conn

	mu     sync.Mutex
	limits []int
	halves int // how often it was closed for writing
}

func (c *able) SetReadLimit(octets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = append(c.limits, octets)
}

func (c *able) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halves++
	return nil
}

// closedHalf is how often the connection was closed for writing.
func (c *able) closedHalf() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.halves
}

// enable connects a peer over such a Conn.
func (s *story) enable() (*peer, *able) {
	ours, theirs := memory.Pipe(memory.Options{})
	c := &able{Conn: theirs}
	p := &peer{story: s, conn: ours, speaks: ours.Transport().Serializer, ended: make(chan error, 1)}
	s.served.Go(func() { p.ended <- s.router.Serve(c) })
	p.listen()
	return p, c
}

func TestStrangersMayNotSendMuch(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p, c := s.enable()
		synctest.Wait()
		if got := fmt.Sprint(c.limits); got != fmt.Sprint([]int{maxHandshakeRead}) {
			t.Errorf("before HELLO: %s", got)
		}
		p.say(hello)
		p.hear(`[2,"*","*"]`)
		synctest.Wait()
		if got := fmt.Sprint(c.limits); got != fmt.Sprint([]int{maxHandshakeRead, 0}) {
			t.Errorf("after WELCOME: %s", got)
		}
	})
}

// A peer may close the connection first. Otherwise the router closes it, unless another session begins on it.
func TestConnectionCloses(t *testing.T) {
	for _, closes := range []bool{true, false} {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			p, c := s.enable()
			p.say(hello)
			p.hear(`[2,"*","*"]`)
			start := time.Now()
			p.say(`[6,{},"wamp.close.normal"]`)
			p.hear(`[6,{},"wamp.close.goodbye_and_out"]`)
			synctest.Wait()
			if n := s.router.Status().Realms[0].Sessions; n != 0 || c.closedHalf() != 0 {
				t.Errorf("%d sessions, closed for writing %d times", n, c.closedHalf())
			}
			if closes {
				p.conn.Close()
			}
			if err := p.closed(); err != nil {
				t.Errorf("the session ended with %v", err)
			}
			if took := time.Since(start); closes && took > 0 || !closes && (took != nextHelloTimeout+closeGrace || c.closedHalf() != 1) {
				t.Errorf("it took %v, closed for writing %d times", took, c.closedHalf())
			}
		})
	}
}

// After a violation the peer gets the ABORT: the connection stays open for a while, whatever the peer sends meanwhile.
func TestConnectionClosesAfterViolation(t *testing.T) {
	for _, joined := range []bool{true, false} {
		for _, closes := range []bool{true, false} {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				p, c := s.enable()
				if joined {
					p.enter(hello)
				}
				start := time.Now()
				p.say(`[1,"realm1",{}]`)
				p.hear(`[3,"*","wamp.error.protocol_violation"]`)
				p.say(`[1,"realm1",{}]`)
				p.say(`[1,"realm1",{}]`)
				synctest.Wait()
				if closes {
					p.conn.Close()
				}
				p.closed()
				if took := time.Since(start); (took == closeGrace) == closes || closes && took > 0 || c.closedHalf() != 1 {
					t.Errorf("joined %v: closed after %v, closed for writing %d times", joined, took, c.closedHalf())
				}
			})
		}
	}
}

// unwritable is a Conn whose writes fail, though its peer can still be read.
type unwritable struct{ *memory.Conn }

func (unwritable) Write([]byte, bool) (int, error) { return 0, errors.New("broken pipe") }

// A session whose messages can't be written ends.
func TestUnwritableConnection(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		ours, theirs := memory.Pipe(memory.Options{})
		p := &peer{story: s, conn: ours, speaks: ours.Transport().Serializer, ended: make(chan error, 1)}
		s.served.Go(func() { p.ended <- s.router.Serve(unwritable{theirs}) })
		p.listen()
		p.say(hello)
		if p.closed() == nil || s.router.Status().Realms[0].Sessions != 0 {
			t.Errorf("%+v", s.router.Status())
		}
	})
}
