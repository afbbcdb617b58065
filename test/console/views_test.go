package console

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"runnel/test/kit"
	"runnel/test/program"
)

// scheme makes the page light or dark.
func scheme(name string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}})
}

// settle waits until the page has been laid out and drawn again.
var settle = chromedp.Evaluate(`new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(drawn, 200))))`, nil, awaited)

// Each view shows the events in a router with a sensor and a link, and the remedies. The browser reports no errors
// meanwhile.
func TestViews(t *testing.T) {
	s := newScene(t, "operator")
	p := open(t, s.page)
	t.Run("overview", func(t *testing.T) { p.of(t).overview() })
	t.Run("live", func(t *testing.T) { p.of(t).live() })
	t.Run("lines", func(t *testing.T) { p.of(t).lines() })
	t.Run("try", func(t *testing.T) { p.of(t).try() })
	t.Run("links", func(t *testing.T) { p.of(t).links(s) })
	t.Run("sessions", func(t *testing.T) { p.of(t).sessions(s) })
	t.Run("fleet", func(t *testing.T) { p.of(t).fleet() })
	p.clean()
}

func (p *tab) overview() {
	p.holds("the verdict is known", `/All is well|finding/.test(document.querySelector('.health h2')?.textContent)`) // on a sound machine, all is well
	p.sees("gw-001", "greenhouse", "central", "events/s", "calls/s")
	p.holds("a chart has a line", `[...document.querySelectorAll('.chart .line')].some((line) => line.getAttribute('d').includes('L'))`)
	p.sees("installation checked", "certificate, network, uplink")
	p.press("Check again")
	p.holds("a notice says what was found", `/All is well|finding/.test(document.querySelector('#notice').textContent)`)
	p.check()
	p.shoot("overview")
}

func (p *tab) live() {
	p.view("live")
	p.sees("com.example.greenhouse", "temperature", "humidity")
	p.fill("#filter", "no such text")
	p.holds("nothing passes the filter", `!document.querySelector('.stream tbody tr')`)
	p.fill("#filter", "GREENHOUSE")
	p.holds("events pass the filter", `document.querySelectorAll('.stream tbody tr').length > 3`)
	p.do(chromedp.SetValue("#field", "temperature"), chromedp.Evaluate(`document.querySelector('#field').dispatchEvent(new Event('change'))`, nil))
	p.holds("the chart has the unit of its field", `/ °C$/.test(document.querySelector('.chartbox .now').textContent)`)
	p.fill("#unit", "K")
	p.holds("the chart has the unit of the user", `/ K$/.test(document.querySelector('.chartbox .now').textContent)`)
	p.fill("#unit", "°C")
	p.press("Pause")
	before := eval[string](p, `document.querySelector('.stream tbody tr td:first-child').textContent`)
	p.sees("paused")
	p.do(chromedp.Click(`.stream tbody tr:nth-child(2)`, chromedp.ByQuery))
	p.sees("Keyword arguments", "publication")
	p.do(chromedp.MouseEvent(input.MouseMoved, 5, 5)) // the list does not change under the pointer
	p.press("Resume")
	p.holds("events go on", fmt.Sprintf(`document.querySelector('.stream tbody tr td:first-child').textContent !== %q`, before))
	p.check()
	p.shoot("live")
}

func (p *tab) lines() {
	p.view("lines")
	p.sees("greenhouse", "serving", "the last bad line", `{"temperature":2`, "readings published")
	p.holds("the last reading is shown", `[...document.querySelectorAll('.lines td')].some((td) => /temperature=2\d\.\d/.test(td.textContent))`)
	p.check()
	p.shoot("lines")
	p.do(chromedp.Click(`.lines details summary`, chromedp.ByQuery))
	p.holds("the raw bytes are shown as text and in hex", `[...document.querySelectorAll('.bytes tr')].some((tr) => tr.textContent.includes('in{"temperature":2') && tr.textContent.includes('\\r\\n7b 22 74 65'))`)
	p.press("Pause")
	p.check()
	p.shoot("raw")
	p.do(chromedp.Click(`.lines details summary`, chromedp.ByQuery))
}

func (p *tab) try() {
	p.view("try")
	p.holds("URIs are completed", `document.querySelectorAll('#uris option').length > 0`)
	p.fill("#uri", "runnel.uplink.get")
	p.fill("#args", `["central"]`)
	p.holds("the shell command is shown", `/runnel call runnel.uplink.get central/.test(document.querySelector('.command').innerText)`)
	p.press("Call")
	p.sees("round_trip_ms")
	p.fill("#args", `["nowhere"]`)
	p.press("Call")
	p.sees("runnel.error.no_such_name")
	p.fill("#args", `{"a": 1}`)
	p.press("Call")
	p.sees("The arguments are not a list")
	p.check()
	p.press("Publish an event")
	p.fill("#uri", "com.example.private.note")
	p.fill("#args", `["held at the centre"]`)
	p.press("Publish")
	p.sees("published")
	p.shoot("try")
}

// links cuts the link. Events are queued meanwhile, and delivered when the link is restored. The centre rejects one
// topic.
func (p *tab) links(s *scene) {
	p.view("links")
	p.sees("central", "com.example.private.note", "not_authorized", "round trip")
	p.press("Retry now")
	p.holds("a notice says that it was retried", `/retrying .* held events? of central/.test(document.querySelector('#notice').textContent)`)
	s.wire.Cut()
	p.holds("the link is down", `document.querySelector('.links .state').textContent.includes('down')`)
	p.holds("events are queued", `Number(document.querySelectorAll('.links .facts dd')[1].textContent) > 5`)
	p.holds("the menu counts the trouble", `document.querySelector('nav a[href="#/links"] .mark').checkVisibility()`)
	p.check()
	p.shoot("links")
	p.view("overview")
	p.sees("findings", "is down")
	p.press("Check again")
	p.sees("uplink central, tcp://127.0.0.1:")
	p.check()
	p.shoot("trouble")
	s.wire.Mend()
	p.view("links")
	p.holds("the link is up", `document.querySelector('.links .state').textContent.includes('up')`)
	p.view("overview")
	p.press("Check again")
	p.holds("the finding is gone", `!document.body.innerText.includes('uplink central, tcp')`)
	p.view("links")
	p.holds("the queue is drained but for what is held", `Number(document.querySelectorAll('.links .facts dd')[1].textContent) < 5`)
}

// sessions ends the session of a subscriber.
func (p *tab) sessions(s *scene) {
	subscriber, err := program.Start(binary.Command("sub", "com.example.heard", "--url", "tcp://"+s.address(s.edge)))
	kit.Must(p.T, err)
	defer func() {
		subscriber.Signal(interrupt)
		subscriber.Wait()
	}()
	p.view("peers")
	row := `[...document.querySelectorAll('.sheet tr')].find((tr) => tr.textContent.includes('com.example.heard') && tr.querySelector('.danger'))`
	p.holds("the subscriber is listed", row)
	p.sees("runnel.status", "single", "prefix")
	p.check()
	p.shoot("sessions")
	old := eval[string](p, row+`.querySelector('.danger').getAttribute('aria-label')`)
	p.do(chromedp.Evaluate(row+`.querySelector('.danger').click()`, nil))
	p.press("End the session")
	p.holds("the session has ended", fmt.Sprintf(`!document.querySelector('[aria-label=%q]')`, old))
}

func (p *tab) fleet() {
	if eval[bool](p, `Boolean(document.querySelector('nav a[href="#/fleet"]'))`) {
		p.Error("a gateway without enrolled nodes has a fleet")
	}
}
