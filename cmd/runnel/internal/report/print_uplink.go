package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/term"
)

func (r *Status) printUplinks(w io.Writer) {
	if len(r.Uplinks) == 0 {
		return
	}
	fmt.Fprintln(w, "\nUPLINK\tSTATE\tFOR\tROUND TRIP\tEVENTS UP\tDOWN\tCALLS UP\tDOWN")
	queues := make([]Queue, len(r.Uplinks))
	for i, u := range r.Uplinks {
		fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%d\t%d\t%d\t%d\n", term.Printable(u.Name), upOrDown(u.Up), term.Since(u.Since), u.roundTrip(),
			u.EventsUp.Forwarded, u.EventsDown.Forwarded, u.CallsUp.Forwarded, u.CallsDown.Forwarded)
		queues[i] = u.Queue
	}
	for _, u := range r.Uplinks {
		u.printMore(w)
	}
	fmt.Fprintln(w)
	printQueues(w, queues)
}

func upOrDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

func (u *Uplink) roundTrip() string {
	if !u.Up || u.RoundTrip == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fms", u.RoundTrip)
}

// printMore writes the properties that only some uplinks have.
func (u *Uplink) printMore(w io.Writer) {
	var b notes
	add := b.add
	add(u.URL != "", "%s", strings.TrimSuffix(term.Printable(u.URL)+", "+u.Protocol, ", "))
	add(u.OctetsOut+u.OctetsIn > 0, "%s up, %s down", term.Bytes(u.OctetsOut), term.Bytes(u.OctetsIn))
	add(u.Error != "" && !u.Up, "%s", lastError(u.Error, u.ErrorAt))
	add(u.Clash != "", "ALARM: %s", term.Harmless(u.Clash))
	add(u.Certificate.alarm() != "", "ALARM: %s", u.Certificate.alarm())
	add(u.EventsUp.Dropped+u.EventsDown.Dropped > 0, "%s up and %d down dropped", term.Counted(u.EventsUp.Dropped, "event"), u.EventsDown.Dropped)
	add(u.CallsUp.Dropped+u.CallsDown.Dropped > 0, "%s up and %d down could not be made", term.Counted(u.CallsUp.Dropped, "call"), u.CallsDown.Dropped)
	add(u.Looped > 0, "%d events and calls not sent on: looped, or over too many hops", u.Looped)
	add(u.Reconnects > 0, "joined again %s", term.Times(u.Reconnects))
	for _, refused := range u.Refused {
		add(true, "rejected: %s", term.Harmless(refused))
	}
	if b.Len() > 0 {
		fmt.Fprintf(w, "%s:\n%s", term.Printable(u.Name), b.String())
	}
}

// notes are the lines below a part.
type notes struct{ strings.Builder }

func (n *notes) add(when bool, format string, args ...any) {
	if when {
		n.WriteString("  ")
		fmt.Fprintf(&n.Builder, format, args...)
		n.WriteByte('\n')
	}
}

// PrintQueues writes the queues of a realm's uplinks for people.
func PrintQueues(w io.Writer, list []Queue) error {
	t := term.NewTable(w)
	printQueues(t, list)
	return t.Print()
}

func printQueues(w io.Writer, list []Queue) {
	fmt.Fprintln(w, "QUEUE\tEVENTS\tBYTES\tON DISK\tOLDEST\tHELD\tDROPPED\tALARM")
	for _, q := range list {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%v\t%d\t%d\t%s\n", term.Printable(q.Uplink), q.Events, q.Octets, q.OnDisk, term.Seconds(q.Oldest),
			q.HeldEvents, q.Dropped, term.Dash(strings.Repeat("yes", min(len(q.Alarm), 1))))
	}
	for _, q := range list {
		if q.Alarm != "" {
			fmt.Fprintf(w, "%s:\n  ALARM, for %v: %s\n", term.Printable(q.Uplink), term.Seconds(q.AlarmFor), term.Harmless(q.Alarm))
		}
	}
	for _, q := range list {
		q.printHeld(w)
	}
}

func (q *Queue) printHeld(w io.Writer) {
	if q.HeldTopics == 0 && q.Expired == 0 {
		return
	}
	fmt.Fprintf(w, "%s:\n", term.Printable(q.Uplink))
	if q.Expired > 0 {
		fmt.Fprintf(w, "  expired: %s, before they could be sent\n", term.Counted(q.Expired, "event"))
	}
	for _, t := range q.Held {
		fmt.Fprintf(w, "  held: %s, %s since %s: %s\n", term.Printable(t.Topic), term.Counted(t.Events, "event"), t.Since.Format(time.DateTime), term.Harmless(t.Reason))
	}
	if more := q.HeldTopics - len(q.Held); more > 0 {
		fmt.Fprintf(w, "  held: %s more\n", term.Counted(more, "topic"))
	}
}

// PrintQueued writes a line for each event.
func PrintQueued(w io.Writer, list []QueuedEvent) error {
	for i := range list {
		if err := list[i].print(w); err != nil {
			return err
		}
	}
	return nil
}

func (e *QueuedEvent) print(w io.Writer) error {
	what := term.Printable(e.Topic)
	if e.Held {
		what = "held " + what
	}
	text, err := term.PlainText(e.Args, e.Kwargs)
	if e.Gap != nil {
		what = "gap"
		text, err = term.PlainText(nil, e.Gap)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, e.Sequence, term.Safe(e.Time), term.Safe(e.Class), what, text)
	return err
}
