package report

import (
	"time"

	"runnel/transport"
	"runnel/uplink"
)

// Uplink is a link of a realm to a central router or an MQTT broker, called the centre here.
type Uplink struct {
	Name       string    `json:"name"`
	Realm      string    `json:"realm"` // the local one
	Up         bool      `json:"up"`
	Since      time.Time `json:"since"`              // of Up
	URL        string    `json:"url,omitempty"`      // of the centre; its user and password are left out
	Protocol   string    `json:"protocol,omitempty"` // with an MQTT broker: its version
	Error      string    `json:"error,omitempty"`    // the last one; it stays after recovery
	ErrorAt    time.Time `json:"error_at,omitzero"`
	Reconnects uint64    `json:"reconnects"`
	Clash      string    `json:"clash,omitempty"`         // another node has this node's id, and the centre refuses the link
	Refused    []string  `json:"refused,omitempty"`       // the rules that a router currently rejects
	RoundTrip  float64   `json:"round_trip_ms,omitempty"` // last measured round trip to the centre
	Interest   bool      `json:"interest"`                // the centre reports its subscriptions
	Looped     uint64    `json:"looped"`                  // events and calls not forwarded because of a loop or too many hops
	Queue      Queue     `json:"queue"`
	OctetsIn   uint64    `json:"octets_in"`  // bytes from the centre
	OctetsOut  uint64    `json:"octets_out"` // bytes to the centre
	EventsUp   Flow      `json:"events_up"`  // from this node to the centre
	EventsDown Flow      `json:"events_down"`
	CallsUp    Flow      `json:"calls_up"`
	CallsDown  Flow      `json:"calls_down"`

	Certificate *Certificate `json:"certificate,omitempty"` // the one that the link presents to the centre
}

// Flow counts the events or calls that crossed an uplink in one direction.
type Flow struct {
	Forwarded uint64 `json:"forwarded"`
	Dropped   uint64 `json:"dropped"`
}

// NewUplink reports on an uplink of a realm. pair is nil if the uplink presents no certificate.
func NewUplink(realm string, s uplink.State, queue Spool, traffic *transport.Traffic, pair *transport.KeyPair) Uplink {
	in, out := traffic.Octets()
	return Uplink{
		Name: s.Name, Realm: realm, Up: s.Up, Since: s.Since, URL: s.URL, Protocol: s.Protocol, Error: s.LastError, ErrorAt: s.LastErrorAt, Reconnects: s.Reconnects,
		Clash: s.Clash, Refused: s.Refused, RoundTrip: float64(s.RoundTrip.Microseconds()) / 1000, Interest: s.Interest, Looped: s.Looped,
		Queue: newQueue(queue), OctetsIn: in, OctetsOut: out,
		EventsUp: Flow(s.EventsUp), EventsDown: Flow(s.EventsDown), CallsUp: Flow(s.CallsUp), CallsDown: Flow(s.CallsDown),
		Certificate: newCertificate(pair),
	}
}
