package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge/budget"
)

// Print writes the status for people, as wide as the terminal. Texts of peers and devices are escaped.
func (r *Status) Print(w io.Writer) error {
	t := term.NewTable(w)
	fmt.Fprintf(t, "runnel %s on %s, up %v\n", term.Printable(r.Version), term.Printable(r.Node), term.Seconds(r.Uptime))
	fmt.Fprintf(t, "%s, %s in, %s and %s out, %s dropped\n", term.Counted(r.Router.Connections, "connection"), term.Counted(r.Router.Messages, "message"),
		term.Counted(r.Router.Events, "event"), term.Counted(r.Router.Calls, "call"), term.Counted(r.Router.Drops, "event"))
	if r.Memory != nil {
		fmt.Fprintln(t, memoryText(r.Memory))
	}
	for _, f := range r.Faults {
		fmt.Fprintf(t, "ALARM for %v: %s: %s\n", term.Since(f.Since), term.Harmless(f.Part), term.Harmless(f.Error))
	}
	r.printRealms(t)
	r.printListeners(t)
	r.printSerial(t)
	r.printUplinks(t)
	r.printWebhooks(t)
	return t.Print()
}

func (r *Status) printRealms(w io.Writer) {
	fmt.Fprintln(w, "\nREALM\tSESSIONS\tSUBSCRIPTIONS\tREGISTRATIONS")
	for _, m := range r.Router.Realms {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", term.Printable(m.Name), m.Sessions, m.Subscriptions, m.Registrations)
	}
	for _, m := range r.Router.Realms {
		if m.Trouble != "" {
			fmt.Fprintf(w, "%s: not kept on disk: %s\n", term.Printable(m.Name), term.Harmless(m.Trouble))
		}
	}
	for _, m := range r.Router.Realms {
		if len(m.Durable) > 0 {
			fmt.Fprintln(w)
			printDurables(w, m.Durable)
		}
	}
	for _, c := range r.Router.Clashes {
		fmt.Fprintf(w, "ALARM: %s: the node id %s is used twice, by %s and by %s\n",
			term.Printable(c.Realm), term.Printable(c.Node), term.Harmless(c.First), term.Harmless(c.Second))
	}
}

// memoryText says how much of the memory budget is used.
func memoryText(s *budget.Status) string {
	text := fmt.Sprintf("%s of %s of memory in use", term.Bytes(s.Used), term.Bytes(s.Limit))
	if s.Cut > 0 {
		text += fmt.Sprintf(", %d peers disconnected to free some", s.Cut)
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Refused)) {
		text += fmt.Sprintf(", %d %s refused", s.Refused[kind], kind)
	}
	return text
}

// lastError writes an error that still matters, and how long ago it happened.
func lastError(text string, at time.Time) string {
	if at.IsZero() {
		return "last error: " + term.Harmless(text)
	}
	return fmt.Sprintf("last error, %v ago: %s", term.Since(at), term.Harmless(text))
}
