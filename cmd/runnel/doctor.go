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

// errUnhealthy ends "runnel doctor" with status 1 after it has printed the findings.
var errUnhealthy = errors.New("unhealthy")

func doctorCommand() *cobra.Command {
	var p remote.Router
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [-c FILE]",
		Short: "Check an installation and print remedies",
		Long: `Checks an installation for common faults and prints each with its remedy: the
config; the router's user and the files it reads; the clock; the disk; serial
ports; addresses of listeners; certificates; names of centres; each uplink,
including its permissions at the centre; and the alarms of the running router.
It changes nothing.

The exit status is 0 if the installation is healthy, and 1 if there are findings
other than notes. Run as root, it also finds which program holds a port.`,
		Example: `  sudo runnel doctor
  runnel doctor -c gateway.toml --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if p.Node() != "" {
				return printReport(nodeDoctor(&p, asJSON))
			}
			ctx, stop := cli.UntilSignal(0)
			defer stop()
			r, err := doctor.Examine(ctx, doctor.Options{File: file, Check: node.CheckUplink, Agent: "runnel/" + version, Status: p.StatusOf})
			return printReport(r, asJSON, err)
		},
	}
	configFlag(cmd, &file)
	p.Flags(cmd, version)
	p.NodeFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// nodeDoctor asks a node to check its installation.
func nodeDoctor(p *remote.Router, asJSON bool) (*doctor.Report, bool, error) {
	r := new(doctor.Report)
	return r, asJSON, p.Read("runnel.doctor", nil, r)
}

func printReport(r *doctor.Report, asJSON bool, err error) error {
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
}
