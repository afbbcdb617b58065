package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"runnel/transport"
)

type listenReport struct {
	URL string `json:"url"`
	transport.Counters
	Certificate *certificateReport `json:"certificate,omitempty"`
}

func (l *listener) report() listenReport {
	return listenReport{URL: l.URL(), Counters: l.Counters(), Certificate: reportCertificate(l.pair)}
}

func (r *report) printListeners(w io.Writer) {
	if len(r.Listeners) > 0 {
		fmt.Fprintln(w, "\nLISTENER\tOPEN\tMESSAGES IN\tOUT\tIN\tOUT")
	}
	for _, l := range r.Listeners {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\n", printable(l.URL), l.Connections, l.MessagesIn, l.MessagesOut, octets(l.OctetsIn), octets(l.OctetsOut))
	}
	for _, l := range r.Listeners {
		l.printMore(w)
	}
}

// printMore says what became of the connections. They add up: those that were accepted are open or ended, and some of
// those that ended failed.
func (l *listenReport) printMore(w io.Writer) {
	alarm := l.Certificate.alarm()
	if l.Accepted+l.Refused == 0 && alarm == "" {
		return
	}
	fmt.Fprintf(w, "%s:\n", printable(l.URL))
	if alarm != "" {
		fmt.Fprintf(w, "  ALARM: %s\n", alarm)
	}
	text := fmt.Sprintf("%s accepted, %d open", counted(l.Accepted, "connection"), l.Connections)
	if peers := l.peers(); peers != "" {
		text += " (" + peers + ")"
	}
	if l.Failed > 0 {
		text += fmt.Sprintf(", %d without a message", l.Failed)
	}
	if l.Refused > 0 {
		text += fmt.Sprintf("; %d refused beyond the limit of %d", l.Refused, l.Limit)
	}
	fmt.Fprintf(w, "  %s\n", text)
}

// peers says how many speak what.
func (l *listenReport) peers() string {
	var list []string
	for _, p := range []struct {
		name  string
		count int
	}{{"rawsocket", l.RawSocket}, {"websocket", l.WebSocket}, {"longpoll", l.LongPoll}} {
		if p.count > 0 {
			list = append(list, strconv.Itoa(p.count)+" "+p.name)
		}
	}
	return strings.Join(list, ", ")
}

// octets is an amount that people can compare at a glance.
func octets[N int64 | uint64](n N) string {
	switch f := float64(n); {
	case f >= 1e9:
		return fmt.Sprintf("%.1fGB", f/1e9)
	case f >= 1e6:
		return fmt.Sprintf("%.1fMB", f/1e6)
	case f >= 1e4:
		return fmt.Sprintf("%.0fkB", f/1e3)
	}
	return strconv.FormatInt(int64(n), 10) + "B"
}
