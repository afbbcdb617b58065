package transport

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"time"

	"runnel/edge/wamp"
)

// CookieOptions make a listener set a cookie for each web client, so that a client authenticates only once. Scripts cannot
// read the cookie, and pages of other sites do not make a browser send it. A cookie that was set over TLS is sent over TLS
// only.
type CookieOptions struct {
	Name  string                  // "": "runnel"
	Age   time.Duration           // how long the cookie is valid; 0: a week
	Known func(value string) bool // reports whether a value belongs to a principal; nil: none does
}

const (
	defaultCookie = "runnel"
	defaultAge    = 7 * 24 * time.Hour
)

// cookie returns the cookie of the client that makes a request. A cookie that belongs to no principal is replaced by a
// fresh one, because another site may have set it: its value must never be bound to the browser's user.
func (l *Listener) cookie(w http.ResponseWriter, r *http.Request) *wamp.Cookie {
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
