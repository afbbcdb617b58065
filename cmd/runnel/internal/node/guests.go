package node

import (
	"path/filepath"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
	"runnel/transport/guest/mqtt"
	"runnel/transport/memory"
)

// newBroker makes the Broker that all MQTT listeners share. The data directory keeps the sessions of clients that are
// not connected.
func (n *Node) newBroker(c *config.Config) *mqtt.Broker {
	o := mqtt.BrokerOptions{Log: n.log, Join: n.joinFor}
	if dir := config.DataDir(c); dir != "" {
		o.Directory = filepath.Join(dir, "mqtt")
	}
	return mqtt.NewBroker(o)
}

// joinFor opens a connection for an MQTT client that is not connected.
func (n *Node) joinFor(o mqtt.Owner) wamp.Conn {
	near, far := memory.Pipe(memory.Options{Peer: &wamp.Transport{
		Protocol: "memory", Network: "memory", Listener: "mqtt", Local: true, Client: o.Client, Authid: o.Authid, Role: o.Role, Realm: o.Realm,
	}})
	go n.router.Serve(far)
	return near
}

// door returns the entry of an MQTT listener; nil for other listeners.
func (n *Node) door(l config.Listen, maxMessage int) *mqtt.Door {
	if !strings.HasPrefix(l.URL, "mqtt") {
		return nil
	}
	return &mqtt.Door{Broker: n.mqtt, Realm: l.Realm, Text: l.Text(), MaxPacket: maxMessage, KeepAlive: max(time.Duration(l.PingInterval), 0)}
}
