package remote

import (
	"fmt"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/report"
	"runnel/cmd/runnel/internal/term"
)

// Listing is the part of a command that prints a list from one of the router's own procedures: as text or, with --json, as the
// router sends it.
type Listing struct {
	Router
	asJSON bool
	count  int
}

// Flags adds the flags of the router and --json.
func (l *Listing) Flags(cmd *cobra.Command, version string) {
	l.Router.Flags(cmd, version)
	cmd.Flags().BoolVar(&l.asJSON, "json", false, "print a JSON list")
}

// PeekFlags adds the flags of a command that prints the oldest events.
func (l *Listing) PeekFlags(cmd *cobra.Command, version string) {
	l.Flags(cmd, version)
	cmd.Flags().IntVarP(&l.count, "count", "n", 10, "how many")
}

// Print calls the procedure. Without --json it decodes the list into list, a pointer, and has print write it.
func (l *Listing) Print(procedure string, kwargs map[string]any, list any, print func() error, args ...any) error {
	text, err := l.AskWith(procedure, kwargs, args...)
	if err != nil || l.asJSON {
		return term.PrintLine(term.Stdout, text, err)
	}
	if err := report.ReadAnswer(procedure, text, list); err != nil {
		return err
	}
	return print()
}

// Peek is Print for the oldest events of a queue or of a durable subscription, which name names.
func (l *Listing) Peek(procedure string, kwargs map[string]any, name string, list any, print func() error) error {
	if l.count < 1 || l.count > report.MaxPeeked {
		return cli.UsageError(fmt.Sprintf("-n %d: use 1 to %d", l.count, report.MaxPeeked))
	}
	return l.Print(procedure, kwargs, list, print, name, l.count)
}
