package config

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/uplink"
	"runnel/uplink/mqtt"
)

// The keys that only one of the two kinds of uplink has.
var (
	mqttKeys  = []string{"qos", "format", "client_id", "username", "password", "state_topic", "alpn", "discovery", "sparkplug", "max_message", "protocol", "session_expiry"}
	routerKey = []string{"remote_realm", "serializer", "authid", "ticket", "secret", "channel_binding", "max_hops", "fail_back", "remote"}

	mqttShareKeys = []string{"retain", "mqtt_topic", "format", "time_key", "time_format", "values_key", "device"} // of its tables
)

var messageFormats = []string{"json", "flat", "cbor", "raw", "text"}

// IsMQTT reports whether the uplink leads to an MQTT broker.
func (u *Uplink) IsMQTT() bool { return slices.ContainsFunc(u.URL, isMQTT) }

// mqttSchemes are MQTT over TCP, over TLS, and both over WebSocket.
var mqttSchemes = []string{"mqtt", "mqtts", "mqtt+ws", "mqtt+wss"}

func isMQTT(text string) bool {
	scheme, _, _ := strings.Cut(text, ":")
	return slices.Contains(mqttSchemes, strings.ToLower(scheme))
}

// rejectKeys reports keys that an uplink of this kind does not have.
func (k checker) rejectKeys(at Place, keys []string, kind string) {
	for _, key := range keys {
		if at.Has(key) {
			k.Add(at, key, "an uplink to %s has no %s; remove it", kind, key)
		}
	}
}

// broker checks the keys of an uplink to an MQTT broker.
func (k checker) broker(u *Uplink) {
	k.rejectKeys(u.Place, slices.Concat(routerKey, natsOnly), "an MQTT broker")
	for _, text := range u.URL {
		k.brokerURL(u.Place, text)
	}
	if u.QoS != nil && *u.QoS > 2 {
		k.Add(u.Place, "qos", "%d is not known; use 0, 1 or 2", *u.QoS)
	}
	k.Choice(u.Place, "protocol", u.Protocol, "5", "3.1.1")
	if u.Place.Has("session_expiry") && u.SessionExpiry < Duration(time.Second) {
		k.Add(u.Place, "session_expiry", "must be at least a second, like \"24h\"")
	}
	k.Choice(u.Place, "format", u.Format, messageFormats...)
	k.Secret(u.Place, "password", u.Password)
	if u.Password.Set() && u.Username == "" {
		k.Add(u.Place, "username", "missing; write the name that the password belongs to")
	}
	if u.Place.Has("client_id") && (u.ClientID == "" || len(u.ClientID) > 128) {
		k.Add(u.Place, "client_id", "%.40q is not an id; write up to 128 characters, or leave it out", u.ClientID)
	}
	if u.StateTopic != "" {
		if err := mqtt.CheckStateTopic(u.StateTopic); err != nil {
			k.Add(u.Place, "state_topic", "%v", err)
		}
	}
	if u.Key != "" && u.Certificate == "" {
		k.Add(u.Place, "certificate", "missing; write the key's certificate")
	}
	if u.PingInterval < 0 {
		k.Add(u.Place, "ping_interval", "pings to an MQTT broker cannot be turned off; write a time like \"20s\", or leave it out")
	}
	k.alpn(u)
	if u.Discovery != "" {
		if err := mqtt.CheckStateTopic(u.Discovery); err != nil {
			k.Add(u.Place, "discovery", "%q is not a prefix of topics; write \"homeassistant\"", u.Discovery)
		}
		if u.StateTopic == "" {
			k.Add(u.Place, "state_topic", "missing; discovery needs it, to show whether the values are up to date")
		}
	}
	k.sparkplug(u)
	format := u.MessageFormat()
	for _, s := range slices.Concat(u.Exports, u.Imports) {
		k.rejectKeys(s.Place, []string{"interest"}, "an MQTT broker")
		k.message(s)
	}
	for _, s := range u.Exports {
		r := u.ExportRule(s)
		k.reportShare(s, r.CheckExport(format))
	}
	for _, s := range u.Imports {
		r := s.MQTTRule(format)
		k.reportShare(s, r.CheckImport())
	}
}

// message checks the keys of the messages of one table.
func (k checker) message(s Share) {
	if s.Place.Has("mqtt_topic") && s.MQTTTopic == "" {
		k.Add(s.Place, "mqtt_topic", "a topic cannot be empty; write one, like \"sensors/{3...}\", or leave it out")
	}
	k.Choice(s.Place, "format", s.Format, slices.Concat(messageFormats, []string{sparkplug})...)
	k.Choice(s.Place, "time_format", s.TimeFormat, "rfc3339", "unix_ms", "unix")
	if s.TimeFormat != "" && s.TimeKey == "" {
		k.Add(s.Place, "time_key", "missing; write the name of the member that holds the time, like \"ts\"")
	}
}

// alpn checks the protocols to offer in the TLS handshake.
func (k checker) alpn(u *Uplink) {
	for _, name := range u.ALPN {
		if name == "" || len(name) > 255 {
			k.Add(u.Place, "alpn", "%.40q is not a protocol; write a name of 1 to 255 bytes, like \"x-amzn-mqtt-ca\"", name)
		}
	}
	if len(u.ALPN) > 0 && !slices.ContainsFunc(u.URL, func(text string) bool { return strings.HasPrefix(strings.ToLower(text), "mqtts:") }) {
		k.Add(u.Place, "alpn", "only mqtts:// uses it; remove it, or write such a url")
	}
}

// reportShare reports err, the reason why a table cannot cross the link, unless the table already has another problem.
func (k checker) reportShare(s Share, err error) {
	key := "topic"
	if s.Procedure != nil {
		key = "procedure"
	}
	if of := (*mqtt.KeyError)(nil); errors.As(err, &of) && s.Place.Has(of.Key) {
		key, err = of.Key, of.Err
	}
	said := slices.ContainsFunc(*k.Problems, func(p Problem) bool { return s.Place.Covers(p, key) })
	if err != nil && !said {
		k.Add(s.Place, key, "%v", err)
	}
}

func (k checker) brokerURL(at Place, text string) {
	u := k.URL(at, "url", text, mqttSchemes...)
	web := u != nil && strings.HasPrefix(u.Scheme, webMQTT)
	switch {
	case u == nil:
	case u.Hostname() == "":
		k.Add(at, "url", "%q names no broker", transport.RedactURL(text))
	case u.User != nil:
		k.Add(at, "url", "%q contains a name or a password; write username and password", transport.RedactURL(text))
	case web && u.Fragment != "":
		k.Add(at, "url", "%q has a fragment; remove it", transport.RedactURL(text))
	case !web && (strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != ""):
		k.Add(at, "url", "%q has more than a host and a port", transport.RedactURL(text))
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

// MQTTRule returns the rule of a link to an MQTT broker with this format. It does not set the storage class.
func (s Share) MQTTRule(format mqtt.Format) mqtt.Rule {
	r := mqtt.Rule{
		Rule:   uplink.Rule{Match: wamp.Match(s.Match), LocalPrefix: s.LocalPrefix, RemotePrefix: s.RemotePrefix},
		Retain: s.Retain, MQTTTopic: s.MQTTTopic, Device: s.Device,
	}
	if s.Format+s.TimeKey+s.TimeFormat+s.ValuesKey != "" {
		r.Form = &mqtt.Form{Format: format, TimeKey: s.TimeKey, ValuesKey: s.ValuesKey}
		r.Form.TimeFormat, _ = mqtt.ParseTimeFormat(s.TimeFormat)
		if own, ok := mqtt.ParseFormat(s.Format); ok {
			r.Form.Format = own
		}
	}
	if s.Topic != nil {
		r.Topic = *s.Topic
	} else if s.Procedure != nil {
		r.Procedure = *s.Procedure
	}
	return r
}

// Broker is the address of an MQTT broker.
type Broker struct {
	Address string // host and port
	Secure  bool   // over TLS
	Web     string // the ws or wss URL of MQTT over WebSocket; "": plain MQTT
}

const webMQTT = "mqtt+" // begins the schemes of MQTT over WebSocket

// brokerPorts are the default ports.
var brokerPorts = map[string]string{"mqtt": "1883", "mqtts": "8883", "mqtt+ws": "80", "mqtt+wss": "443"}

// ParseBroker returns the address of the broker at a URL. The URL must have been checked.
func ParseBroker(text string) Broker {
	u, err := url.Parse(text)
	if err != nil {
		return Broker{Address: text}
	}
	b := Broker{Address: u.Host, Secure: strings.HasSuffix(u.Scheme, "s") && u.Scheme != "mqtt+ws"}
	if u.Port() == "" {
		b.Address = net.JoinHostPort(u.Hostname(), brokerPorts[u.Scheme])
	}
	if scheme, ok := strings.CutPrefix(u.Scheme, webMQTT); ok {
		if u.Scheme = scheme; u.Path == "" {
			u.Path = "/mqtt" // brokers serve MQTT there
		}
		b.Web = u.String()
	}
	return b
}
