package console

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// scheme makes the page light or dark.
func scheme(name string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}})
}

// settle waits until the page has been drawn twice since.
var settle = chromedp.Evaluate(`new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(drawn, 200))))`, nil, awaited)

func TestViews(t *testing.T) {
	s := newScene(t, "operator")
	p := open(t, s.page)
	p.sees("gw-001", "All is well", "greenhouse", "central", "events/s")
	p.shoot("overview")
	p.view("live")
	p.sees("com.example.greenhouse", "temperature")
	p.shoot("live")
	p.view("try")
	p.fill("#uri", "runnel.status")
	p.press("Call")
	p.sees("uptime")
	p.shoot("try")
	p.clean()
}
