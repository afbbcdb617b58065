package report

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"runnel/edge"
	"runnel/edge/budget"
	"runnel/transport"
	"runnel/transport/guest/rest"
)

// exposition matches a line of the text format.
var exposition = regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="([^"\\\n]|\\[\\"n])*"(,[a-z]+="([^"\\\n]|\\[\\"n])*")*\})? [0-9.e+-]+)$`)

func TestMetrics(t *testing.T) {
	r := Status{
		Version: "1", Node: "a \"b\"\\\n", Began: time.Unix(1000, 0),
		Router:    edge.Status{Messages: 1 << 40, Realms: []edge.RealmStatus{{Name: "realm1", Sessions: 7}}},
		Listeners: []Listener{{URL: "tcp://127.0.0.1:1", Counters: transport.Counters{WebSocket: 3, OctetsIn: 5}, Certificate: &Certificate{Alarm: "expired"}}, {URL: "unix:///x"}},
		Serial:    []Serial{{Name: "one", Realm: "realm1", In: 9}, {Name: "two", Link: &Link{Up: true}, Lines: &Lines{Bad: 2}, Sensor: &Sensor{Silent: true}}, {Name: "bus", Modbus: &Bus{Slaves: []Slave{{Slave: 1, Requests: 5}, {Slave: 17, Exceptions: 3, Silent: true}}}}},
		Fleet:     []Fleet{{Realm: "realm1", Online: 1, Queued: 6, Nodes: []FleetNode{{ID: "gw-1", Up: true, LastSeen: time.Unix(2000, 500e6), Alarms: 2, Queued: 6}, {ID: "gw-2"}}}},
		Webhooks:  []Webhook{{WebhookState: rest.WebhookState{Name: "hook", Realm: "realm1", Delivered: 3, Problem: "503"}}},
		Memory:    &budget.Status{Used: 3, Limit: 8, Use: map[string]int64{"calls": 2, "buffers": 1}, Cut: 1},
		Uplinks:   []Uplink{{Name: "central", Realm: "realm1", Up: true, RoundTrip: 2.5, Queue: Queue{Events: 4, Alarm: "full"}}, {Name: "backup", Certificate: &Certificate{Alarm: "expired"}}},
	}
	text := string(r.Metrics())
	families := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if !exposition.MatchString(line) {
			t.Errorf("%q is not the text format", line)
		}
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(name, " ")
			if families[name] || (kind == "counter") != strings.HasSuffix(name, "_total") {
				t.Errorf("%s: there are two, or it is no %s", name, kind)
			}
			families[name] = true
		}
	}
	for _, want := range []string{
		`runnel_info{version="1",node="a \"b\"\\\n"} 1`,
		`process_start_time_seconds 1000`,
		`runnel_messages_received_total 1.099511627776e+12`,
		`runnel_realm_sessions{realm="realm1"} 7`,
		`runnel_listener_websocket_peers{listener="tcp://127.0.0.1:1"} 3`,
		`runnel_listener_received_bytes_total{listener="tcp://127.0.0.1:1"} 5`,
		`runnel_listener_received_bytes_total{listener="unix:///x"} 0`,
		`runnel_serial_received_bytes_total{line="one",realm="realm1"} 9`,
		`runnel_serial_link_up{line="two",realm=""} 1`,
		`runnel_serial_lines_bad_total{line="two",realm=""} 2`,
		`runnel_serial_silent{line="two",realm=""} 1`,
		`runnel_serial_last_good_timestamp_seconds{line="two",realm=""} 0`,
		`runnel_serial_open{line="one",realm="realm1"} 0`,
		`runnel_modbus_requests_total{line="bus",realm="",slave="1"} 5`,
		`runnel_modbus_exceptions_total{line="bus",realm="",slave="17"} 3`,
		`runnel_modbus_silent{line="bus",realm="",slave="17"} 1`,
		`runnel_fleet_nodes_online{realm="realm1"} 1`,
		`runnel_fleet_queue_events{realm="realm1"} 6`,
		`runnel_fleet_node_up{node="gw-1",realm="realm1"} 1`,
		`runnel_fleet_node_last_seen_timestamp_seconds{node="gw-1",realm="realm1"} 2000.5`,
		`runnel_fleet_node_last_seen_timestamp_seconds{node="gw-2",realm="realm1"} 0`,
		`runnel_webhook_delivered_total{webhook="hook",realm="realm1"} 3`,
		`runnel_webhook_alarm{webhook="hook",realm="realm1"} 1`,
		`runnel_memory_limit_bytes 8`,
		`runnel_memory_used_bytes{kind="buffers"} 1`,
		`runnel_memory_peers_cut_total 1`,
		`runnel_realm_disk_trouble{realm="realm1"} 0`,
		`runnel_listener_certificate_alarm{listener="tcp://127.0.0.1:1"} 1`,
		`runnel_uplink_certificate_alarm{uplink="backup",realm=""} 1`,
		`runnel_uplink_clash{uplink="central",realm="realm1"} 0`,
		`runnel_uplink_up{uplink="central",realm="realm1"} 1`,
		`runnel_uplink_round_trip_seconds{uplink="central",realm="realm1"} 0.0025`,
		`runnel_uplink_queue_events{uplink="central",realm="realm1"} 4`,
		`runnel_uplink_queue_alarm{uplink="central",realm="realm1"} 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(text, `runnel_serial_link_up{line="one"`) {
		t.Error("a line without a link has one")
	}
	if strings.Contains(text, `certificate_alarm{uplink="central"`) || strings.Contains(text, `certificate_alarm{listener="unix`) {
		t.Error("a part without a certificate has one")
	}
	if resident := residentMemory(); resident < 1<<20 && runtime.GOOS == "linux" {
		t.Errorf("%v bytes are resident", resident)
	}
	if families["runnel_memory_refused_total"] || families["runnel_serial_uart_overruns_total"] {
		t.Error("there is a family without samples")
	}
}

// Every metric is in docs/operations.md.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	r := Status{
		Router: edge.Status{Realms: make([]edge.RealmStatus, 1)}, Listeners: make([]Listener, 1), Uplinks: make([]Uplink, 1),
		Serial: []Serial{{UART: &UART{}, Link: &Link{}, Lines: &Lines{}, Sensor: &Sensor{}, Modbus: &Bus{Slaves: make([]Slave, 1)}}},
	}
	for line := range strings.Lines(string(r.Metrics())) {
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(strings.TrimSpace(rest), " ")
			if !strings.Contains(string(text), "| `"+name+"` | "+help+" |") {
				t.Errorf("docs/operations.md lacks\n| `%s` | %s |", name, help)
			}
		}
	}
}
