package node

import (
	"net/http"
	"net/url"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/console"
	"runnel/transport"
)

// pages returns the handler of a listener's web pages: the console, or nil without it.
func (n *Node) pages(l config.Listen, address string) http.Handler {
	if !l.Console {
		return nil
	}
	o := console.Options{Realm: func() string { return n.consoleRealm(l) }, Path: "/ws"}
	if u, err := url.Parse(address); err == nil && (u.Scheme == "ws" || u.Scheme == "wss") && u.Path != "" {
		o.Path = u.Path
	}
	return console.Handler(o, http.HandlerFunc(transport.Page))
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
