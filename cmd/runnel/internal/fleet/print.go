package fleet

import (
	"fmt"
	"io"
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
	fmt.Fprintln(t, "NODE\tROLE\tLINK\tADDRESS\tVERSION\tBOARD\tENROLLED")
	for _, n := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", term.Printable(n.ID), term.Printable(n.Role), n.link(), term.Dash(term.Printable(n.Address)),
			term.Dash(term.Printable(n.Version)), term.Dash(term.Harmless(n.Board)), local(n.Enrolled))
	}
	return t.Print()
}

// Print writes all properties of a node.
func (n NodeReport) Print(w io.Writer) error {
	t := term.NewTable(w)
	for _, row := range [][2]string{
		{"node", n.ID}, {"realm", n.Realm}, {"role", n.Role}, {"link", n.link()}, {"address", n.Address}, {"version", n.Version}, {"board", n.Board},
		{"enrolled", local(n.Enrolled)}, {"token", n.Token}, {"key", n.Key},
	} {
		fmt.Fprintf(t, "%s\t%s\n", row[0], term.Dash(term.Harmless(row[1])))
	}
	return t.Print()
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

func local(t time.Time) string { return t.Local().Format(time.DateTime) }
