package transport

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"time"

	"runnel/edge/wamp"
)

// CookieOptions have a listener give cookies to web clients, so that they need to authenticate once only. The cookie is for
// the router alone: no script reads it, no other site's page makes a browser send it, and over TLS it goes over TLS only.
type CookieOptions struct {
	Name  string                  // "": "runnel"
	Age   time.Duration           // how long it counts; 0: a week
	Known func(value string) bool // whether a value stands for somebody; nil: none does
}

const (
	defaultCookie = "runnel"
	defaultAge    = 7 * 24 * time.Hour
)

// bake returns the cookie of whoever makes a request. One that stands for nobody is replaced by a fresh one: a value that
// another site may have put into the browser must never come to stand for its user.
func (l *Listener) bake(w http.ResponseWriter, r *http.Request) *wamp.Cookie {
	o := l.opts.Cookie
	if o == nil {
		return nil
	}
	c := &wamp.Cookie{Age: cmp.Or(o.Age, defaultAge)}
	name := cmp.Or(o.Name, defaultCookie)
	for _, sent := range r.CookiesNamed(name) {
		if o.Known != nil && o.Known(sent.Value) {
			c.Value = sent.Value
			return c
		}
	}
	c.Value, c.Fresh = rand.Text(), true
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: c.Value, Path: "/", MaxAge: int(c.Age / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: l.overTLS(r),
	})
	return c
}
