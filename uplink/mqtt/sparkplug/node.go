// Package sparkplug makes a link to an MQTT broker an Edge Node of Sparkplug B 3.0. The gateway announces itself
// (NBIRTH) and its devices (DBIRTH) in each connection, before any value. Its last will reports its end (NDEATH).
// Events become data of a device (DDATA): the serial line that they come from, or the device that a rule names.
//
//	node.go      the Edge Node, and where the values of serial lines are found
//	metric.go    the devices: their metrics, types and current values
//	births.go    births, deaths and data of a connection
//	command.go   messages of hosts: NCMD, DCMD, STATE
//	payload.go   the form of the messages
//
// The package knows neither packets nor the spool. The link hands it connections and events.
package sparkplug

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"runnel/edge/atomicfile"
)

// Options configure a Node. Group, Node, Waited, Call and Dropped are required.
type Options struct {
	Group, Node string
	Host        string   // primary host application, for which the births wait; "": none
	Devices     []Device // known from the configuration
	File        string   // record of the number of the last connection; "": none
	Agent       string   // "runnel/1.2.3"
	Log         *slog.Logger

	// Waited returns the number of the newest stored event.
	Waited func() uint64
	// Call calls a procedure with a value.
	Call func(ctx context.Context, procedure string, value any) error
	// Publish publishes the command of a metric that has no procedure. device is "" for the node's own metrics.
	Publish func(ctx context.Context, device, metric string, value any) error
	// Dropped counts a command that was not executed.
	Dropped func(name string, err error)
	// Work runs a function whose end the link awaits.
	Work func(func())
}

// Device is a serial line, or a slave of a Modbus line.
type Device struct {
	Name    string
	Line    string
	Slave   int // 0: all of the line
	Metrics []Metric
}

// Metric is a value of a device. Without a name, the metrics are known by their first values.
type Metric struct {
	Name  string
	Type  DataType // 0: that of the first value
	Unit  string
	URI   string // of the events with its value
	Key   string // its argument there
	Only  string // the argument "name" of its events; "": any. With a name, the event has no other value
	Write string // procedure that sets it; "": none
}

// Conn is a connection to the broker. It must be comparable.
type Conn interface {
	Send(topic string, payload []byte, qos byte)
	Disconnect(err error)  // calls Node.Finish, sends DISCONNECT and ends the connection; nil: only if there is another broker
	Open() context.Context // done when the connection has ended
	Room() error           // waits until little waits to be written
	Born()                 // data may be sent
}

// Node is the state of an Edge Node. It outlives connections. Its methods may be called from any goroutine.
type Node struct {
	// Static once the link runs.
	opts  Options
	slots map[string][]slot // by URI

	mu      sync.Mutex
	devices map[string]*device
	order   []*device // in the order of their first birth
	metrics int
	conn    Conn    // with an NBIRTH; else nil
	seq     uint8   // of the next message
	bdSeq   uint8   // of the current connection
	dropped uint64  // events, for a metric of the node
	waited  uint64  // events up to this number have waited for this connection
	hostAt  float64 // time in the newest STATE of this connection
}

// slot is where the value of a serial line is found.
type slot struct {
	device *Device
	metric *Metric
}

// recordFile is the name of the record in the directory of an uplink.
const recordFile = "sparkplug.bdseq"

// Record returns the file for Options.File in a directory; "" stands for none.
func Record(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, recordFile)
}

const namespace = "spBv1.0/"

// New returns a Node without devices.
func New(o Options) *Node {
	n := &Node{opts: o, slots: map[string][]slot{}, devices: map[string]*device{}}
	for i := range o.Devices {
		d := &o.Devices[i]
		for j := range d.Metrics {
			m := &d.Metrics[j]
			n.slots[m.URI] = append(n.slots[m.URI], slot{d, m})
		}
	}
	return n
}

// Configure announces a metric of the configuration at a device. It is called before the link runs.
func (n *Node) Configure(name string, of *Device, m *Metric, writable bool) error {
	if m.URI == "" && !writable {
		return nil
	}
	d, err := n.device(name)
	if err != nil {
		return err
	}
	d.line, d.slave = of.Line, int64(of.Slave)
	if m.Name == "" {
		return nil
	}
	k, err := n.add(d, m.Name, m.Type)
	if err != nil {
		return err
	}
	if k.unit = m.Unit; writable {
		k.write = m.Write
	}
	return nil
}

// Filters returns the filters of the messages for the Edge Node.
func (n *Node) Filters() []string {
	filters := []string{n.topic("NCMD", ""), n.topic("DCMD", "+")}
	if n.opts.Host != "" {
		filters = append(filters, namespace+"STATE/"+n.opts.Host)
	}
	return filters
}

func (n *Node) topic(kind, device string) string {
	topic := namespace + n.opts.Group + "/" + kind + "/" + n.opts.Node
	if device != "" {
		topic += "/" + device
	}
	return topic
}

// read returns the values of an event, and the device that they belong to if no rule names one.
func (n *Node) read(uri string, arguments []Argument, at time.Time) (name string, list []sample, ms uint64) {
	list, ms = samples(arguments, at)
	slots := n.slots[uri]
	if len(slots) == 0 {
		return uri, list, ms
	}
	for _, s := range slots {
		if s.metric.Only == "" || argument(arguments, "name") != any(s.metric.Only) {
			continue
		}
		if s.device.Slave == 0 || argument(arguments, "slave") == any(int64(s.device.Slave)) {
			unit, _ := argument(arguments, "unit").(string)
			return s.device.Name, []sample{{s.metric.Name, unit, argument(arguments, s.metric.Key)}}, ms
		}
	}
	return slots[0].device.Name, list, ms
}

// Note records the values of an event as the current ones, before the event is stored. It returns the name of the
// event's device. named is the name that the rule chooses; "": none.
func (n *Node) Note(named, uri string, arguments []Argument, at time.Time) (name string, err error) {
	name, list, ms := n.read(uri, arguments, at)
	if named != "" {
		name = named
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err = n.learn(name, list, ms, true)
	return name, err
}

// TakeRecord reads the number of the last connection of an earlier link or process.
func (n *Node) TakeRecord() {
	n.bdSeq = 255
	if n.opts.File == "" {
		return
	}
	if text, err := os.ReadFile(n.opts.File); err == nil {
		if last, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 8); err == nil {
			n.bdSeq = uint8(last)
		}
	}
}

// Will returns the topic and payload of the last will of the next connection. The NBIRTH repeats the will's number.
// Will stores the number before its use, so that hosts can recognize a late will of an earlier process.
func (n *Node) Will() (topic string, payload []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.bdSeq++
	n.hostAt = 0
	if n.opts.File != "" {
		err := os.MkdirAll(filepath.Dir(n.opts.File), 0o700)
		if err == nil {
			err = atomicfile.Write(n.opts.File, strconv.AppendUint(nil, uint64(n.bdSeq), 10), 0o600)
		}
		if err != nil {
			n.opts.Log.Warn("cannot record the number of the connection; hosts may mistake a late last will for a new one", "file", n.opts.File, "err", err)
		}
	}
	return n.topic("NDEATH", ""), n.death()
}
