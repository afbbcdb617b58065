package report

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"runnel/edge"
	"runnel/transport"
)

// sampleReport is a busy gateway with long names.
func sampleReport() *Status {
	long := "dial tls://central.example.com:8443: read tcp 192.168.100.200:45678->203.0.113.77:8443: i/o timeout while waiting for the handshake"
	ago := time.Now().Add(-90 * time.Second)
	return &Status{
		Version: "v1.4.0-17-g0123abc", Node: "greenhouse-gateway-001", Uptime: 94392,
		Router: edge.Status{Connections: 1, Messages: 18022311234, Events: 24031082345, Calls: 5120123, Drops: 1, Realms: []edge.RealmStatus{{Name: "realm1", Sessions: 5}}},
		Listeners: []Listener{{URL: "unix:///run/runnel/runnel.sock", Counters: transport.Counters{
			Connections: 3, Limit: 4096, Accepted: 71, Failed: 2, Refused: 1, RawSocket: 1, WebSocket: 2, MessagesIn: 1650034123, MessagesOut: 2401110123, OctetsIn: 2145e8, OctetsOut: 31e10,
		}}},
		Serial: []Serial{{Name: "greenhouse", State: "waiting", Since: ago, Error: long, ErrorAt: ago, In: 184032123, Out: 912012,
			Device: "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10LTTZW-if00-port0", Link: &Link{Up: true, Since: ago, Peer: "greenhouse-mcu", FramesIn: 1, Connections: 1, Error: long},
			Lines: &Lines{Good: 1, Bad: 2, LastBad: ago, BadLine: strings.Repeat("x ", 60), BadReason: "not JSON"}}},
		Uplinks: []Uplink{
			{Name: "central", Up: true, Since: ago, URL: "tls://central.example.com:8443", Error: long, ErrorAt: ago, Reconnects: 1, RoundTrip: 23.1,
				EventsUp: Flow{Forwarded: 150233123}, CallsDown: Flow{Forwarded: 40311234}, OctetsOut: 214e5, Queue: Queue{Uplink: "central", Events: 37123, Octets: 4551123, OnDisk: 37123}},
			{Name: "backup", Since: ago, Error: long, ErrorAt: ago, Reconnects: 3, Queue: Queue{Uplink: "backup", Alarm: long, AlarmFor: 90}},
		},
	}
}

// The status fits a terminal, shows current errors with their time, and writes counts as words.
func TestStatusForPeople(t *testing.T) {
	synctest.Test(t, statusForPeople) // where no time passes
}

func statusForPeople(t *testing.T) {
	var out bytes.Buffer
	if err := sampleReport().Print(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d 80: %s", n, line)
		}
	}
	_, uplinks, _ := strings.Cut(text, "UPLINK")
	central, backup, _ := strings.Cut(uplinks, "backup:\n")
	for _, want := range []string{"last error, 1m30s ago: dial", "joined again 3 times"} {
		if !strings.Contains(backup, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(central, "last error") || !strings.Contains(central, "joined again once") {
		t.Error("of a link that is up its last error is shown, or not that it joined again")
	}
	for _, want := range []string{"\n1 connection, ", ", 1 event\n", "71 connections accepted, 3 open", "1 good line, 2 bad", "1 frame in", "ALARM, for 1m30s"} {
		if !strings.Contains(text, want) && !strings.Contains(strings.ReplaceAll(text, "\n    ", " "), strings.TrimSpace(want)) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Log("\n" + text)
	}
}
