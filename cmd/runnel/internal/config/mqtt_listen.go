package config

import "strings"

// mqtt reports whether the peers of a listener speak MQTT.
func (l *Listen) mqtt() bool {
	return strings.HasPrefix(l.URL, "mqtt://") || strings.HasPrefix(l.URL, "mqtts://")
}

// Text reports whether payloads of MQTT are text.
func (l *Listen) Text() bool { return l.Format == "text" }

// mqttListener checks what a listener for MQTT has of its own. MQTT names no realm, so the listener does.
func (k checker) mqttListener(l *Listen) {
	if l.Format != "" {
		k.Choice(l.Place, "format", l.Format, "json", "text")
	}
	l.Realm = k.realmName(l.Place, "realm", l.Realm)
	if l.Role != "" || l.Authid != "" {
		k.identity(l.Place, l.Realm, l.Role, l.Authid)
	}
}
