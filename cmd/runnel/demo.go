package main

import (
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/demo"
	"runnel/cmd/runnel/internal/term"
)

func demoCommand() *cobra.Command {
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a complete deployment on this machine",
		Long: `Runs a whole deployment in one process, with real connections throughout: a
sensor on a serial line (a pseudo-terminal), an edge router, a central router, an
uplink between them, a program at the edge and two programs in the cloud. It
prints what each of them sees, until Ctrl-C. With --for it ends by itself, with
exit status 1 if anything that should have happened has not.`,
		Example: `  runnel demo
  runnel demo --for 10s`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := cli.UntilSignal(length)
			defer stop()
			return demo.Run(ctx, term.Stdout, version)
		},
	}
	cmd.Flags().DurationVar(&length, "for", 0, "end after this time")
	return cmd
}
