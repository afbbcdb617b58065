package config

import (
	"net"
	"net/url"
	"strings"
	"time"

	"runnel/edge"
	"runnel/edge/durable"
	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/transport/guest/rest"
)

// Webhook posts the events of a topic to an HTTP server.
type Webhook struct {
	Place         Place
	Name          string   `toml:"name"`
	Realm         string   `toml:"realm"`
	Topic         string   `toml:"topic"`
	Match         Match    `toml:"match"`
	URL           string   `toml:"url"`
	Secret        Secret   `toml:"secret"`        // of the signature; "": events are not signed
	Authorization Secret   `toml:"authorization"` // the header of this name
	CA            Path     `toml:"ca"`
	Authid        string   `toml:"authid"` // of its session; "": its name
	Role          string   `toml:"role"`
	Timeout       Duration `toml:"timeout"`  // for each attempt
	MaxSize       Size     `toml:"max_size"` // bounds of the events that wait
	MaxAge        Duration `toml:"max_age"`

	files digest
}

// webhookTimeout is the default of Webhook.Timeout.
const webhookTimeout = Duration(10 * time.Second)

func (k checker) webhook(w *Webhook) {
	k.Required(w.Place, "name", w.Name)
	if err := durable.CheckName(rest.WebhookSubscription(w.Name)); w.Name != "" && err != nil {
		k.Add(w.Place, "name", "%v", err)
	}
	w.Realm = k.realmName(w.Place, "realm", w.Realm)
	for i := range k.c.Realms {
		if r := &k.c.Realms[i]; r.Name == w.Realm {
			k.role(w.Place, "role", r, w.Role)
		}
	}
	if w.Authid == "" {
		w.Authid = w.Name
	}
	k.URI(w.Place, "topic", w.Topic, wamp.Match(w.Match))
	if u := k.URL(w.Place, "url", w.URL, "http", "https"); u != nil {
		if u.User != nil {
			k.Add(w.Place, "url", "%q contains a name or a password; write the header's value as authorization instead", transport.RedactURL(w.URL))
		}
		k.onlyFor(w.Place, u.Scheme, []string{"https"}, "ca")
	}
	k.File(w.Place, "ca", w.CA)
	k.Secret(w.Place, "secret", w.Secret)
	k.Secret(w.Place, "authorization", w.Authorization)
	if w.Place.Has("timeout") && w.Timeout <= 0 {
		k.Add(w.Place, "timeout", "must be greater than zero, like \"10s\"")
	}
	if w.Timeout == 0 {
		w.Timeout = webhookTimeout
	}
}

// Target returns the parts of the URL: host:port to connect to, the header Host, the path with the query.
func (w Webhook) Target() (address, host, path string, secure bool) {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "", "", "", false // webhook has reported it
	}
	secure = strings.EqualFold(u.Scheme, "https")
	port := u.Port()
	if port == "" {
		port = "80"
		if secure {
			port = "443"
		}
	}
	path = strings.ReplaceAll(u.RequestURI(), " ", "%20") // of a query; it would end the path in the request
	return net.JoinHostPort(u.Hostname(), port), u.Host, path, secure
}

// webhookSubscriptions returns the durable subscriptions of a realm's webhooks.
func webhookSubscriptions(c *Config, realm string) (list []edge.DurableRule) {
	for _, w := range c.Webhooks {
		if w.Realm == realm {
			list = append(list, edge.DurableRule{
				Owner: w.Authid, Name: rest.WebhookSubscription(w.Name), URI: w.Topic, Match: wamp.Match(w.Match), MaxSize: int64(w.MaxSize),
				MaxAge: time.Duration(w.MaxAge),
			})
		}
	}
	return list
}
