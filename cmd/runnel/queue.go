package main

import (
	"cmp"
	"math"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/report"
	"runnel/cmd/runnel/internal/term"
)

func queueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Show, drop or retry events that wait for uplinks",
		Long: `Shows, drops or retries events that wait for the far side of an uplink, by calling
runnel.queue.ls, .peek, .drop and .retry in the uplink's realm. The realm's permissions
must allow that call; the built-in default does.`,
	}
	cmd.AddCommand(queueListCommand(), queuePeekCommand(), queueDropCommand(), queueRetryCommand())
	return cmd
}

func queueListCommand() *cobra.Command {
	var l remote.Listing
	cmd := &cobra.Command{
		Use: "ls", Short: "List the spools of the realm's uplinks", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var list []report.Queue
			return l.Print(report.ProcedureQueueList, nil, &list, func() error { return report.PrintQueues(term.Stdout, list) })
		},
	}
	l.Flags(cmd, version)
	l.NodeFlag(cmd)
	return cmd
}

func queuePeekCommand() *cobra.Command {
	var l remote.Listing
	cmd := &cobra.Command{
		Use: "peek UPLINK", Short: "Print the oldest waiting events", Args: cobra.ExactArgs(1),
		Example: "  runnel queue peek central -n 3",
		RunE: func(_ *cobra.Command, args []string) error {
			var list []report.QueuedEvent
			return l.Peek(report.ProcedureQueuePeek, nil, args[0], &list, func() error { return report.PrintQueued(term.Stdout, list) })
		},
	}
	l.PeekFlags(cmd, version)
	l.NodeFlag(cmd)
	return cmd
}

func queueDropCommand() *cobra.Command {
	var p remote.Router
	var count int
	var every, held bool
	var topic string
	cmd := &cobra.Command{
		Use: "drop UPLINK", Short: "Drop waiting events, the oldest first", Args: cobra.ExactArgs(1),
		Long: `Drops waiting events, the oldest first. A gap event tells the far side how many are
missing. Events in flight may still arrive. --held drops all held events, --topic the
held events of one topic.`,
		Example: "  runnel queue drop central -n 100\n  runnel queue drop central --all\n  runnel queue drop central --topic com.example.weather",
		RunE: func(_ *cobra.Command, args []string) error {
			if ways := choices(every, count > 0, held, topic != ""); ways != 1 || count < 0 {
				return cli.UsageError("use one of -n COUNT, --all, --held and --topic URI")
			}
			text, err := p.AskWith(report.ProcedureQueueDrop, dropOptions(held, topic), args[0], cmp.Or(count, math.MaxInt32))
			if err != nil {
				return err
			}
			return term.PrintLine(term.Stdout, text+" dropped", nil)
		},
	}
	p.Flags(cmd, version)
	p.NodeFlag(cmd)
	cmd.Flags().IntVarP(&count, "count", "n", 0, "how many")
	cmd.Flags().BoolVar(&every, "all", false, "drop all waiting events")
	cmd.Flags().BoolVar(&held, "held", false, "drop all held events")
	cmd.Flags().StringVar(&topic, "topic", "", "drop the held events of this topic, as the far side names it")
	return cmd
}

func dropOptions(held bool, topic string) map[string]any {
	switch {
	case topic != "":
		return map[string]any{"topic": topic}
	case held:
		return map[string]any{"held": true}
	}
	return nil
}

// choices counts the true values.
func choices(made ...bool) (n int) {
	for _, m := range made {
		if m {
			n++
		}
	}
	return n
}

func queueRetryCommand() *cobra.Command {
	var p remote.Router
	cmd := &cobra.Command{
		Use: "retry [UPLINK]", Short: "Retry held events now", Args: cobra.MaximumNArgs(1),
		Long: `Retries the events that the far side has rejected: the first held event of each topic
and, once that is accepted, the rest. Without UPLINK it retries the held events of all
uplinks of the realm.`,
		Example: "  runnel queue retry central",
		RunE: func(_ *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			text, err := p.Ask(report.ProcedureQueueRetry, name)
			if err != nil {
				return err
			}
			return term.PrintLine(term.Stdout, text+" held, trying again", nil)
		},
	}
	p.Flags(cmd, version)
	p.NodeFlag(cmd)
	return cmd
}
