package report

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"runnel/edge"
)

// The metrics are the figures of runnel.status in the text format of Prometheus (0.0.4). They need no metrics
// library: all figures exist already and are read on request. Parts that a reload adds or removes appear and
// disappear by themselves.

// metrics are the figures of the parts of one kind. Each part adds its figures in the same order, or none.
type metrics struct {
	list   []metric
	labels string // of the part that adds its figures
	next   int    // the figure that it adds next
}

// metric is one metric. Its name lacks the prefix of the kind. A name that ends in _total is a counter.
type metric struct {
	name, help string
	samples    []labelled
}

func (m *metrics) begin(labels string) { m.labels, m.next = labels, 0 }

func (m *metrics) add(name, help string, value float64) {
	if m.next == len(m.list) {
		m.list = append(m.list, metric{name: name, help: help})
	}
	at := &m.list[m.next]
	at.samples = append(at.samples, labelled{m.labels, value})
	m.next++
}

// adder adds a figure of a part.
type adder func(name, help string, value float64)

// Metrics writes all figures.
func (r *Status) Metrics() []byte {
	var b bytes.Buffer
	family(&b, "runnel_", "info", "Version and node id of this router.", labelled{`version=` + labelText(r.Version) + `,node=` + labelText(r.Node), 1})
	family(&b, "process_", "start_time_seconds", "When the router started.", labelled{"", float64(r.Began.UnixMilli()) / 1000})
	family(&b, "process_", "resident_memory_bytes", "Memory of the process.", labelled{"", residentMemory()})
	family(&b, "go_", "goroutines", "Number of goroutines.", labelled{"", float64(runtime.NumGoroutine())})
	write(&b, "runnel_", []*Status{r}, func(*Status) string { return "" }, routerFigures)
	if r.Memory != nil {
		writeMemory(&b, r.Memory)
	}
	write(&b, "runnel_realm_", pointers(r.Router.Realms), func(m *edge.RealmStatus) string { return "realm=" + labelText(m.Name) }, realmFigures)
	write(&b, "runnel_durable_", pointers(durablesOf(r.Router.Realms)), (*realmDurable).labels, durableFigures)
	write(&b, "runnel_listener_", pointers(r.Listeners), (*Listener).labels, listenerFigures)
	write(&b, "runnel_listener_certificate_", pointers(r.Listeners), (*Listener).labels, func(add adder, l *Listener) {
		if l.Certificate != nil {
			certificateFigures(add, l.Certificate)
		}
	})
	write(&b, "runnel_uplink_", pointers(r.Uplinks), (*Uplink).labels, uplinkFigures)
	write(&b, "runnel_uplink_certificate_", pointers(r.Uplinks), (*Uplink).labels, func(add adder, u *Uplink) {
		if u.Certificate != nil {
			certificateFigures(add, u.Certificate)
		}
	})
	write(&b, "runnel_webhook_", pointers(r.Webhooks), (*Webhook).labels, webhookFigures)
	write(&b, "runnel_serial_", pointers(r.Serial), (*Serial).labels, serialFigures)
	write(&b, "runnel_serial_uart_", pointers(r.Serial), (*Serial).labels, func(add adder, s *Serial) {
		if s.UART != nil {
			uartFigures(add, s.UART)
		}
	})
	write(&b, "runnel_serial_link_", pointers(r.Serial), (*Serial).labels, func(add adder, s *Serial) {
		if s.Link != nil {
			linkFigures(add, s.Link)
		}
	})
	write(&b, "runnel_serial_", pointers(r.Serial), (*Serial).labels, func(add adder, s *Serial) {
		if s.Sensor != nil {
			sensorFigures(add, s.Sensor)
		}
	})
	write(&b, "runnel_serial_lines_", pointers(r.Serial), (*Serial).labels, func(add adder, s *Serial) {
		if s.Lines != nil {
			linesFigures(add, s.Lines)
		}
	})
	write(&b, "runnel_fleet_", pointers(r.Fleet), func(f *Fleet) string { return "realm=" + labelText(f.Realm) }, fleetFigures)
	write(&b, "runnel_fleet_node_", pointers(nodesOf(r.Fleet)), (*realmNode).labels, nodeFigures)
	write(&b, "runnel_modbus_", pointers(slavesOf(r.Serial)), (*lineSlave).labels, slaveFigures)
	return b.Bytes()
}

// lineSlave is a slave of a Modbus and its line. A line has at most 256 slaves.
type lineSlave struct {
	*Slave
	line *Serial
}

func slavesOf(lines []Serial) (list []lineSlave) {
	for i := range lines {
		if bus := lines[i].Modbus; bus != nil {
			for j := range bus.Slaves {
				list = append(list, lineSlave{&bus.Slaves[j], &lines[i]})
			}
		}
	}
	return list
}

func (s *lineSlave) labels() string {
	return s.line.labels() + ",slave=" + labelText(strconv.Itoa(s.Slave.Slave))
}

func (l *Listener) labels() string { return "listener=" + labelText(l.URL) }

func (u *Uplink) labels() string {
	return "uplink=" + labelText(u.Name) + ",realm=" + labelText(u.Realm)
}

func (s *Serial) labels() string {
	return "line=" + labelText(s.Name) + ",realm=" + labelText(s.Realm)
}

// labelled is a sample: a value with its labels.
type labelled struct {
	labels string
	value  float64
}

// write writes the figures of all parts of a kind.
func write[T any](b *bytes.Buffer, prefix string, parts []T, labels func(T) string, figures func(adder, T)) {
	var m metrics
	for _, part := range parts {
		m.begin(labels(part))
		figures(m.add, part)
	}
	for _, f := range m.list {
		family(b, prefix, f.name, f.help, f.samples...)
	}
}

// pointers returns pointers to the elements of a list. Generic functions of pointers share their code, unlike those of structs.
func pointers[T any](list []T) []*T {
	all := make([]*T, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all
}

// family writes the samples of one metric, if there are any.
func family(b *bytes.Buffer, prefix, name, help string, samples ...labelled) {
	if len(samples) == 0 {
		return
	}
	name = prefix + name
	kind := "gauge"
	if strings.HasSuffix(name, "_total") {
		kind = "counter"
	}
	b.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
	for _, s := range samples {
		b.WriteString(name)
		if s.labels != "" {
			b.WriteString("{" + s.labels + "}")
		}
		b.WriteString(" " + strconv.FormatFloat(s.value, 'g', -1, 64) + "\n")
	}
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func labelText(text string) string {
	return `"` + labelEscapes.Replace(strings.ToValidUTF8(text, "\uFFFD")) + `"`
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// timestamp is t in seconds since 1970; 0 if there is no time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// residentMemory returns the resident memory of the process in bytes; 0 if the system does not report it.
func residentMemory() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize())
}
