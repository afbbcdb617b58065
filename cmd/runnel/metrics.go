package main

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"runnel/edge"
)

// metrics are what runnel.status tells, as Prometheus reads it (text format 0.0.4). They are written by these few lines
// rather than by a library of counters: all figures are there already and are only looked at when somebody asks, and parts
// that a reload adds or takes away appear and vanish by themselves.

// figure is a metric of the parts of one kind; its name is without the kind's prefix. Those that end in _total only grow.
type figure[T any] struct {
	name, help string
	value      func(*T) float64
}

var routerFigures = []figure[report]{
	{"connections", "Sessions, and connections on the way to one.", func(r *report) float64 { return float64(r.Router.Connections) }},
	{"messages_received_total", "Messages that peers have sent.", func(r *report) float64 { return float64(r.Router.Messages) }},
	{"publications_total", "PUBLISH that were accepted.", func(r *report) float64 { return float64(r.Router.Publications) }},
	{"events_total", "EVENTs made of publications.", func(r *report) float64 { return float64(r.Router.Events) }},
	{"calls_total", "CALLs that reached a callee.", func(r *report) float64 { return float64(r.Router.Calls) }},
	{"events_dropped_total", "EVENTs that slow peers have lost.", func(r *report) float64 { return float64(r.Router.Drops) }},
	{"node_clashes", "Node ids that two linked routers have.", func(r *report) float64 { return float64(len(r.Router.Clashes)) }},
	{"stalls_total", "How often a peer did not take what it was sent.", func(r *report) float64 { return float64(r.Router.Stalls) }},
}

var realmFigures = []figure[edge.RealmStatus]{
	{"sessions", "Sessions of the realm.", func(m *edge.RealmStatus) float64 { return float64(m.Sessions) }},
	{"subscriptions", "Topics and patterns subscribed to.", func(m *edge.RealmStatus) float64 { return float64(m.Subscriptions) }},
	{"registrations", "Procedures and patterns registered.", func(m *edge.RealmStatus) float64 { return float64(m.Registrations) }},
	{"disk_trouble", "1 if what the realm keeps can't be written to disk.", func(m *edge.RealmStatus) float64 { return one(m.Trouble != "") }},
}

var listenerFigures = []figure[listenReport]{
	{"connections", "Connections there are now.", func(l *listenReport) float64 { return float64(l.Connections) }},
	{"connections_limit", "Connections there may be.", func(l *listenReport) float64 { return float64(l.Limit) }},
	{"rawsocket_peers", "Peers that speak RawSocket.", func(l *listenReport) float64 { return float64(l.RawSocket) }},
	{"websocket_peers", "Peers that speak WebSocket.", func(l *listenReport) float64 { return float64(l.WebSocket) }},
	{"longpoll_peers", "Peers that speak HTTP long-poll.", func(l *listenReport) float64 { return float64(l.LongPoll) }},
	{"connections_accepted_total", "Connections that there was room for.", func(l *listenReport) float64 { return float64(l.Accepted) }},
	{"connections_refused_total", "Connections that were too many.", func(l *listenReport) float64 { return float64(l.Refused) }},
	{"handshakes_failed_total", "Connections that did not come to their first message.", func(l *listenReport) float64 { return float64(l.Failed) }},
	{"messages_received_total", "Messages of the peers.", func(l *listenReport) float64 { return float64(l.MessagesIn) }},
	{"messages_sent_total", "Messages to the peers.", func(l *listenReport) float64 { return float64(l.MessagesOut) }},
	{"received_bytes_total", "Octets of messages of the peers.", func(l *listenReport) float64 { return float64(l.OctetsIn) }},
	{"sent_bytes_total", "Octets of messages to the peers.", func(l *listenReport) float64 { return float64(l.OctetsOut) }},
}

var uplinkFigures = []figure[uplinkReport]{
	{"up", "1 if the central router is joined.", func(u *uplinkReport) float64 { return one(u.Up) }},
	{"changed_timestamp_seconds", "When up became what it is.", func(u *uplinkReport) float64 { return float64(u.Since.UnixMilli()) / 1000 }},
	{"reconnects_total", "Sessions after the first.", func(u *uplinkReport) float64 { return float64(u.Reconnects) }},
	{"round_trip_seconds", "To the central router and back, as measured last.", func(u *uplinkReport) float64 { return u.RoundTrip / 1000 }},
	{"rules_refused", "Rules that a router refuses now.", func(u *uplinkReport) float64 { return float64(len(u.Refused)) }},
	{"clash", "1 if another node has the id of this one: the link is refused, or its session taken over.", func(u *uplinkReport) float64 { return one(u.Clash != "") }},
	{"looped_total", "Events and calls that had come round in a circle, or too far.", func(u *uplinkReport) float64 { return float64(u.Looped) }},
	{"sent_bytes_total", "Octets to the centre.", func(u *uplinkReport) float64 { return float64(u.OctetsOut) }},
	{"received_bytes_total", "Octets from the centre.", func(u *uplinkReport) float64 { return float64(u.OctetsIn) }},
	{"events_up_total", "Events forwarded to the centre.", func(u *uplinkReport) float64 { return float64(u.EventsUp.Forwarded) }},
	{"events_down_total", "Events forwarded from the centre.", func(u *uplinkReport) float64 { return float64(u.EventsDown.Forwarded) }},
	{"events_up_dropped_total", "Events not forwarded to the centre.", func(u *uplinkReport) float64 { return float64(u.EventsUp.Dropped) }},
	{"events_down_dropped_total", "Events not forwarded from the centre.", func(u *uplinkReport) float64 { return float64(u.EventsDown.Dropped) }},
	{"calls_up_total", "Calls forwarded to the centre.", func(u *uplinkReport) float64 { return float64(u.CallsUp.Forwarded) }},
	{"calls_down_total", "Calls forwarded from the centre.", func(u *uplinkReport) float64 { return float64(u.CallsDown.Forwarded) }},
	{"calls_up_failed_total", "Calls that could not be made at the centre.", func(u *uplinkReport) float64 { return float64(u.CallsUp.Dropped) }},
	{"calls_down_failed_total", "Calls of the centre that could not be made.", func(u *uplinkReport) float64 { return float64(u.CallsDown.Dropped) }},
	{"queue_events", "Events that wait for the centre.", func(u *uplinkReport) float64 { return float64(u.Queue.Events) }},
	{"queue_bytes", "Octets of the events that wait.", func(u *uplinkReport) float64 { return float64(u.Queue.Octets) }},
	{"queue_disk_events", "Events that wait and are on disk.", func(u *uplinkReport) float64 { return float64(u.Queue.OnDisk) }},
	{"queue_disk_bytes", "Octets of the queue's files.", func(u *uplinkReport) float64 { return float64(u.Queue.Files) }},
	{"queue_oldest_seconds", "How long the oldest event has waited.", func(u *uplinkReport) float64 { return u.Queue.Oldest }},
	{"held_events", "Events that the far side rejects.", func(u *uplinkReport) float64 { return float64(u.Queue.HeldEvents) }},
	{"held_topics", "Topics of these.", func(u *uplinkReport) float64 { return float64(u.Queue.HeldTopics) }},
	{"held_bytes", "Octets of these.", func(u *uplinkReport) float64 { return float64(u.Queue.HeldOctets) }},
	{"queue_dropped_total", "Events dropped because the queue was full.", func(u *uplinkReport) float64 { return float64(u.Queue.Dropped) }},
	{"queue_alarm", "1 if the queue can't be written to disk.", func(u *uplinkReport) float64 { return one(u.Queue.Alarm != "") }},
}

var serialFigures = []figure[serialReport]{
	{"open", "1 if the port is open.", func(s *serialReport) float64 { return one(s.Device != "") }},
	{"alarms", "Things that somebody should look after.", func(s *serialReport) float64 { return float64(len(s.Alarms)) }},
	{"opens_total", "Times the port was opened.", func(s *serialReport) float64 { return float64(s.Opens) }},
	{"losses_total", "Times the device went away.", func(s *serialReport) float64 { return float64(s.Losses) }},
	{"peers_total", "Peers that were served.", func(s *serialReport) float64 { return float64(s.Peers) }},
	{"received_bytes_total", "Octets received.", func(s *serialReport) float64 { return float64(s.In) }},
	{"sent_bytes_total", "Octets sent.", func(s *serialReport) float64 { return float64(s.Out) }},
	{"skipped_bytes_total", "Octets received that were no peer's.", func(s *serialReport) float64 { return float64(s.Skipped) }},
}

// What is told of some lines only.
var (
	uartFigures = []figure[uartReport]{
		{"framing_errors_total", "Characters without a stop bit.", func(u *uartReport) float64 { return float64(u.Framing) }},
		{"parity_errors_total", "Characters with a wrong parity bit.", func(u *uartReport) float64 { return float64(u.Parity) }},
		{"overruns_total", "Characters lost because nobody took them in time.", func(u *uartReport) float64 { return float64(u.Overrun) }},
		{"breaks_total", "How often the line was held low.", func(u *uartReport) float64 { return float64(u.Breaks) }},
	}
	linkFigures = []figure[linkReport]{
		{"up", "1 if the reliable link is up.", func(l *linkReport) float64 { return one(l.Up) }},
		{"frames_received_total", "Frames received.", func(l *linkReport) float64 { return float64(l.FramesIn) }},
		{"frames_sent_total", "Frames sent.", func(l *linkReport) float64 { return float64(l.FramesOut) }},
		{"frames_resent_total", "Frames sent again.", func(l *linkReport) float64 { return float64(l.Resent) }},
		{"rejects_total", "Frames that the device found missing.", func(l *linkReport) float64 { return float64(l.Rejects) }},
		{"timeouts_total", "Answers that did not come.", func(l *linkReport) float64 { return float64(l.Timeouts) }},
		{"fcs_errors_total", "Frames with a wrong check sum.", func(l *linkReport) float64 { return float64(l.FCS) }},
		{"framing_errors_total", "Frames too long, too short or given up.", func(l *linkReport) float64 { return float64(l.Framing) }},
		{"connections_total", "How often the link came up.", func(l *linkReport) float64 { return float64(l.Connections) }},
		{"resets_total", "How often the link began anew.", func(l *linkReport) float64 { return float64(l.Resets) }},
	}
	sensorFigures = []figure[sensorReport]{
		{"silent", "1 if no good reading came within expect_every.", func(s *sensorReport) float64 { return one(s.Silent) }},
		{"last_good_timestamp_seconds", "When the last good reading came; 0: never.", func(s *sensorReport) float64 { return timestamp(s.LastGood) }},
	}
	linesFigures = []figure[linesReport]{
		{"good_total", "Lines that became events.", func(l *linesReport) float64 { return float64(l.Good) }},
		{"bad_total", "Lines that could not be read.", func(l *linesReport) float64 { return float64(l.Bad) }},
		{"partial_total", "Lines that began before the port was opened.", func(l *linesReport) float64 { return float64(l.Partial) }},
		{"bad_fields_total", "Fields of good lines that could not be read.", func(l *linesReport) float64 { return float64(l.BadFields) }},
	}
)

// metrics writes all figures.
func (r *report) metrics() []byte {
	var b bytes.Buffer
	family(&b, "runnel_", "info", "What runs here.", labelled{`version=` + labelText(r.Version) + `,node=` + labelText(r.Node), 1})
	family(&b, "process_", "start_time_seconds", "When the router started.", labelled{"", float64(r.Began.UnixMilli()) / 1000})
	family(&b, "process_", "resident_memory_bytes", "Memory of the process.", labelled{"", residentMemory()})
	family(&b, "go_", "goroutines", "Goroutines.", labelled{"", float64(runtime.NumGoroutine())})
	write(&b, "runnel_", routerFigures, []report{*r}, func(*report) string { return "" })
	if r.Memory != nil {
		writeMemory(&b, r.Memory)
	}
	write(&b, "runnel_realm_", realmFigures, r.Router.Realms, func(m *edge.RealmStatus) string { return "realm=" + labelText(m.Name) })
	write(&b, "runnel_listener_", listenerFigures, r.Listeners, (*listenReport).labels)
	writeSome(&b, "runnel_listener_certificate_", certificateFigures, r.Listeners, (*listenReport).labels, func(l *listenReport) *certificateReport { return l.Certificate })
	write(&b, "runnel_uplink_", uplinkFigures, r.Uplinks, (*uplinkReport).labels)
	writeSome(&b, "runnel_uplink_certificate_", certificateFigures, r.Uplinks, (*uplinkReport).labels, func(u *uplinkReport) *certificateReport { return u.Certificate })
	write(&b, "runnel_serial_", serialFigures, r.Serial, (*serialReport).labels)
	writeSome(&b, "runnel_serial_uart_", uartFigures, r.Serial, (*serialReport).labels, func(s *serialReport) *uartReport { return s.UART })
	writeSome(&b, "runnel_serial_link_", linkFigures, r.Serial, (*serialReport).labels, func(s *serialReport) *linkReport { return s.Link })
	writeSome(&b, "runnel_serial_", sensorFigures, r.Serial, (*serialReport).labels, func(s *serialReport) *sensorReport { return s.Sensor })
	writeSome(&b, "runnel_serial_lines_", linesFigures, r.Serial, (*serialReport).labels, func(s *serialReport) *linesReport { return s.Lines })
	return b.Bytes()
}

func (l *listenReport) labels() string { return "listener=" + labelText(l.URL) }

func (u *uplinkReport) labels() string {
	return "uplink=" + labelText(u.Name) + ",realm=" + labelText(u.Realm)
}

func (s *serialReport) labels() string {
	return "line=" + labelText(s.Name) + ",realm=" + labelText(s.Realm)
}

// labelled is a sample: a value and what it is of.
type labelled struct {
	labels string
	value  float64
}

// write writes the figures of all parts of one kind.
func write[T any](b *bytes.Buffer, prefix string, figures []figure[T], parts []T, labels func(*T) string) {
	for _, f := range figures {
		var samples []labelled
		for i := range parts {
			samples = append(samples, labelled{labels(&parts[i]), f.value(&parts[i])})
		}
		family(b, prefix, f.name, f.help, samples...)
	}
}

// writeSome is write for what only some parts have.
func writeSome[P, T any](b *bytes.Buffer, prefix string, figures []figure[T], parts []P, labels func(*P) string, of func(*P) *T) {
	for _, f := range figures {
		var samples []labelled
		for i := range parts {
			if part := of(&parts[i]); part != nil {
				samples = append(samples, labelled{labels(&parts[i]), f.value(part)})
			}
		}
		family(b, prefix, f.name, f.help, samples...)
	}
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

// residentMemory is what the kernel says; 0 where it does not.
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
