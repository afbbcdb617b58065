package console

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"runnel/test/kit"
)

// tab is a page in a real browser. complaints collects the browser's errors and warnings.
type tab struct {
	*testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// open opens an address in a browser of its own.
func open(t *testing.T, address string) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("RUNNEL_BROWSER") != "" {
			t.Fatal(err)
		}
		t.Skip("there is no chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("enable-precise-memory-info", true), chromedp.WSURLReadTimeout(2*kit.Patience))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {})) // it reports events that it does not know
	p := &tab{T: t, ctx: ctx}
	t.Cleanup(func() {
		cancel()
		stop()
	})
	chromedp.ListenTarget(ctx, p.listen)
	kit.Must(t, chromedp.Run(ctx)) // the browser lives as long as this context
	p.do(log.Enable(), network.Enable(), chromedp.EmulateViewport(1280, 900), chromedp.Navigate(address))
	return p
}

func (p *tab) listen(event any) {
	var text string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		for _, a := range e.Args {
			text += string(a.Value) + " " + a.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Level != log.LevelError && e.Entry.Source != log.SourceSecurity {
			return // such as advice about a slow machine
		}
		text = fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, text)
}

// of returns the tab for another test.
func (p *tab) of(t *testing.T) *tab { p.T = t; return p }

// clean fails the test if the browser has reported a problem, such as a violated policy. Reports with one of these
// words are expected.
func (p *tab) clean(expected ...string) {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.complaints {
		if slices.ContainsFunc(expected, func(words string) bool { return strings.Contains(text, words) }) {
			continue
		}
		p.Errorf("the browser complains: %s", text)
	}
}

func (p *tab) do(actions ...chromedp.Action) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 2*kit.Patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// eval evaluates JavaScript.
func eval[T any](p *tab, script string) (result T) {
	p.Helper()
	p.do(chromedp.Evaluate(script, &result))
	return result
}

// text returns the text of the page as it is rendered.
func (p *tab) text() string { p.Helper(); return eval[string](p, "document.body.innerText") }

// sees waits until the page shows all texts.
func (p *tab) sees(texts ...string) {
	p.Helper()
	for _, text := range texts {
		kit.Eventually(p.T, "the page shows "+text, func() bool { return strings.Contains(strings.ToLower(p.text()), strings.ToLower(text)) }, p.text)
	}
}

// holds waits until a JavaScript expression is true.
func (p *tab) holds(what, script string) {
	p.Helper()
	kit.Eventually(p.T, what, func() bool { return eval[bool](p, "Boolean("+script+")") }, p.text)
}

// view opens a view of the console by its entry in the menu.
func (p *tab) view(name string) {
	p.Helper()
	p.holds("the menu has "+name, fmt.Sprintf(`document.querySelector('nav a[href="#/%s"]')`, name))
	p.do(chromedp.Click(fmt.Sprintf(`nav a[href="#/%s"]`, name), chromedp.ByQuery))
	p.holds("the view is "+name, fmt.Sprintf(`document.querySelector('main .view.%s')`, name))
}

// fill replaces the value of a field, as typing does.
func (p *tab) fill(selector, value string) {
	p.Helper()
	p.do(chromedp.SetValue(selector, value, chromedp.ByQuery), chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).dispatchEvent(new Event('input', {bubbles: true}))", selector), nil))
}

// press clicks the button with a name.
func (p *tab) press(name string) {
	p.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll('button')].find((b) => b.textContent === %q && b.checkVisibility())", name)
	p.holds("there is a button "+name, find)
	p.do(chromedp.Evaluate(find+".click()", nil))
}

// shoot saves screenshots of the view: light at the widths of a phone and a desktop, and dark at the latter.
func (p *tab) shoot(name string) {
	p.Helper()
	dir := filepath.Join("..", "..", "bin", "console")
	kit.Must(p.T, os.MkdirAll(dir, 0o755))
	for _, shot := range []struct {
		suffix, scheme string
		width, height  int64
	}{{"390", "light", 390, 844}, {"1280", "light", 1280, 900}, {"1280-dark", "dark", 1280, 900}} {
		var png []byte
		p.do(chromedp.EmulateViewport(shot.width, shot.height), scheme(shot.scheme), settle, chromedp.CaptureScreenshot(&png))
		kit.Must(p.T, os.WriteFile(filepath.Join(dir, name+"-"+shot.suffix+".png"), png, 0o644))
		if over := eval[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
			p.Errorf("%s at %d pixels is %d pixels too wide", name, shot.width, over)
		}
	}
	p.do(chromedp.EmulateViewport(1280, 900), scheme("light"))
}

const interrupt = syscall.SIGINT

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

func checkBox(selector string) chromedp.Action { return chromedp.Click(selector, chromedp.ByQuery) }
