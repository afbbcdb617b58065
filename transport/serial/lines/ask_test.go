package lines

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/transport/serial/reading"
)

// scale is a device that answers the first requests, each after a second, and then is silent.
type scale struct {
	answers chan string
	closed  chan struct{}
}

func (s *scale) Read(b []byte) (int, error) {
	select {
	case text := <-s.answers:
		return copy(b, text), nil
	case <-s.closed:
		return 0, io.EOF
	}
}

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parser(t, Config{Format: CSV, Columns: []string{"n"}, Time: "none", Ask: []Request{
			{Send: []byte("hello"), AtOpen: true, Timeout: time.Second},
			{Send: []byte("S\r\n"), Every: 5 * time.Second, Timeout: 2 * time.Second},
			{Send: []byte("tare"), Every: 8 * time.Second},
		}})
		s := NewSensor(p, nil)
		device := &scale{make(chan string), make(chan struct{})}
		began := time.Now()
		type sent struct {
			what string
			at   time.Duration
		}
		var got []sent
		s.Send = func(_ context.Context, request []byte) error {
			got = append(got, sent{string(request), time.Since(began)})
			switch n := len(got); {
			case n == 1: // not yet
			case n <= 4:
				time.AfterFunc(time.Second/2, func() { device.answers <- "7\r\n" })
			case n == 7:
				time.AfterFunc(time.Second/2, func() { close(device.closed) })
				return errors.New("gone")
			}
			return nil
		}
		good := 0
		s.Run(device, func(reading.Event) { good++ })
		const ms = time.Millisecond
		want := []sent{
			{"hello", 100 * ms},   // not answered,
			{"hello", 2100 * ms},  // so again
			{"S\r\n", 5100 * ms},  // answered
			{"tare", 8100 * ms},   // no answer to wait for
			{"S\r\n", 10100 * ms}, // not answered
			{"S\r\n", 15100 * ms}, // not answered
			{"tare", 17100 * ms},  // late by the timeout
		}
		if !reflect.DeepEqual(got, want) || good != 3 {
			t.Errorf("%v, want %v; %d good", got, want, good)
		}
		if st := s.State(); st.Asked != 6 || st.Unanswered != 3 || st.UnansweredInARow != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAskConfig(t *testing.T) {
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{AtOpen: true}, "send has 0 bytes"},
		{Request{Send: make([]byte, MaxRequest+1), AtOpen: true}, "send has 4097 bytes"},
		{Request{Send: []byte("S")}, "set every or at_open"},
		{Request{Send: []byte("S"), Every: MinAsk - 1}, "want at least 10ms"},
		{Request{Send: []byte("S"), AtOpen: true, Timeout: MinAsk - 1}, "want at least 10ms"},
		{Request{Send: make([]byte, MaxRequest), Every: MinAsk, Timeout: MinAsk}, ""},
	} {
		_, err := New(Config{Topic: "a", Ask: []Request{c.r}})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60v: %v, want %s", c.r, err, c.want)
		}
	}
}

// A request is repeated in its interval, or at once after a longer wait. One without an interval is repeated until it is answered,
// less and less often.
func TestPlan(t *testing.T) {
	for _, c := range []struct {
		every       time.Duration
		answered    bool
		after, want time.Duration // since the request was due; want < 0: never
	}{
		{10 * time.Second, true, 0, 10 * time.Second}, {10 * time.Second, false, 3 * time.Second, 10 * time.Second}, {10 * time.Second, true, 10 * time.Second, 10 * time.Second},
		{10 * time.Second, true, 25 * time.Second, 25 * time.Second}, {0, true, 3 * time.Second, -1}, {0, false, 3 * time.Second, 3*time.Second + minAgain},
	} {
		p := plan{Request: Request{Every: c.every}, due: noon, again: minAgain}
		p.plan(c.answered, noon.Add(c.after))
		if got := p.due.Sub(noon); c.want >= 0 && got != c.want || c.want < 0 && !p.due.IsZero() {
			t.Errorf("%+v: due after %v", c, got)
		}
	}
	p := plan{again: minAgain}
	for range 30 {
		p.plan(false, noon)
	}
	if got := p.due.Sub(noon); got != maxAgain {
		t.Errorf("a request that is never answered is repeated after %v, want %v", got, maxAgain)
	}
}

// The request that is due first is sent first. One that is not repeated is never due.
func TestNextRequest(t *testing.T) {
	a := &asker{plans: []plan{{due: noon.Add(2)}, {}, {due: noon.Add(1)}, {due: noon.Add(1)}}}
	for _, want := range []int{2, 3, 0} {
		if p := a.next(); p != &a.plans[want] {
			t.Errorf("%+v is next, want number %d", p, want)
		}
		a.plans[want].due = time.Time{}
	}
	if p := a.next(); p != nil {
		t.Errorf("%+v is next", p)
	}
}
