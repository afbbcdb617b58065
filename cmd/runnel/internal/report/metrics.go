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

// The metrics are the figures of runnel.status in the text format of Prometheus (0.0.4). They need no library of counters: all
// figures exist already and are read on request, and the parts that a reload adds or removes appear and vanish by themselves.

// figure is a metric of the parts of one kind; its name lacks the prefix of the kind. A name that ends in _total is a counter.
type figure[T any] struct {
	name, help string
	value      func(T) float64
}

// Metrics writes all figures.
func (r *Status) Metrics() []byte {
	var b bytes.Buffer
	family(&b, "runnel_", "info", "What runs here.", labelled{`version=` + labelText(r.Version) + `,node=` + labelText(r.Node), 1})
	family(&b, "process_", "start_time_seconds", "When the router started.", labelled{"", float64(r.Began.UnixMilli()) / 1000})
	family(&b, "process_", "resident_memory_bytes", "Memory of the process.", labelled{"", residentMemory()})
	family(&b, "go_", "goroutines", "Goroutines.", labelled{"", float64(runtime.NumGoroutine())})
	write(&b, "runnel_", routerFigures, []*Status{r}, func(*Status) string { return "" })
	if r.Memory != nil {
		writeMemory(&b, r.Memory)
	}
	write(&b, "runnel_realm_", realmFigures, pointers(r.Router.Realms), func(m *edge.RealmStatus) string { return "realm=" + labelText(m.Name) })
	write(&b, "runnel_durable_", durableFigures, pointers(durablesOf(r.Router.Realms)), (*realmDurable).labels)
	write(&b, "runnel_listener_", listenerFigures, pointers(r.Listeners), (*Listener).labels)
	writeSome(&b, "runnel_listener_certificate_", certificateFigures, pointers(r.Listeners), (*Listener).labels, func(l *Listener) (*Certificate, bool) { return l.Certificate, l.Certificate != nil })
	write(&b, "runnel_uplink_", uplinkFigures, pointers(r.Uplinks), (*Uplink).labels)
	writeSome(&b, "runnel_uplink_certificate_", certificateFigures, pointers(r.Uplinks), (*Uplink).labels, func(u *Uplink) (*Certificate, bool) { return u.Certificate, u.Certificate != nil })
	write(&b, "runnel_serial_", serialFigures, pointers(r.Serial), (*Serial).labels)
	writeSome(&b, "runnel_serial_uart_", uartFigures, pointers(r.Serial), (*Serial).labels, func(s *Serial) (*UART, bool) { return s.UART, s.UART != nil })
	writeSome(&b, "runnel_serial_link_", linkFigures, pointers(r.Serial), (*Serial).labels, func(s *Serial) (*Link, bool) { return s.Link, s.Link != nil })
	writeSome(&b, "runnel_serial_", sensorFigures, pointers(r.Serial), (*Serial).labels, func(s *Serial) (*Sensor, bool) { return s.Sensor, s.Sensor != nil })
	writeSome(&b, "runnel_serial_lines_", linesFigures, pointers(r.Serial), (*Serial).labels, func(s *Serial) (*Lines, bool) { return s.Lines, s.Lines != nil })
	write(&b, "runnel_modbus_", slaveFigures, pointers(slavesOf(r.Serial)), (*lineSlave).labels)
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

// labelled is a sample: a value and what it is of.
type labelled struct {
	labels string
	value  float64
}

// write writes the figures of all parts of a kind.
func write[T any](b *bytes.Buffer, prefix string, figures []figure[T], parts []T, labels func(T) string) {
	for _, f := range figures {
		family(b, prefix, f.name, f.help, collect(len(parts), func(i int) (labelled, bool) {
			return labelled{labels(parts[i]), f.value(parts[i])}, true
		})...)
	}
}

// writeSome is write for figures that only some parts have: of reports whether a part has them.
func writeSome[P, T any](b *bytes.Buffer, prefix string, figures []figure[T], parts []P, labels func(P) string, of func(P) (T, bool)) {
	for _, f := range figures {
		family(b, prefix, f.name, f.help, collect(len(parts), func(i int) (labelled, bool) {
			part, ok := of(parts[i])
			if !ok {
				return labelled{}, false
			}
			return labelled{labels(parts[i]), f.value(part)}, true
		})...)
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

// collect returns the samples of n parts, without those that have none.
func collect(n int, sample func(i int) (labelled, bool)) (list []labelled) {
	for i := range n {
		if s, ok := sample(i); ok {
			list = append(list, s)
		}
	}
	return list
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
