package report

import (
	"fmt"
	"io"
	"time"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge"
	"runnel/edge/durable"
)

// The procedures about durable subscriptions. The router answers them itself.
const (
	ProcedureDurableList  = "runnel.durable.ls"    // -> a list of durable.State
	ProcedureDurablePeek  = "runnel.durable.peek"  // name, count; owner= -> a list of KeptEvent
	ProcedureDurableDrop  = "runnel.durable.drop"  // name; owner= -> the number of events dropped with it
	ProcedureDurableReset = "runnel.durable.reset" // name, from; owner= -> the number of events to be delivered
)

// KeptEvent is an event that is kept for a durable subscription.
type KeptEvent struct {
	Position    uint64         `json:"position"`
	Time        string         `json:"time"`
	Topic       string         `json:"topic"`
	Publication uint64         `json:"publication"`
	Args        []any          `json:"args"`
	Kwargs      map[string]any `json:"kwargs"`
	Gap         *struct {
		Events uint64 `json:"events"`
		Reason string `json:"reason"`
	} `json:"gap"`
}

// PrintKept writes a line for each event.
func PrintKept(w io.Writer, list []KeptEvent) error {
	for i := range list {
		if err := list[i].print(w); err != nil {
			return err
		}
	}
	return nil
}

func (e *KeptEvent) print(w io.Writer) error {
	if e.Gap != nil {
		_, err := fmt.Fprintf(w, "%s gap: %d events (%s)\n", term.Printable(e.Time), e.Gap.Events, term.Printable(e.Gap.Reason))
		return err
	}
	text, err := term.PlainText(e.Args, e.Kwargs)
	if err == nil && text != "" {
		text = " " + text
	}
	_, err = fmt.Fprintf(w, "%s %d %s%s\n", term.Printable(e.Time), e.Publication, term.Printable(e.Topic), text)
	return err
}

// PrintDurables writes the table of durable subscriptions.
func PrintDurables(w io.Writer, list []durable.State) error {
	t := term.NewTable(w)
	if len(list) == 0 {
		fmt.Fprintln(t, "no durable subscriptions")
	} else {
		printDurables(t, list)
	}
	return t.Print()
}

func printDurables(w io.Writer, list []durable.State) {
	fmt.Fprintln(w, "DURABLE\tTOPIC\tSESSIONS\tEVENTS\tOLDEST\tSTATE")
	for _, d := range list {
		oldest := "-"
		if d.Events > 0 {
			oldest = term.Seconds(d.Oldest).String()
		}
		topic := term.Printable(d.URI)
		if d.Match != "exact" {
			topic += " (" + term.Printable(d.Match) + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d, %s\t%s\t%s\n", term.Printable(d.Name), topic, d.Sessions, d.Events, term.Bytes(d.Octets), oldest, durableText(&d))
	}
}

// staleAfter is how long events wait without a consumer before an alarm is raised.
const staleAfter = 24 * time.Hour

func durableText(d *durable.State) string {
	switch {
	case stale(d) && d.Barred > 0:
		return fmt.Sprintf("ALARM: no session may read %d events", d.Barred)
	case stale(d):
		return "ALARM: no session reads it"
	case d.Dropped > 0:
		return fmt.Sprintf("%d dropped", d.Dropped)
	}
	return "ok"
}

func stale(d *durable.State) bool {
	return (d.Sessions == 0 || d.Barred > 0) && d.Events > 0 && d.Oldest > staleAfter.Seconds()
}

// realmDurable is a durable subscription and its realm.
type realmDurable struct {
	realm string
	durable.State
}

func durablesOf(realms []edge.RealmStatus) (list []realmDurable) {
	for _, m := range realms {
		for _, d := range m.Durable {
			list = append(list, realmDurable{m.Name, d})
		}
	}
	return list
}

func (d *realmDurable) labels() string {
	return "realm=" + labelText(d.realm) + ",name=" + labelText(d.Name) + ",owner=" + labelText(d.Owner)
}

func durableFigures(add adder, d *realmDurable) {
	add("sessions", "Sessions that consume a durable subscription.", float64(d.Sessions))
	add("events", "Events kept and not yet acknowledged.", float64(d.Events))
	add("bytes", "Size of these events in bytes.", float64(d.Octets))
	add("under_way", "Events sent and not yet acknowledged.", float64(d.UnderWay))
	add("oldest_seconds", "Upper bound of the oldest event's age.", d.Oldest)
	add("stale", "1 if events have waited for a day and no session reads them.", one(stale(&d.State)))
	add("delivered_total", "Events delivered.", float64(d.Delivered))
	add("redelivered_total", "Events delivered again.", float64(d.Again))
	add("dropped_total", "Events dropped at a limit of a subscription.", float64(d.Dropped))
	add("expired_total", "Events that expired before they could be delivered.", float64(d.Expired))
}
