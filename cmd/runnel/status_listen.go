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
		fmt.Fprintln(w, "\nLISTENER\tCONNECTIONS\tPEERS\tACCEPTED\tREFUSED\tFAILED\tMESSAGES IN\tOUT\tOCTETS IN\tOUT")
	}
	for _, l := range r.Listeners {
		fmt.Fprintf(w, "%s\t%d of %d\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", printable(l.URL), l.Connections, l.Limit, dash(l.peers()),
			l.Accepted, l.Refused, l.Failed, l.MessagesIn, l.MessagesOut, octets(l.OctetsIn), octets(l.OctetsOut))
	}
	for _, l := range r.Listeners {
		if alarm := l.Certificate.alarm(); alarm != "" {
			fmt.Fprintf(w, "%s:\n  ALARM: %s\n", printable(l.URL), alarm)
		}
	}
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
