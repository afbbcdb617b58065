package console

import (
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// rules returns the violations of rules for accessible pages that the page has now.
const rules = `(() => {
  const wrong = [];
  const visible = (el) => el.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const name = (el) => (el.getAttribute('aria-label') || el.getAttribute('title') || (el.labels && [...el.labels].map((l) => l.textContent).join(' ')) ||
    (el.getAttribute('aria-labelledby') || '').split(' ').map((id) => id && document.getElementById(id)).filter(Boolean).map((e) => e.textContent).join(' ') || el.textContent || '').trim();
  const say = (el, text) => wrong.push(text + ': ' + el.outerHTML.slice(0, 120));

  for (const el of document.querySelectorAll('a, button, input, select, textarea, [role=img], [role=region], [role=group], dialog')) {
    if (visible(el) && !name(el)) say(el, 'no name');
  }
  for (const el of document.querySelectorAll('input, select, textarea')) {
    if (visible(el) && !(el.labels && el.labels.length) && !el.getAttribute('aria-label')) say(el, 'no label');
  }
  const ids = new Set();
  for (const el of document.querySelectorAll('[id]')) {
    if (ids.has(el.id)) say(el, 'the id is used twice');
    ids.add(el.id);
  }
  if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
  let level = 1;
  for (const el of document.querySelectorAll('h1, h2, h3, h4')) {
    if (!visible(el)) continue;
    const now = Number(el.tagName[1]);
    if (now > level + 1) say(el, 'a level of headings is left out');
    level = now;
  }
  for (const el of document.querySelectorAll('th')) if (!el.getAttribute('scope')) say(el, 'a header without a scope');
  for (const landmark of ['main', 'nav', 'header']) if (!document.querySelector(landmark)) wrong.push('no ' + landmark);
  if (!document.documentElement.lang) wrong.push('no language');
  for (const el of document.querySelectorAll('.scroll, pre')) {
    if (visible(el) && (el.scrollHeight > el.clientHeight + 1 || el.scrollWidth > el.clientWidth + 1) && el.tabIndex < 0) say(el, 'scrolls, but not by keyboard');
  }

  const colour = (text) => { const m = text.match(/[\d.]+/g).map(Number); return {r: m[0], g: m[1], b: m[2], a: m[3] === undefined ? 1 : m[3]}; };
  const luminance = ({r, g, b}) => { const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const behind = (el) => { for (; el; el = el.parentElement) { const c = colour(getComputedStyle(el).backgroundColor); if (c.a === 1) return c; } return {r: 255, g: 255, b: 255}; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const el = node.parentElement;
    if (!node.textContent.trim() || !visible(el) || /^(script|noscript|option)$/i.test(el.tagName) || el.closest(':disabled, .skip, #notice:not(.shown)')) continue;
    const style = getComputedStyle(el), size = parseFloat(style.fontSize);
    const front = luminance(colour(el.closest('svg') ? style.fill : style.color)), back = luminance(behind(el));
    const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (contrast < (size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700) ? 3 : 4.5)) say(el, 'contrast ' + contrast.toFixed(2));
  }
  return wrong;
})()`

// check fails the test if the view breaks a rule, or cannot be used by keyboard.
func (p *tab) check() {
	p.Helper()
	p.keepsRules()
	p.tabThrough()
}

// keepsRules fails the test if the page breaks a rule, light or dark.
func (p *tab) keepsRules() {
	p.Helper()
	for _, name := range []string{"light", "dark"} {
		p.do(scheme(name), settle)
		for _, wrong := range eval[[]string](p, rules) {
			p.Errorf("%s: %s", name, wrong)
		}
	}
	p.do(scheme("light"))
}

// tabThrough walks through the view by keyboard. Each stop must show that it has the focus.
func (p *tab) tabThrough() {
	p.Helper()
	p.do(chromedp.Evaluate("document.activeElement.blur(); document.querySelector('.skip').focus()", nil))
	seen := map[string]bool{}
	for range 12 {
		p.do(chromedp.KeyEvent(kb.Tab))
		stop := eval[struct{ Name, Outline string }](p, `(() => { const el = document.activeElement, style = getComputedStyle(el);
			return {Name: el.outerHTML.slice(0, 80), Outline: style.outlineStyle + ' ' + style.outlineWidth}; })()`)
		if strings.HasPrefix(stop.Name, "<body") {
			continue // the end of the page
		}
		if strings.HasPrefix(stop.Outline, "none") || strings.HasSuffix(stop.Outline, " 0px") {
			p.Errorf("the focus is not visible on %s", stop.Name)
		}
		seen[stop.Name] = true
	}
	if len(seen) < 6 {
		p.Errorf("the keyboard reaches only %d elements", len(seen))
	}
}
