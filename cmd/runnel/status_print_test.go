package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"runnel/edge"
	"runnel/transport"
)

// sampleReport is a busy gateway with long names.
func sampleReport() *report {
	long := "dial tls://central.example.com:8443: read tcp 192.168.100.200:45678->203.0.113.77:8443: i/o timeout while waiting for the handshake"
	ago := time.Now().Add(-90 * time.Second)
	return &report{
		Version: "v1.4.0-17-g0123abc", Node: "greenhouse-gateway-001", Uptime: 94392,
		Router: edge.Status{Connections: 1, Messages: 18022311234, Events: 24031082345, Calls: 5120123, Drops: 1, Realms: []edge.RealmStatus{{Name: "realm1", Sessions: 5}}},
		Listeners: []listenReport{{URL: "unix:///run/runnel/runnel.sock", Counters: transport.Counters{
			Connections: 3, Limit: 4096, Accepted: 71, Failed: 2, Refused: 1, RawSocket: 1, WebSocket: 2, MessagesIn: 1650034123, MessagesOut: 2401110123, OctetsIn: 2145e8, OctetsOut: 31e10,
		}}},
		Serial: []serialReport{{Name: "greenhouse", State: "waiting", Since: ago, Error: long, ErrorAt: ago, In: 184032123, Out: 912012,
			Device: "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10LTTZW-if00-port0", Link: &linkReport{Up: true, Since: ago, Peer: "greenhouse-mcu", FramesIn: 1, Connections: 1, Error: long},
			Lines: &linesReport{Good: 1, Bad: 2, LastBad: ago, BadLine: strings.Repeat("x ", 60), BadReason: "not JSON"}}},
		Uplinks: []uplinkReport{
			{Name: "central", Up: true, Since: ago, URL: "tls://central.example.com:8443", Error: long, ErrorAt: ago, Reconnects: 1, RoundTrip: 23.1,
				EventsUp: flow{Forwarded: 150233123}, CallsDown: flow{Forwarded: 40311234}, OctetsOut: 214e5, Queue: queueReport{Uplink: "central", Events: 37123, Octets: 4551123, OnDisk: 37123}},
			{Name: "backup", Since: ago, Error: long, ErrorAt: ago, Reconnects: 3, Queue: queueReport{Uplink: "backup", Alarm: long, AlarmFor: 90}},
		},
	}
}

// The status fits a terminal, tells of errors that still matter and since when, and counts in words.
func TestStatusForPeople(t *testing.T) {
	var out bytes.Buffer
	if err := sampleReport().print(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns {
			t.Errorf("%d columns: %s", n, line)
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

func TestFold(t *testing.T) {
	for line, want := range map[string]string{
		"short":                                   "short\n",
		"  " + strings.Repeat("ab ", 30) + "end":  "  " + strings.TrimRight(strings.Repeat("ab ", 26), " ") + "\n      " + strings.Repeat("ab ", 4) + "end\n",
		strings.Repeat("x", 100):                  strings.Repeat("x", 100) + "\n",
		strings.Repeat("x", 100) + " y":           strings.Repeat("x", 100) + "\n    y\n",
		strings.Repeat("ä", 79) + " " + "ö":       strings.Repeat("ä", 79) + "\n    ö\n",
		strings.Repeat("ä", 78) + " " + "ö":       strings.Repeat("ä", 78) + " ö\n",
		strings.Repeat("é", 80) + " and the rest": strings.Repeat("é", 80) + "\n    and the rest\n",
	} {
		var b strings.Builder
		if fold(&b, line); b.String() != want {
			t.Errorf("%q became %q, expected %q", line, b.String(), want)
		}
	}
}

func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ünïcödé": "plain, ünïcödé", "\x1b[31m": `\x1b[31m`, "\u009b2J": `\u009b2J`, "a\u202eb": `a\u202eb`, "\u2066\u200f": `\u2066\u200f`,
		"\x9b\xff": `\x9b\xff`, "\uFFFD": "\uFFFD", "a\nb\tc\rd\x7f": `a\x0ab\x09c\x0dd\x7f`, "\U000e0001": `\U000e0001`,
	} {
		if got := safe(text); got != want {
			t.Errorf("%q became %s, expected %s", text, got, want)
		}
	}
	if got := safeLines("a\nb\tc\rd"); got != "a\nb\tc\\x0dd" {
		t.Errorf("%q", got)
	}
}
