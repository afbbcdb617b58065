package fleet

import (
	"fmt"
	"io"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/term"
)

// PrintNodes writes a table of nodes for a terminal.
func PrintNodes(w io.Writer, list []NodeReport) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no nodes")
		return err
	}
	t := term.NewTable(w)
	fmt.Fprintln(t, "NODE\tROLE\tLINK\tFOR\tQUEUE\tALARMS\tADDRESS\tVERSION\tBOARD")
	for _, n := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", term.Printable(n.ID), term.Printable(n.Role), n.link(), n.since(), n.Queue, len(n.Alarms),
			term.Dash(term.Printable(n.Address)), term.Dash(term.Printable(n.Version)), term.Dash(term.Harmless(n.Board)))
	}
	return t.Print()
}

// Print writes all properties of a node.
func (n NodeReport) Print(w io.Writer) error {
	t := term.NewTable(w)
	rows := [][2]string{
		{"node", n.ID}, {"name", n.Name}, {"realm", n.Realm}, {"role", n.Role}, {"link", n.link()}, {"address", n.Address}, {"version", n.Version}, {"board", n.Board},
		{"router started", local(n.Began)}, {"online since", local(n.OnlineSince)}, {"last seen", local(n.LastSeen)}, {"offline since", local(n.OfflineSince)}, {"commands", n.commands()},
	}
	for _, l := range n.Lines {
		rows = append(rows, [2]string{"serial line", l.Name + ": " + l.State})
	}
	for _, q := range n.Queues {
		rows = append(rows, [2]string{"queue", fmt.Sprintf("%s: %s, %d held", q.Uplink, term.Count(q.Events, "event"), q.Held)})
	}
	for _, alarm := range n.Alarms {
		rows = append(rows, [2]string{"alarm", alarm})
	}
	if a := n.Applied; a != nil {
		rows = append(rows, [2]string{"file", strings.TrimSuffix(a.File+": "+a.State+": "+a.Error, ": ")})
	}
	rows = append(rows, [2]string{"enrolled", local(n.Enrolled)}, [2]string{"token", n.Token}, [2]string{"key", n.Key})
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", row[0], term.Harmless(row[1]))
		}
	}
	return t.Print()
}

// since returns how long the link is up or down.
func (n NodeReport) since() string {
	at := n.OfflineSince
	if n.Up {
		at = n.OnlineSince
	}
	if at.IsZero() {
		return "-"
	}
	return term.Since(at).String()
}

func (n NodeReport) commands() string {
	if n.Remote {
		return "answered"
	}
	return ""
}

func (n NodeReport) link() string {
	if n.Up {
		return "up"
	}
	return "down"
}

// PrintTokens writes a table of tokens for a terminal.
func PrintTokens(w io.Writer, list []TokenReport) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no tokens")
		return err
	}
	t := term.NewTable(w)
	fmt.Fprintln(t, "TOKEN\tROLE\tUSED\tEXPIRES\tSTATE")
	for _, token := range list {
		fmt.Fprintf(t, "%s\t%s\t%d of %d\t%s\t%s\n", term.Printable(token.ID), term.Printable(token.Role), token.Used, token.Uses, local(token.Expires), term.Harmless(token.State))
	}
	return t.Print()
}

// local writes a time for people; "" if it is not known.
func local(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}
