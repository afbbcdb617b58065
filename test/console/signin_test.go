package console

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// A realm without anonymous sessions asks for credentials at once. Each of the methods that browsers can compute signs in, and
// the role decides what is shown.
func TestSignIn(t *testing.T) {
	s := newScene(t, "")
	p := open(t, s.page)
	p.sees("Sign in", "Password or ticket")
	p.check()
	p.shoot("signin")
	p.signIn("ann", "wrong")
	p.holds("the reason is shown", `document.querySelector('.signin .reason')?.textContent`)
	p.signIn("ann", "ann's password") // wamp-scram
	p.sees("role operator", "installation checked")
	p.signOut()
	p.signIn("ben", "ben's secret") // wampcra
	p.sees("role operator", "installation checked")
	p.signOut()
	p.signIn("cem", "cem's ticket") // ticket
	p.sees(`The role "viewer" may not read the router's status`, `uri = "runnel.status"`)
	p.holds("the meta API is used instead", `/^\d+$/.test(document.querySelector('.facts dd')?.textContent)`)
	p.check()
	p.view("live")
	p.sees("This role may not subscribe to everything")
	p.fill("#pattern", "com.example.")
	p.press("Listen")
	p.sees("com.example.greenhouse", "temperature")
	p.view("lines")
	p.sees(`The role "viewer" may not read the router's status`)
	p.view("peers")
	p.sees("greenhouse", "cem")
	p.signOut()
	p.signIn("dan", "dan's ticket")
	p.view("overview")
	p.sees("this role may not call runnel.doctor", "sudo runnel doctor", "greenhouse")
	p.check()
	p.clean()
}

func (p *tab) signIn(authid, secret string) {
	p.Helper()
	p.holds("the form is shown", `document.querySelector('#authid')`)
	p.fill("#authid", authid)
	p.fill("#secret", secret)
	p.do(chromedp.Evaluate(`document.querySelector('.signin [role=alert]')?.remove()`, nil), chromedp.Click(".signin .primary", chromedp.ByQuery))
}

func (p *tab) signOut() {
	p.Helper()
	p.press("Sign out")
	p.sees("You are signed out.")
}
