package console

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"runnel/test/kit"
)

// library is Autobahn for browsers, as "npm ci" installs it.
const library = "../interop/node_modules/autobahn-browser/autobahn.min.js"

// Pages for Autobahn work with a router that serves the pages and its WebSocket at one listener. One page is like the
// first example of Autobahn's documentation, the other is that of docs/web.md.
func TestAutobahn(t *testing.T) {
	script, err := os.ReadFile(library)
	if err != nil && os.Getenv("RUNNEL_BROWSER") == "" {
		t.Skip(`"npm ci" in test/interop was not run`)
	}
	kit.Must(t, err)
	page, err := os.ReadFile(filepath.Join("testdata", "autobahn.html"))
	kit.Must(t, err)
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "web.md"))
	kit.Must(t, err)
	_, weather, _ := strings.Cut(string(guide), "```html\n")
	weather, _, found := strings.Cut(weather, "```\n")
	if !found {
		t.Fatal("docs/web.md has no page")
	}

	s := &scene{T: t, dir: kit.ShortDir(t)}
	app := filepath.Join(s.dir, "app")
	kit.Must(t, os.Mkdir(app, 0o755))
	for name, text := range map[string]string{"autobahn.min.js": string(script), "index.html": string(page), "weather.html": weather} {
		kit.Write(t, app, name, text)
	}
	host := s.address(s.router("pages", "operator", fmt.Sprintf("static = { \"/app\" = %q }\n", app)))
	runnel := func(args ...string) string {
		t.Helper()
		out, err := binary.Command(append(args, "--url", "tcp://"+host)...).CombinedOutput()
		if err != nil {
			t.Fatalf("runnel %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}

	p := open(t, "http://"+host+"/app/")
	var all []string
	steps := func(more ...string) { // an event may come before or after the answer to PUBLISH
		t.Helper()
		all = append(all, more...)
		slices.Sort(all)
		kit.Eventually(t, "the page's steps are "+strings.Join(all, "; "), func() bool {
			now := eval[[]string](p, "[...document.querySelectorAll('li')].map((li) => li.textContent)")
			slices.Sort(now)
			return slices.Equal(now, all)
		}, p.text)
	}
	steps("open: realm1, operator", "subscribed: com.myapp.hello", "event: Hello, world! from the page, com.myapp.hello", "published: true", "unsubscribed: true",
		"registered: com.myapp.add2", "result: 5 m", "error: wamp.error.no_such_procedure", "ready")
	runnel("pub", "com.myapp.hello", "Good morning", "--kw", "from=a shell", "--ack")
	steps("event: Good morning from a shell, com.myapp.hello")
	if out := runnel("call", "com.myapp.add2", "20", "22", "--kw", "unit=V"); out != `42 unit="V"` {
		t.Errorf("the page's procedure returned %q", out)
	}
	p.press("Close")
	steps("closed: closed, wamp.close.goodbye_and_out")
	said := []string{`"connection closed"`, `"auto-reconnect disabled!"`} // by Autobahn, when a connection closes
	p.clean(said...)

	p.do(chromedp.Navigate("http://" + host + "/app/weather.html"))
	kit.Eventually(t, "the page of docs/web.md shows an event", func() bool {
		runnel("pub", "com.example.weather", "21.5", "--ack")
		return strings.TrimSpace(p.text()) == "[21.5]"
	}, p.text)
	p.clean(append(said, "/favicon.ico")...)
}
