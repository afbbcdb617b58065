package main

import (
	"errors"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/doctor"
	"runnel/cmd/runnel/internal/node"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
)

// errUnhealthy ends "runnel doctor" with status 1: the findings are printed.
var errUnhealthy = errors.New("unhealthy")

func doctorCommand() *cobra.Command {
	var p remote.Router
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [-c FILE]",
		Short: "Check an installation, and say what to do",
		Long: `Checks an installation for what goes wrong in the field, and prints what it finds
with what to type: the config; the router's user and the files it reads; the
clock; the disk; serial ports; addresses of listeners that others have;
certificates; names of centres; each uplink, as far as the permissions at its
centre; and the alarms of the running router. It changes nothing.

The exit status is 0 if the installation is healthy, 1 if there are findings.
Notes do not count. As root it sees more, such as which program holds a port.`,
		Example: `  sudo runnel doctor
  runnel doctor -c gateway.toml --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := cli.UntilSignal(0)
			defer stop()
			r, err := doctor.Examine(ctx, doctor.Options{File: file, Check: node.CheckUplink, Agent: "runnel/" + version, Status: p.StatusOf})
			if err != nil {
				return err
			}
			print := r.Print
			if asJSON {
				print = r.PrintJSON
			}
			if err := print(term.Stdout); err != nil || r.Healthy {
				return err
			}
			return errUnhealthy
		},
	}
	configFlag(cmd, &file)
	p.Flags(cmd, version)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}
