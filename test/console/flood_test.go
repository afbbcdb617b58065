package console

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
)

// Events may arrive faster than the page can show them. The page stays usable, and its memory and the router's stay
// flat: after ten times as many events, they have grown by at most a fixed amount.
func TestFlood(t *testing.T) {
	const first, last = 2000, 20000 // events
	const most = 12 << 20           // bytes; less than a kilobyte an event
	s := newScene(t, "operator")
	p := open(t, s.page)
	p.view("live")
	p.sees("com.example.greenhouse")
	s.flood("tcp://" + s.address(s.edge))
	p.received(first)
	heap, resident := p.heap(), program.Resident(s.edge.PID())
	p.received(last)
	p.press("Pause")
	p.sees("paused")
	page, router := p.heap()-heap, program.Resident(s.edge.PID())-resident
	t.Logf("the page's heap: %d bytes, then %d more; the router: %d, then %d more", heap, page, resident, router)
	if page > most {
		t.Errorf("the page's heap has grown by %d bytes", page)
	}
	if router > most {
		t.Errorf("the router has grown by %d bytes", router)
	}
	if rows := eval[int](p, `document.querySelectorAll('*').length`); rows > 5000 {
		t.Errorf("the page has %d elements", rows)
	}
	p.press("Resume")
	p.sees("events/s")
	p.view("overview")
	p.sees("installation checked")
	p.clean()
}

// received waits until the page has received a number of events.
func (p *tab) received(events int) {
	p.Helper()
	count := `Number((document.querySelector('.count')?.textContent.match(/of ([\d\u202f]+) events/) || [0, '0'])[1].replaceAll('\u202f', ''))`
	before := -1
	for now := 0; now < events; now = eval[int](p, count) {
		if now > before {
			before = now
		}
		kit.Eventually(p.T, "more events", func() bool { return eval[int](p, count) > before }, p.text)
	}
}

// heap returns the bytes of the page's JavaScript heap in use.
func (p *tab) heap() (bytes int) {
	p.Helper()
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		if err := heapprofiler.CollectGarbage().Do(ctx); err != nil {
			return err
		}
		used, _, _, _, err := runtime.GetHeapUsage().Do(ctx)
		bytes = int(used)
		return err
	}))
	return bytes
}

// flood publishes a thousand events a second, with 200 topics, until the test ends.
func (s *scene) flood(url string) {
	s.Helper()
	c := program.Join(s.T, url, client.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			if i%10 == 0 {
				<-tick.C
			}
			_ = c.Publish(ctx, fmt.Sprintf("org.flood.t%d.value", i%200), client.PublishOptions{}, client.Args(float64(i), "some text that an event may have"))
		}
	}()
}
