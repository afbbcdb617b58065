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
	Error      string      `json:"error,omitempty"`
	Reconnects uint64      `json:"reconnects"`
	Refused    []string    `json:"refused,omitempty"`
	RoundTrip  float64     `json:"round_trip_ms,omitempty"` // to the centre and back
	Interest   bool        `json:"interest"`                // the centre tells what is wanted there
	Looped     uint64      `json:"looped"`                  // events and calls that had come round in a circle, or too far
	Queue      queueReport `json:"queue"`
	EventsUp   flow        `json:"events_up"` // from here to the centre
	EventsDown flow        `json:"events_down"`
	CallsUp    flow        `json:"calls_up"`
	CallsDown  flow        `json:"calls_down"`
}

// flow counts what crossed an uplink one way.
type flow struct {
	Forwarded uint64 `json:"forwarded"`
	Dropped   uint64 `json:"dropped"`
}

func (l *link) report() uplinkReport {
	s := l.State()
	return uplinkReport{
		Name: s.Name, Realm: l.config.Realm, Up: s.Up, Since: s.Since, URL: s.URL, Error: s.LastError, Reconnects: s.Reconnects,
		Queue: l.queue(), Refused: s.Refused, RoundTrip: float64(s.RoundTrip.Microseconds()) / 1000, Interest: s.Interest, Looped: s.Looped,
		EventsUp: flow(s.EventsUp), EventsDown: flow(s.EventsDown), CallsUp: flow(s.CallsUp), CallsDown: flow(s.CallsDown),
	}
}

func (r *report) printUplinks(w io.Writer) {
	if len(r.Uplinks) > 0 {
		fmt.Fprintln(w, "\nUPLINK\tSTATE\tFOR\tEVENTS UP\tDOWN\tCALLS UP\tDOWN\tURL\tLAST ERROR")
	}
	for _, u := range r.Uplinks {
		state := "down"
		if u.Up {
			state = "up"
		}
		fmt.Fprintf(w, "%s\t%s\t%v\t%d\t%d\t%d\t%d\t%s\t%s\n", printable(u.Name), state, since(u.Since),
			u.EventsUp.Forwarded, u.EventsDown.Forwarded, u.CallsUp.Forwarded, u.CallsDown.Forwarded, dash(printable(u.URL)), dash(harmless(u.Error)))
		for _, refused := range u.Refused {
			fmt.Fprintf(w, "\trefused: %s\n", harmless(refused))
		}
	}
	if len(r.Uplinks) > 0 {
		queues := make([]queueReport, len(r.Uplinks))
		for i, u := range r.Uplinks {
			queues[i] = u.Queue
		}
		fmt.Fprintln(w)
		printQueues(w, queues)
	}
}
