package sparkplug

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// A host writes metrics by NCMD and DCMD. The node itself handles "Node Control/Rebirth". A metric with a procedure is
// set by a call, with the value as argument. Any other metric becomes an event if the link imports commands. The link
// makes the calls for a device one after the other.

const (
	rebirthMetric = "Node Control/Rebirth"

	maxWrites = 32 // commands that wait for a device
	callTime  = 30 * time.Second
)

// writes are the calls for a device.
type writes struct {
	waiting []call
	running bool
}

type call struct {
	procedure string
	value     any
}

var (
	errManyWrites = errors.New("too many commands wait for the device")
	errRetained   = errors.New("a retained command")
	errNoMetric   = errors.New("the metric cannot be written; export the procedure that writes it, or import commands with format = \"sparkplug\"")
)

// Take handles a message of the broker, and reports whether it is for the Edge Node.
func (n *Node) Take(c Conn, topic string, message []byte, retained bool) bool {
	rest, ours := strings.CutPrefix(topic, namespace)
	if !ours {
		return false
	}
	if host, ok := strings.CutPrefix(rest, "STATE/"); ok && host == n.opts.Host && host != "" {
		n.hostState(c, message)
		return true
	}
	device, isDevice := strings.CutPrefix(topic, n.topic("DCMD", "")+"/")
	if !isDevice {
		if device = ""; topic != n.topic("NCMD", "") {
			return false
		}
	}
	var list []command
	err := errRetained
	if !retained {
		list, err = readCommands(message)
	}
	for i := 0; i < len(list) && err == nil; i++ {
		err = n.command(c, device, &list[i])
	}
	if err != nil {
		n.opts.Dropped(topic, err)
	}
	return true
}

func (n *Node) command(conn Conn, name string, c *command) error {
	value := c.value()
	if name == "" && c.name == rebirthMetric {
		if value != true {
			return nil
		}
		n.rebirth()
		return conn.Room() // a flood of requests costs no memory
	}
	n.mu.Lock()
	if d := n.devices[name]; d != nil {
		if k := d.byName[c.name]; k != nil && k.write != "" {
			defer n.mu.Unlock()
			return n.write(conn.Open(), d, call{k.write, value})
		}
	}
	n.mu.Unlock()
	if n.opts.Publish == nil {
		return errNoMetric
	}
	return n.opts.Publish(conn.Open(), name, c.name, value)
}

// rebirth sends all births again, as a host has asked for.
func (n *Node) rebirth() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn != nil {
		n.births()
	}
}

// write calls the procedure of a metric after the calls before it. The caller holds mu.
func (n *Node) write(ctx context.Context, d *device, c call) error {
	if len(d.writes.waiting) == maxWrites {
		return errManyWrites
	}
	d.writes.waiting = append(d.writes.waiting, c)
	if !d.writes.running {
		d.writes.running = true
		n.opts.Work(func() { n.makeCalls(ctx, d) })
	}
	return nil
}

func (n *Node) makeCalls(ctx context.Context, d *device) {
	for {
		n.mu.Lock()
		w := &d.writes
		if ctx.Err() != nil {
			w.waiting = nil // too late; the host writes again
		}
		if len(w.waiting) == 0 {
			w.running = false
			n.mu.Unlock()
			return
		}
		next := w.waiting[0]
		w.waiting = slices.Delete(w.waiting, 0, 1)
		n.mu.Unlock()
		limited, cancel := context.WithTimeout(ctx, callTime)
		if err := n.opts.Call(limited, next.procedure, next.value); err != nil {
			n.opts.Dropped(next.procedure, err)
		}
		cancel()
	}
}

// hostState handles STATE: births wait for the primary host application, and the node leaves a broker that the host has left.
func (n *Node) hostState(c Conn, message []byte) {
	var state struct {
		Online    *bool    `json:"online"`
		Timestamp *float64 `json:"timestamp"`
	}
	if err := json.Unmarshal(message, &state); err != nil || state.Online == nil || state.Timestamp == nil {
		n.opts.Log.Warn("the state of the primary host application cannot be read", "text", string(message[:min(len(message), 80)]), "err", err)
		return
	}
	n.mu.Lock()
	late := *state.Timestamp < n.hostAt
	n.hostAt = max(n.hostAt, *state.Timestamp)
	born := n.conn == c
	n.mu.Unlock()
	switch {
	case late: // of an earlier connection of the host
	case *state.Online:
		n.begin(c)
	case born:
		c.Disconnect(ErrHostOffline)
	default:
		c.Disconnect(nil)
	}
}
