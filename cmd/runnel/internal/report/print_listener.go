package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"runnel/cmd/runnel/internal/term"
)

func (r *Status) printListeners(w io.Writer) {
	if len(r.Listeners) > 0 {
		fmt.Fprintln(w, "\nLISTENER\tOPEN\tMESSAGES IN\tOUT\tIN\tOUT")
	}
	for _, l := range r.Listeners {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\n", term.Printable(l.URL), l.Connections, l.MessagesIn, l.MessagesOut, term.Bytes(l.OctetsIn), term.Bytes(l.OctetsOut))
	}
	for _, l := range r.Listeners {
		l.printMore(w)
	}
}

// printMore writes the counters of the connections: open ones and ended ones. Together they are the accepted connections.
// Some of the ended ones never sent a message.
func (l *Listener) printMore(w io.Writer) {
	alarm := l.Certificate.alarm()
	if l.Accepted+l.Refused == 0 && alarm == "" {
		return
	}
	fmt.Fprintf(w, "%s:\n", term.Printable(l.URL))
	if alarm != "" {
		fmt.Fprintf(w, "  ALARM: %s\n", alarm)
	}
	text := fmt.Sprintf("%s accepted, %d open", term.Counted(l.Accepted, "connection"), l.Connections)
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
	if h := l.HTTP; h != nil && h.Published+h.Called+h.Failed+uint64(h.Streams) > 0 {
		fmt.Fprintf(w, "  HTTP: %s published, %s, %s of events, %s\n", term.Counted(h.Published, "event"), term.Counted(h.Called, "call"),
			term.Count(h.Streams, "stream"), term.Counted(h.Failed, "error"))
	}
}

// peers counts the open connections by protocol.
func (l *Listener) peers() string {
	var list []string
	for _, p := range []struct {
		protocol string
		count    int
	}{{"rawsocket", l.RawSocket}, {"websocket", l.WebSocket}, {"longpoll", l.LongPoll}, {"mqtt", l.MQTT}} {
		if p.count > 0 {
			list = append(list, strconv.Itoa(p.count)+" "+p.protocol)
		}
	}
	return strings.Join(list, ", ")
}
