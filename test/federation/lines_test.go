package federation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// far returns a pair whose link goes over the centre's line, with frequent heartbeats.
func far(t *testing.T, extra, rules string) *pair {
	t.Helper()
	return newPair(t, "ping_interval = \"1s\"\n"+extra, rules)
}

// sequence publishes numbers at the edge until told to stop, and returns how many.
func (p *pair) sequence(t *testing.T, topic string, n int, between time.Duration) {
	t.Helper()
	for i := range n {
		p.edge.publish(p.here, topic, i)
		time.Sleep(between)
	}
}

// inOrder waits for all numbers up to n, and checks that each arrived once and in order.
func (p *pair) inOrder(t *testing.T, h *heard, topic string, n int) {
	t.Helper()
	last := fmt.Sprintf("%s[%d]", topic, n-1)
	kit.Eventually(t, last+" arrives", func() bool { return h.count(last) > 0 })
	next := 0
	for _, text := range h.all() {
		if !strings.HasPrefix(text, topic+"[") || strings.Contains(text, "probe") {
			continue
		}
		if want := fmt.Sprintf("%s[%d]", topic, next); text != want {
			t.Fatalf("%s comes in the place of %s", text, want)
		}
		next++
	}
	if next != n {
		t.Fatalf("%d events have come, of %d", next, n)
	}
}

// A bad line is slow, halts, and is cut repeatedly. All events arrive once and in order.
func TestBadLine(t *testing.T) {
	p := far(t, "ping_timeout = \"5s\"\n", shares("export topic com.example. store=\"disk\""))
	h := p.centre.listen(p.there, "com.example.", wamp.Prefix)
	p.edge.reaches(p.here, "com.example.probe", h)
	p.centre.line.become(quality{delay: 150 * time.Millisecond, stalls: 0.05, stall: time.Second})
	stop := make(chan struct{})
	var cutting sync.WaitGroup
	cutting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Second):
				p.centre.line.cut()
			}
		}
	})
	const events = 400
	p.sequence(t, "com.example.a", events, 20*time.Millisecond)
	close(stop)
	cutting.Wait()
	p.inOrder(t, h, "com.example.a", events)
	if l := p.edge.link(p.here, "central"); l.Reconnects == 0 {
		t.Errorf("the line was cut, and the link knows nothing of it: %+v", l)
	}
	kit.Eventually(t, "the round trip is measured", func() bool { return p.edge.link(p.here, "central").RoundTrip >= 300 })
}

// A narrow line carries 2 kB/s. A message that takes longer than the timeout of a heartbeat still arrives. If it ended the
// session, it never would.
func TestNarrowLine(t *testing.T) {
	p := far(t, "ping_timeout = \"2s\"\n", shares("export topic com.example. store=\"memory\"", "export procedure com.example."))
	h := p.centre.listen(p.there, "com.example.", wamp.Prefix)
	p.edge.reaches(p.here, "com.example.probe", h)
	p.centre.line.become(quality{rate: 2 << 10})
	large := strings.Repeat("x", 8<<10) // four seconds
	p.edge.publish(p.here, "com.example.large", large)
	p.sequence(t, "com.example.a", 20, 0)
	p.inOrder(t, h, "com.example.a", 20)
	h.has(t, "com.example.large["+large+"]", 1)
}

// The heartbeats on both sides detect a connection that is open but carries no data.
func TestHalfOpenLine(t *testing.T) {
	p := far(t, "ping_timeout = \"1s\"\n", shares("export topic com.example. store=\"disk\""))
	h := p.centre.listen(p.there, "com.example.", wamp.Prefix)
	p.edge.reaches(p.here, "com.example.probe", h)
	p.centre.line.silence(true)
	p.sequence(t, "com.example.a", 10, 0)
	kit.Eventually(t, "the link is down", func() bool { return !p.edge.link(p.here, "central").Up })
	kit.Eventually(t, "it is said why", func() bool {
		l := p.edge.link(p.here, "central")
		return l.Up || strings.Contains(l.Error, "has not answered") || strings.Contains(l.Error, "join realm1")
	})
	p.centre.line.cut() // the events in flight on the dead connections
	p.centre.line.silence(false)
	p.inOrder(t, h, "com.example.a", 10)
	p.edge.up(p.here, "central")
}

// Two centres: the first stops and the second takes over. When the first returns, the link goes back to it.
func TestFailover(t *testing.T) {
	first, second := start(t, "first", ""), start(t, "second", "")
	edge := start(t, "edge", fmt.Sprintf("[[uplink]]\nname = \"central\"\nurl = [%q, %q]\nauthid = \"gateway\"\nticket = \"gateway's\"\nfail_back = \"1s\"\n"+
		"reconnect_min = \"50ms\"\nreconnect_max = \"500ms\"\n%s", first.url, second.url,
		shares("export topic com.example. store=\"disk\"", "import procedure org.example.", "export procedure com.example.")))
	here := edge.join()
	edge.up(here, "central")
	atFirst, atSecond := first.listen(first.join(), "com.example.", wamp.Prefix), second.listen(second.join(), "com.example.", wamp.Prefix)
	edge.reaches(here, "com.example.a", atFirst)

	first.kill()
	kit.Eventually(t, "the link has gone over", func() bool {
		l := edge.link(here, "central")
		return l.Up && l.URL == second.url
	})
	edge.reaches(here, "com.example.a", atSecond)

	there := second.join()
	release, invoked := make(chan struct{}), make(chan struct{}, 100)
	second.offer(there, "org.example.slow", client.RegisterOptions{}, func(ctx context.Context, _ *client.Invocation) (client.Payload, error) {
		invoked <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return client.Args("done"), ctx.Err()
	})
	called := make(chan error, 1)
	go func() {
		_, err := edge.call(here, "org.example.slow", client.CallOptions{})
		called <- err
	}()
	kit.Receive(t, "the call", invoked)
	first.run()
	atFirst = first.listen(first.join(), "com.example.", wamp.Prefix)
	time.Sleep(2 * time.Second) // longer than fail_back: enough time for a wrong move
	if l := edge.link(here, "central"); l.URL != second.url {
		t.Errorf("the link has gone back with a call under way: %+v", l)
	}
	close(release)
	if err := <-called; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	kit.Eventually(t, "the link has gone back", func() bool {
		l := edge.link(here, "central")
		return l.Up && l.URL == first.url
	})
	edge.reaches(here, "com.example.a", atFirst)
}

// A centre is killed and restarted. Events published meanwhile arrive once and in order.
func TestTheCentreIsKilled(t *testing.T) {
	p := newPair(t, "", shares("export topic com.example. store=\"disk\"", "export procedure com.example."))
	p.edge.offer(p.here, "com.example.there", client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
		return client.Args("edge"), nil
	})
	p.edge.reaches(p.here, "com.example.probe", p.centre.listen(p.there, "com.example.", wamp.Prefix)) // a subscriber exists
	const events = 100
	for i := range events {
		p.edge.publish(p.here, "com.example.a", i)
		if i == 20 {
			p.centre.kill()
		}
	}
	_, err := p.here.Call(t.Context(), "org.none", client.CallOptions{}, client.Payload{})
	if !errors.Is(err, wamp.NoSuchProcedure) {
		t.Errorf("call: %v", err)
	}
	p.centre.line.become(quality{cut: true}) // so that the subscriber precedes the events
	p.centre.run()
	h := p.centre.listen(p.centre.join(), "com.example.", wamp.Prefix)
	p.centre.line.become(quality{})
	last := fmt.Sprintf("com.example.a[%d]", events-1)
	h.has(t, last, 1)
	var all []string
	for _, text := range h.all() {
		if !strings.Contains(text, "probe") {
			all = append(all, text)
		}
	}
	if len(all) < events-21 {
		t.Errorf("%d events have come, of %d that the centre had not", len(all), events-21)
	}
	for i, text := range all {
		if want := fmt.Sprintf("com.example.a[%d]", events-len(all)+i); text != want {
			t.Fatalf("%s comes in the place of %s", text, want)
		}
	}
	if _, err := p.centre.call(p.centre.join(), "com.example.there", client.CallOptions{}); err != nil {
		t.Errorf("call: %v", err)
	}
}
