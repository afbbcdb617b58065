package config

import "strings"

// mqtt reports whether the peers of a listener speak MQTT.
func (l *Listen) mqtt() bool {
	return strings.HasPrefix(l.URL, "mqtt://") || strings.HasPrefix(l.URL, "mqtts://")
}

// Text reports whether MQTT payloads are text.
func (l *Listen) Text() bool { return l.Format == "text" }

// mqttListener checks the keys of an MQTT listener. MQTT clients name no realm, so the listener must.
func (k checker) mqttListener(l *Listen) {
	if l.Format != "" {
		k.Choice(l.Place, "format", l.Format, "json", "text")
	}
	l.Realm = k.realmName(l.Place, "realm", l.Realm)
	if l.Role != "" || l.Authid != "" {
		k.identity(l.Place, l.Realm, l.Role, l.Authid)
	}
}
