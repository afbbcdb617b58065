package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

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
			return printExamination(term.Stdout, r, asJSON)
		},
	}
	configFlag(cmd, &file)
	p.Flags(cmd, version)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func printExamination(w io.Writer, r *doctor.Report, asJSON bool) error {
	if asJSON {
		text, err := json.MarshalIndent(r, "", "  ")
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n", text)
		}
		if err != nil {
			return err
		}
	} else if err := printFindings(w, r); err != nil {
		return err
	}
	if !r.Healthy {
		return errUnhealthy
	}
	return nil
}

func printFindings(w io.Writer, r *doctor.Report) error {
	for _, f := range r.Findings {
		object := ""
		if f.Object != "" {
			object = f.Object + ": "
		}
		fmt.Fprintf(w, "%s: %s: %s\n", f.Level, f.Check, term.Safe(object+f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(w, "    %s\n", term.Safe(f.Remedy))
		}
	}
	verdict := "healthy"
	if !r.Healthy {
		n := 0
		for _, f := range r.Findings {
			if f.Level != doctor.Note {
				n++
			}
		}
		verdict = term.Count(n, "finding")
	}
	_, err := fmt.Fprintf(w, "%s: %s (checked: %s)\n", r.Config, verdict, strings.Join(r.Checks, ", "))
	return err
}
