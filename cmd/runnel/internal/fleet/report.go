package fleet

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"runnel/edge/client"
)

// Report describes a node. The node sends it to its centre after each change and once a minute.
type Report struct {
	Node    string        `json:"node"` // its id
	Version string        `json:"version,omitempty"`
	Board   string        `json:"board,omitempty"`
	Uptime  float64       `json:"uptime"`           // seconds
	Remote  bool          `json:"remote,omitempty"` // the node answers commands of the centre
	Lines   []LineReport  `json:"lines,omitempty"`
	Queues  []QueueReport `json:"queues,omitempty"`
	Alarms  []string      `json:"alarms,omitempty"`
	Applied *Applied      `json:"applied,omitempty"` // the last file that the centre has sent
}

// LineReport is the state of a serial line.
type LineReport struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

// QueueReport is the queue of an uplink.
type QueueReport struct {
	Uplink string `json:"uplink"`
	Events int    `json:"events"`
	Held   int    `json:"held,omitempty"`
}

// Applied is the outcome of a file that the centre has sent.
type Applied struct {
	ID      string   `json:"id"` // of the request
	File    string   `json:"file"`
	State   string   `json:"state"`           // AppliedPending and so on
	Error   string   `json:"error,omitempty"` // the reason for a state other than applied
	Changes []string `json:"changes,omitempty"`
}

// The states of a file that the centre has sent.
const (
	AppliedPending    = "pending"     // the configuration has changed, and the link is not back yet
	AppliedDone       = "applied"     // the link is back
	AppliedFailed     = "failed"      // the configuration could not be applied; nothing has changed
	AppliedRolledBack = "rolled back" // the link did not come back; the previous file is in effect
)

// Bounds of a report. A report within these bounds takes less than mostReport bytes.
const (
	mostReport  = 8 << 10 // bytes on the wire
	mostLines   = 32
	mostQueues  = 8
	mostAlarms  = 8
	mostChanges = 8
	longestName = 64 // bytes
	longestText = 160
)

// Bounded returns the report cut to its bounds. All texts are printable.
func (r Report) Bounded() Report {
	r.Node, r.Version, r.Board = clean(r.Node, 128), clean(r.Version, longestName), clean(r.Board, longestName)
	if !(r.Uptime >= 0 && r.Uptime < 1e9) {
		r.Uptime = 0
	}
	r.Lines = append([]LineReport(nil), r.Lines[:min(len(r.Lines), mostLines)]...)
	for i := range r.Lines {
		r.Lines[i] = LineReport{clean(r.Lines[i].Name, longestName), clean(r.Lines[i].State, 16)}
	}
	r.Queues = append([]QueueReport(nil), r.Queues[:min(len(r.Queues), mostQueues)]...)
	for i, q := range r.Queues {
		r.Queues[i] = QueueReport{clean(q.Uplink, longestName), max(q.Events, 0), max(q.Held, 0)}
	}
	r.Alarms = cleaned(r.Alarms, mostAlarms)
	if r.Applied != nil {
		a := *r.Applied
		a.ID, a.File, a.State, a.Error = clean(a.ID, 32), clean(a.File, longestName), clean(a.State, 16), clean(a.Error, 2*longestText)
		a.Changes = cleaned(a.Changes, mostChanges)
		r.Applied = &a
	}
	return r
}

func cleaned(texts []string, most int) (list []string) {
	for _, text := range texts[:min(len(texts), most)] {
		list = append(list, clean(text, longestText))
	}
	return list
}

// clean returns text with at most the given number of bytes, and with U+FFFD in place of unprintable characters.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text[:min(len(text), most)])
	for len(text) > most {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// readReport decodes the first argument of a call.
func readReport(inv *client.Invocation) (r Report, err error) {
	if len(inv.Payload.Raw) > mostReport {
		return r, &Error{Invalid, "the report is too long"}
	}
	if args := inv.Args(); len(args) > 0 {
		text, bad := json.Marshal(args[0])
		if bad == nil && json.Unmarshal(text, &r) == nil {
			return r.Bounded(), nil
		}
	}
	return r, &Error{Invalid, "the call has no report"}
}

// queued returns the number of events that wait in all queues.
func (r *Report) queued() (events int) {
	for _, q := range r.Queues {
		events += q.Events
	}
	return events
}

// began returns the time when the node started, by the centre's clock.
func (r *Report) began(now time.Time) time.Time {
	return now.Add(-time.Duration(r.Uptime * float64(time.Second))).Truncate(time.Second).UTC()
}
