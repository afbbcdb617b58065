package report

import (
	"time"

	"runnel/edge"
	"runnel/edge/budget"
	"runnel/transport/serial"
	"runnel/uplink/spool"
)

// Status is the result of runnel.status.
type Status struct {
	Version   string         `json:"version"`
	Node      string         `json:"node"`   // the node's id
	Began     time.Time      `json:"began"`  // when the router started
	Uptime    float64        `json:"uptime"` // seconds
	Faults    []Fault        `json:"faults"` // the parts of the configuration that do not run
	Router    edge.Status    `json:"router"`
	Memory    *budget.Status `json:"memory,omitempty"` // absent if the machine's memory is not known
	Listeners []Listener     `json:"listeners"`
	Serial    []Serial       `json:"serial"`
	Uplinks   []Uplink       `json:"uplinks"`
	Fleet     []Fleet        `json:"fleet,omitempty"` // of the realms to which nodes link
	Webhooks  []Webhook      `json:"webhooks,omitempty"`
}

// Fault is a part of the configuration that the node could not start. The node retries it.
type Fault struct {
	Part  string    `json:"part"` // PartConfiguration, or a part of it, such as "listener tcp://0.0.0.0:8080"
	Error string    `json:"error"`
	Since time.Time `json:"since"`
}

// PartConfiguration is the part of a fault of the files: the node runs with another configuration.
const PartConfiguration = "configuration"

// Source is the running node. Its methods may be called from any goroutine. Each returns a snapshot.
type Source interface {
	Status() Status
	Listeners() []Listener
	Serial() []Serial
	Uplinks() []Uplink
	Clashes(realm string) []edge.Clash
	Spools(realm string) []Spool // of the realm's uplinks

	// Line returns a serial line of the realm, or nil.
	Line(realm, name string) *serial.Line

	// Reload makes the node read its configuration again, and returns the changes. After an error nothing has
	// changed; config.Problems is an error of the configuration.
	Reload() (changes []string, err error)
}

// Spool is the queue of an uplink.
type Spool struct {
	Uplink string // the uplink's name
	*spool.Spool
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
