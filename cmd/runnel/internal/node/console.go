package node

import (
	"net/http"
	"net/url"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/console"
	"runnel/cmd/runnel/internal/static"
)

// pages returns the handler of a listener's web pages: the console and static files, or nil without them.
func (n *Node) pages(l config.Listen, address string) http.Handler {
	var next http.Handler
	if len(l.Static) > 0 {
		next = static.Handler(static.Options{Dirs: l.Static, Memory: n.memory, Log: n.log}, orPage(nil))
	}
	if !l.Console {
		return next
	}
	o := console.Options{Realm: func() string { return n.consoleRealm(l) }, Path: "/ws"}
	if u, err := url.Parse(address); err == nil && (u.Scheme == "ws" || u.Scheme == "wss") && u.Path != "" {
		o.Path = u.Path
	}
	return console.Handler(o, orPage(next))
}

// consoleRealm returns the realm that web clients join unless they name another: the listener's own, or the first one.
func (n *Node) consoleRealm(l config.Listen) string {
	if l.Realm != "" {
		return l.Realm
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.config.Realms) == 0 {
		return ""
	}
	return n.config.Realms[0].Name
}
