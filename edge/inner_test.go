package edge

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// desk is a callee that answers automatically.
type desk struct {
	*peer
	answers []string // the rest of YIELD, or "!" and an error's URI, or "" for silence; the last one counts for all others

	mu    sync.Mutex
	asked []string // the arguments of each INVOCATION
	other []string // its other messages
}

// desk joins a session that its listener identifies, and registers a procedure.
func (s *story) desk(register string, answers ...string) *desk {
	s.Helper()
	d := &desk{peer: s.trusted("all"), answers: answers}
	d.say(register)
	d.hear(`[65,1,"*"]`)
	go d.attend()
	return d
}

// trusted joins a peer that its listener identifies.
func (s *story) trusted(role string) *peer {
	s.Helper()
	p := s.deaf(memory.Options{})
	p.conn.Transport().Authid, p.conn.Transport().Role = "desk", role
	p.listen()
	p.say(helloAll)
	p.hear(`[2,"*","*"]`)
	return p
}

func (d *desk) attend() {
	for text := range d.heard {
		m := decode(d.T, text).([]any)
		if fmt.Sprint(m[0]) != "68" {
			d.note(&d.other, text)
			continue
		}
		d.note(&d.asked, text[strings.Index(text, ",[")+1:len(text)-1])
		answer := d.answers[0]
		if len(d.answers) > 1 {
			d.answers = d.answers[1:]
		}
		uri, failed := strings.CutPrefix(answer, "!")
		switch {
		case failed:
			d.say(fmt.Sprintf(`[8,68,%v,{},%q]`, m[1], uri))
		case answer != "":
			d.say(fmt.Sprintf(`[70,%v,{},%s]`, m[1], answer))
		}
	}
}

func (d *desk) note(list *[]string, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*list = append(*list, text)
}

// count waits until all is quiet, checks how often the desk was called, and returns the arguments.
func (d *desk) count(want int) []string {
	d.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.asked) != want {
		d.Fatalf("asked %d times, not %d: %.1000s", len(d.asked), want, d.asked)
	}
	return d.asked[:want:want]
}

// interrupted checks that the desk has received one INTERRUPT beside INVOCATIONs.
func (d *desk) interrupted(invocation int) {
	d.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if want := fmt.Sprintf(`[[69,%d,{"mode":"killnowait"}]]`, invocation); fmt.Sprint(d.other) != want {
		d.Errorf("heard %s, expected %s", d.other, want)
	}
}

// closesSoon closes the router and checks that no goroutine waits for an answer.
func (s *story) closesSoon() {
	s.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.router.Close(ctx)
	if took := time.Since(start); took > 2*time.Second {
		s.Errorf("to close took %v", took)
	}
}

func (s *story) ask(procedure string, within time.Duration) ([]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	results, _, err := s.router.realm([]byte("realm1")).ask(ctx, procedure, []any{"x", int64(1)}, nil)
	return results, err
}

func TestAnswerOf(t *testing.T) {
	named := map[string]any{"role": "all"}
	for _, c := range []struct {
		results []any
		named   map[string]any
		want    any
	}{
		{[]any{"first", "second"}, named, "first"},
		{nil, named, named},
		{[]any{}, map[string]any{}, nil},
		{nil, nil, nil},
	} {
		if got := answerOf(c.results, c.named); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v, %v: the answer is %v", c.results, c.named, got)
		}
	}
}

func TestAsk(t *testing.T) {
	tell(t, Options{MaxCalls: 1}, RealmOptions{}, func(s *story) {
		d := s.desk(`[64,1,{},"com.x"]`, `["y",2]`, `[]`, `!com.error.no`)
		if got, err := s.ask("com.x", time.Second); err != nil || fmt.Sprint(got) != "[y 2]" {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := s.ask("com.x", time.Second); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := s.ask("com.x", time.Second); !errors.Is(err, wamp.Failure("com.error.no")) {
			t.Errorf("an ERROR comes as %v", err)
		}
		if _, err := s.ask("com.y", time.Second); !errors.Is(err, wamp.NoSuchProcedure) {
			t.Errorf("a procedure that is not there: %v", err)
		}
		if asked := d.count(3); asked[0] != `["x",1]` {
			t.Errorf("asked %s", asked[0])
		}
	})
}

// The router's own call is routed like any other: by patterns, and to shared registrations.
func TestAskPatternAndSharedRegistration(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		a := s.desk(`[64,1,{"match":"prefix","invoke":"roundrobin"},"com."]`, `["a"]`)
		b := s.desk(`[64,1,{"match":"prefix","invoke":"roundrobin"},"com."]`, `["b"]`)
		for range 4 {
			if _, err := s.ask("com.any", time.Second); err != nil {
				t.Fatal(err)
			}
		}
		a.count(2)
		b.count(2)
	})
}

func TestAskInVain(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		d := s.desk(`[64,1,{},"com.x"]`, ``)
		start := time.Now()
		if _, err := s.ask("com.x", 3*time.Second); !errors.Is(err, wamp.Timeout) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		d.interrupted(1)
		d.say(`[70,1,{},["late"]]`) // is dropped
		time.AfterFunc(time.Second, func() { d.conn.Close() })
		if _, err := s.ask("com.x", 3*time.Second); !errors.Is(err, wamp.Canceled) || time.Since(start) != 4*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// The length of an answer and the number of pending calls are bounded.
func TestAskIsBounded(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		d := s.desk(`[64,1,{},"com.x"]`, `["`+strings.Repeat("x", maxAnswer)+`"]`, ``)
		if _, err := s.ask("com.x", time.Second); !errors.Is(err, wamp.PayloadSizeExceeded) {
			t.Errorf("a long answer: %.100v", err)
		}
		failed := make(chan error)
		for range maxAsks + 10 {
			go func() {
				_, err := s.ask("com.x", time.Second)
				failed <- err
			}()
		}
		synctest.Wait()
		d.count(1 + maxAsks)
		for range maxAsks + 10 {
			if err := <-failed; !errors.Is(err, wamp.Timeout) {
				t.Error(err)
			}
		}
	})
}

// The router's own calls are not members of the realm.
func TestAskerIsNoMember(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		p.say(`[32,1,{"match":"prefix"},"wamp.session."]`)
		p.hear(`[33,1,"*"]`)
		d := s.desk(`[64,1,{},"com.x"]`, ``)
		p.hear(`[36,"*","*",{"topic":"wamp.session.on_join"},["*"]]`)
		done := make(chan struct{})
		go func() { s.ask("com.x", time.Second); close(done) }()
		d.count(1)
		p.say(`[48,1,{},"wamp.session.count"]`)
		p.hear(`[50,1,{},[2]]`)
		<-done
		p.silent()
	})
}

func TestAskWhileTheRouterCloses(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		d := s.desk(`[64,1,{},"com.x"]`, ``)
		failed := make(chan error, 1)
		go func() {
			_, err := s.ask("com.x", time.Hour)
			failed <- err
		}()
		d.count(1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.router.Close(ctx)
		if err := <-failed; !errors.Is(err, wamp.CloseShutdown) {
			t.Error(err)
		}
		if _, err := s.ask("com.x", time.Hour); err == nil {
			t.Error("a closed realm answers")
		}
	})
}
