package sparkplug

import (
	"errors"
	"time"
)

var (
	// ErrHostOffline ends a connection to a broker at which the primary host application is offline.
	ErrHostOffline = errors.New("the primary host application is offline at this broker")
	// ErrNotBorn means that the connection has ended or left.
	ErrNotBorn = errors.New("the connection has ended")
)

func now() uint64 { return uint64(max(time.Now().UnixMilli(), 0)) }

// send sends a message. mu is held, and there is a connection.
func (n *Node) send(kind, device string, metrics []metric) {
	n.conn.Send(n.topic(kind, device), payload(now(), int(n.seq), metrics), 0)
	n.seq++
}

// death returns the payload of NDEATH, which has no sequence number. The caller holds mu.
func (n *Node) death() []byte {
	at := now()
	return payload(at, noSeq, []metric{n.number(at)})
}

func (n *Node) number(at uint64) metric {
	return metric{name: "bdSeq", at: at, kind: Int64, birth: true, value: scalar{set: true, bits: uint64(n.bdSeq)}}
}

// Subscribed begins with the births once the broker has accepted the subscriptions, unless they wait for the host.
func (n *Node) Subscribed(c Conn) {
	if n.opts.Host == "" {
		n.begin(c)
	}
}

// begin sends the births of a new connection. From then on values may follow.
func (n *Node) begin(c Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn == c || c.Open().Err() != nil {
		return
	}
	n.conn = c
	for _, d := range n.order {
		d.born = false
	}
	n.births()
	c.Born()
}

// births sends NBIRTH, and DBIRTH for each device that is alive. The caller holds mu.
func (n *Node) births() {
	n.seq = 0
	n.waited = n.opts.Waited()
	at := now()
	n.send("NBIRTH", "", []metric{
		n.number(at),
		{name: rebirthMetric, at: at, kind: Boolean, birth: true, value: scalar{set: true}},
		{name: "Properties/Software", at: at, kind: String, birth: true, value: scalar{set: true, text: n.opts.Agent}},
		n.lost(at, true),
	})
	for _, d := range n.order {
		if (d.heard || d.born) && !d.down {
			n.birth(d)
		}
	}
}

// lost returns the metric that counts events dropped because the spool was full.
func (n *Node) lost(at uint64, birth bool) metric {
	return metric{name: "Events Dropped", at: at, kind: UInt64, birth: birth, value: scalar{set: true, bits: n.dropped}}
}

// birth sends DBIRTH with the metrics of a device and their current values. The caller holds mu.
func (n *Node) birth(d *device) {
	list := make([]metric, 0, len(d.metrics))
	for _, k := range d.metrics {
		kind, at := k.kind, k.at
		if kind == 0 {
			kind = String // it has had no value, and the configuration has no type
		}
		if at == 0 {
			at = now()
		}
		list = append(list, metric{name: k.name, at: at, kind: kind, birth: true, unit: k.unit, value: k.value})
		k.sent = k.at
	}
	n.send("DBIRTH", d.name, list)
	d.born, d.grown = true, false
}

// Data sends the values of a stored event with its number. It returns ErrNotBorn if c is not the current connection, or
// the reason why the event can't be sent.
func (n *Node) Data(c Conn, name string, number uint64, uri string, arguments []Argument, at time.Time) error {
	_, list, ms := n.read(uri, arguments, at)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn != c {
		return ErrNotBorn
	}
	d, err := n.learn(name, list, ms, false)
	if err != nil {
		return err
	}
	if !d.born || d.grown {
		n.birth(d)
	}
	metrics := make([]metric, 0, len(list))
	for _, v := range list {
		k := d.byName[v.name]
		if k == nil {
			continue // null, and it never had another value
		}
		m := metric{name: k.name, at: ms, kind: k.kind, value: scalarOf(k.kind, v.value), historical: number <= n.waited || ms < k.sent}
		if m.kind == 0 {
			m.kind = String
		}
		if !m.historical {
			k.sent = ms
		}
		metrics = append(metrics, m)
	}
	if len(metrics) > 0 {
		n.send("DDATA", name, metrics)
	}
	return nil
}

// Settle sends the deaths of devices that have failed while values of theirs were waiting.
func (n *Node) Settle() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.order {
		n.sendDeathIfDown(d)
	}
}

func (n *Node) sendDeathIfDown(d *device) {
	if d.down && d.born && n.conn != nil {
		n.send("DDEATH", d.name, nil)
		d.born = false
	}
}

// Gap reports to hosts how many events were dropped.
func (n *Node) Gap(c Conn, events uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dropped += events; n.conn == c {
		n.send("NDATA", "", []metric{n.lost(now(), false)})
	}
}

// Finish sends NDEATH. No message follows it.
func (n *Node) Finish(c Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn == c {
		n.conn = nil
		c.Send(n.topic("NDEATH", ""), n.death(), 1)
	}
}

// Ended records the end of a connection.
func (n *Node) Ended() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conn = nil
}

// LineStates is the prefix of the topics at which the router publishes the states of its serial lines, as retained events.
const LineStates = "runnel.serial.on_state."

// LineState takes such a state. A device whose line has failed is dead, until the line works again.
func (n *Node) LineState(state map[string]any) {
	name, _ := state["name"].(string)
	phase, _ := state["state"].(string)
	sensor, _ := state["sensor"].(map[string]any)
	bus, _ := state["modbus"].(map[string]any)
	slaves, _ := bus["slaves"].([]any)
	down := phase != "serving" && phase != "listening" || sensor["silent"] == true
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.order {
		if d.line == "" || d.line != name {
			continue
		}
		was := d.down
		d.down = down || allSilent(slaves, d.slave)
		if n.sendDeathIfDown(d); was && !d.down && d.heard && !d.born && n.conn != nil {
			n.birth(d)
		}
	}
}

// allSilent reports whether a slave is silent, or for 0 all of them.
func allSilent(slaves []any, slave int64) bool {
	silent, found := true, false
	for _, s := range slaves {
		state, _ := s.(map[string]any)
		if slave == 0 || state["slave"] == any(slave) {
			found, silent = true, silent && state["silent"] == true
		}
	}
	return found && silent
}
