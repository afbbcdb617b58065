package main

import (
	"fmt"
	"io"
	"time"
)

type uplinkReport struct {
	Name       string      `json:"name"`
	Realm      string      `json:"realm"`
	Up         bool        `json:"up"`
	Since      time.Time   `json:"since"`
	URL        string      `json:"url,omitempty"`
	Error      string      `json:"error,omitempty"` // the last one; it stays after recovery
	ErrorAt    time.Time   `json:"error_at,omitzero"`
	Reconnects uint64      `json:"reconnects"`
	Clash      string      `json:"clash,omitempty"` // another node has this node's id: the link is refused
	Refused    []string    `json:"refused,omitempty"`
	RoundTrip  float64     `json:"round_trip_ms,omitempty"` // to the centre and back
	Interest   bool        `json:"interest"`                // the centre tells what is wanted there
	Looped     uint64      `json:"looped"`                  // events and calls that had come round in a circle, or too far
	Queue      queueReport `json:"queue"`
	OctetsIn   uint64      `json:"octets_in"`  // from the centre
	OctetsOut  uint64      `json:"octets_out"` // to the centre
	EventsUp   flow        `json:"events_up"`  // from here to the centre
	EventsDown flow        `json:"events_down"`
	CallsUp    flow        `json:"calls_up"`
	CallsDown  flow        `json:"calls_down"`

	Certificate *certificateReport `json:"certificate,omitempty"` // with which the link shows who it is
}

// flow counts what crossed an uplink one way.
type flow struct {
	Forwarded uint64 `json:"forwarded"`
	Dropped   uint64 `json:"dropped"`
}

func (l *link) report() uplinkReport {
	s := l.State()
	in, out := l.traffic.Octets()
	return uplinkReport{
		Name: s.Name, Realm: l.config.Realm, Up: s.Up, Since: s.Since, URL: s.URL, Error: s.LastError, ErrorAt: s.LastErrorAt, Reconnects: s.Reconnects,
		Clash: s.Clash, Refused: s.Refused, RoundTrip: float64(s.RoundTrip.Microseconds()) / 1000, Interest: s.Interest, Looped: s.Looped,
		Queue: l.queue(), OctetsIn: in, OctetsOut: out,
		EventsUp: flow(s.EventsUp), EventsDown: flow(s.EventsDown), CallsUp: flow(s.CallsUp), CallsDown: flow(s.CallsDown),
		Certificate: reportCertificate(l.pair),
	}
}

func (r *report) printUplinks(w io.Writer) {
	if len(r.Uplinks) > 0 {
		fmt.Fprintln(w, "\nUPLINK\tSTATE\tFOR\tROUND TRIP\tEVENTS UP\tDOWN\tCALLS UP\tDOWN")
	}
	for _, u := range r.Uplinks {
		fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%d\t%d\t%d\t%d\n", printable(u.Name), upOrDown(u.Up), since(u.Since), u.roundTrip(),
			u.EventsUp.Forwarded, u.EventsDown.Forwarded, u.CallsUp.Forwarded, u.CallsDown.Forwarded)
	}
	for _, u := range r.Uplinks {
		u.printMore(w)
	}
	if len(r.Uplinks) > 0 {
		queues := make([]queueReport, len(r.Uplinks))
		for i, u := range r.Uplinks {
			queues[i] = u.Queue
		}
		fmt.Fprintln(w)
		printQueues(w, queues)
		printHeld(w, queues)
	}
}

func upOrDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

func (u *uplinkReport) roundTrip() string {
	if !u.Up || u.RoundTrip == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fms", u.RoundTrip)
}

// printMore writes what there is to say of some uplinks only.
func (u *uplinkReport) printMore(w io.Writer) {
	var list []string
	say := func(when bool, format string, args ...any) {
		if when {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	say(u.URL != "", "%s", printable(u.URL))
	say(u.OctetsOut+u.OctetsIn > 0, "%s up, %s down", octets(u.OctetsOut), octets(u.OctetsIn))
	say(u.Error != "" && !u.Up, "%s", lastError(u.Error, u.ErrorAt))
	say(u.Clash != "", "ALARM: %s", harmless(u.Clash))
	say(u.Certificate.alarm() != "", "ALARM: %s", u.Certificate.alarm())
	say(u.EventsUp.Dropped+u.EventsDown.Dropped > 0, "%s up and %d down dropped", counted(u.EventsUp.Dropped, "event"), u.EventsDown.Dropped)
	say(u.CallsUp.Dropped+u.CallsDown.Dropped > 0, "%s up and %d down could not be made", counted(u.CallsUp.Dropped, "call"), u.CallsDown.Dropped)
	say(u.Looped > 0, "%d events and calls not sent on: looped, or over too many hops", u.Looped)
	say(u.Reconnects > 0, "joined again %s", times(u.Reconnects))
	for _, refused := range u.Refused {
		say(true, "refused: %s", harmless(refused))
	}
	if len(list) > 0 {
		fmt.Fprintf(w, "%s:\n", printable(u.Name))
	}
	for _, text := range list {
		fmt.Fprintf(w, "  %s\n", text)
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}
