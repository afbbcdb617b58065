// Package durables is the command "runnel durable".
package durables

import (
	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/report"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/durable"
)

// Command returns the command. version is the router's.
func Command(version string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "durable",
		Short: "Show, reset or remove durable subscriptions",
		Long: `Shows, resets or removes durable subscriptions. The router keeps the events of a
durable subscription until a consumer has acknowledged them. The commands call
runnel.durable.ls, .peek, .reset and .drop in the realm. The permissions of the realm
must allow the call. The built-in default allows it over the Unix socket.`,
	}
	cmd.AddCommand(listCommand(version), peekCommand(version), dropCommand(version), resetCommand(version))
	return cmd
}

func listCommand(version string) *cobra.Command {
	var l remote.Listing
	cmd := &cobra.Command{
		Use: "ls", Short: "List the realm's durable subscriptions", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var list []durable.State
			return l.Print(report.ProcedureDurableList, nil, &list, func() error { return report.PrintDurables(term.Stdout, list) })
		},
	}
	l.Flags(cmd, version)
	return cmd
}

func peekCommand(version string) *cobra.Command {
	var l remote.Listing
	var owner string
	cmd := &cobra.Command{
		Use: "peek NAME", Short: "Print the oldest events that are kept", Args: cobra.ExactArgs(1),
		Example: "  runnel durable peek billing -n 3",
		RunE: func(_ *cobra.Command, args []string) error {
			var list []report.KeptEvent
			return l.Peek(report.ProcedureDurablePeek, ownerOption(owner), args[0], &list, func() error { return report.PrintKept(term.Stdout, list) })
		},
	}
	l.PeekFlags(cmd, version)
	ownerFlag(cmd, &owner)
	return cmd
}

func dropCommand(version string) *cobra.Command {
	var p remote.Router
	var owner string
	cmd := &cobra.Command{
		Use: "drop NAME", Short: "Remove a durable subscription and its events", Args: cobra.ExactArgs(1),
		Long: `Removes a durable subscription and its events. The router unsubscribes its consumers:
"runnel sub" and programs with the Go client end their subscription and report why. A
program that subscribes again creates a new one. If the configuration declares the
subscription, first remove its [[realm.durable]] table and reload.`,
		Example: "  runnel durable drop billing",
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := p.AskWith(report.ProcedureDurableDrop, ownerOption(owner), args[0])
			if err != nil {
				return err
			}
			return term.PrintLine(term.Stdout, "removed, with "+text+" events", nil)
		},
	}
	p.Flags(cmd, version)
	ownerFlag(cmd, &owner)
	return cmd
}

func resetCommand(version string) *cobra.Command {
	var p remote.Router
	var owner, from string
	cmd := &cobra.Command{
		Use: "reset NAME --from START", Short: "Move the start of a durable subscription", Args: cobra.ExactArgs(1),
		Long: `Moves the start of a durable subscription. With "now" it drops all events that are kept
for the subscription. With "all", a time or a publication id, the router delivers again
the events that it still has from there on.`,
		Example: "  runnel durable reset billing --from now\n  runnel durable reset billing --from 2026-11-29T14:00:00Z",
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := durable.ParseStart(from); err != nil || from == "" {
				return cli.UsageError("--from START: use now, all, a time such as 2026-11-29T14:00:00Z, or a publication id")
			}
			text, err := p.AskWith(report.ProcedureDurableReset, ownerOption(owner), args[0], from)
			if err != nil {
				return err
			}
			return term.PrintLine(term.Stdout, text+" events to deliver", nil)
		},
	}
	p.Flags(cmd, version)
	cmd.Flags().StringVar(&from, "from", "", "now, all, a time or a publication id")
	ownerFlag(cmd, &owner)
	return cmd
}

func ownerFlag(cmd *cobra.Command, owner *string) {
	cmd.Flags().StringVar(owner, "owner", "", "the owner, if several have a subscription of this name")
}

func ownerOption(owner string) map[string]any {
	if owner == "" {
		return nil
	}
	return map[string]any{"owner": owner}
}
