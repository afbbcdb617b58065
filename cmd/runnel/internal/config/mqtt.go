package config

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/uplink"
	"runnel/uplink/mqtt"
)

// The keys that only one of the two kinds of uplink has.
var (
	mqttKeys  = []string{"qos", "format", "client_id", "username", "password", "state_topic", "max_message"}
	routerKey = []string{"remote_realm", "serializer", "authid", "ticket", "secret", "channel_binding", "max_hops", "fail_back"}
)

// IsMQTT reports whether the uplink leads to an MQTT broker.
func (u *Uplink) IsMQTT() bool { return slices.ContainsFunc(u.URL, isMQTT) }

func isMQTT(text string) bool {
	scheme, _, _ := strings.Cut(text, ":")
	return strings.EqualFold(scheme, "mqtt") || strings.EqualFold(scheme, "mqtts")
}

// foreign reports keys that an uplink of this kind does not have.
func (k checker) foreign(at Place, keys []string, kind string) {
	for _, key := range keys {
		if at.Has(key) {
			k.add(at, key, "an uplink to %s has no %s; remove it", kind, key)
		}
	}
}

// broker checks the keys of an uplink to an MQTT broker.
func (k checker) broker(u *Uplink) {
	k.foreign(u.Place, routerKey, "an MQTT broker")
	for _, text := range u.URL {
		k.brokerURL(u.Place, text)
	}
	if u.QoS != nil && (*u.QoS < 0 || *u.QoS > 2) {
		k.add(u.Place, "qos", "%d is not known; use 0, 1 or 2", *u.QoS)
	}
	k.choice(u.Place, "format", u.Format, "json", "cbor", "raw", "text")
	k.secret(u.Place, "password", u.Password)
	if u.Password.Set() && u.Username == "" {
		k.add(u.Place, "username", "missing; write the name that the password belongs to")
	}
	if u.Place.Has("client_id") && (u.ClientID == "" || len(u.ClientID) > 128) {
		k.add(u.Place, "client_id", "%.40q is not an id; write up to 128 characters, or leave it out", u.ClientID)
	}
	if u.StateTopic != "" {
		if err := mqtt.CheckStateTopic(u.StateTopic); err != nil {
			k.add(u.Place, "state_topic", "%v", err)
		}
	}
	if u.Key != "" && u.Certificate == "" {
		k.add(u.Place, "certificate", "missing; write the key's certificate")
	}
	if u.PingInterval < 0 {
		k.add(u.Place, "ping_interval", "pings to an MQTT broker can't be turned off; write a time like \"20s\", or leave it out")
	}
	format := u.MessageFormat()
	for _, s := range slices.Concat(u.Exports, u.Imports) {
		k.foreign(s.Place, []string{"interest"}, "an MQTT broker")
	}
	for _, s := range u.Exports {
		r := s.MQTTRule()
		k.crossing(s, r.CheckExport(format))
	}
	for _, s := range u.Imports {
		r := s.MQTTRule()
		k.crossing(s, r.CheckImport())
	}
}

// crossing reports err, the reason why a table can't cross the link, unless the table has another problem already.
func (k checker) crossing(s Share, err error) {
	key := "topic"
	if s.Procedure != nil {
		key = "procedure"
	}
	said := slices.ContainsFunc(*k.Problems, func(p Problem) bool { return s.Place.Covers(p, key) })
	if err != nil && !said {
		k.add(s.Place, key, "%v", err)
	}
}

func (k checker) brokerURL(at Place, text string) {
	u := k.url(at, "url", text, "mqtt", "mqtts")
	switch {
	case u == nil:
	case u.Hostname() == "":
		k.add(at, "url", "%q names no broker", transport.RedactURL(text))
	case u.User != nil:
		k.add(at, "url", "%q has a name or a password in it; write username and password", transport.RedactURL(text))
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		k.add(at, "url", "%q has more than a host and a port", transport.RedactURL(text))
	case u.Port() != "":
		k.farPort(at, text, u.Port())
	}
}

// MessageFormat returns the format of the messages. The default is JSON.
func (u *Uplink) MessageFormat() mqtt.Format {
	f, _ := mqtt.ParseFormat(u.Format)
	return f
}

// Quality returns the quality of service. The default is 1.
func (u *Uplink) Quality() byte {
	if u.QoS == nil {
		return 1
	}
	return byte(*u.QoS)
}

// MQTTRule returns the rule of a link to an MQTT broker. It does not set the storage class.
func (s Share) MQTTRule() mqtt.Rule {
	r := mqtt.Rule{
		Rule:   uplink.Rule{Match: wamp.Match(s.Match), LocalPrefix: s.LocalPrefix, RemotePrefix: s.RemotePrefix},
		Retain: s.Retain,
	}
	if s.Topic != nil {
		r.Topic = *s.Topic
	} else if s.Procedure != nil {
		r.Procedure = *s.Procedure
	}
	return r
}

// BrokerAddress returns the address of a broker, and whether to use TLS. The URL must have been checked.
func BrokerAddress(text string) (address string, secure bool) {
	u, err := url.Parse(text)
	if err != nil {
		return text, false
	}
	secure = u.Scheme == "mqtts"
	port := u.Port()
	switch {
	case port != "":
		return u.Host, secure
	case secure:
		port = "8883"
	default:
		port = "1883"
	}
	return net.JoinHostPort(u.Hostname(), port), secure
}
