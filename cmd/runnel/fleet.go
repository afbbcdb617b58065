package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
)

func fleetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Show and configure the gateways that link to this centre",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(listCommand("List the nodes: link, queue, alarms, version, board", fleet.NodeList, fleet.PrintNodes), fleetShowCommand(), fleetForgetCommand(), fleetApplyCommand())
	return cmd
}

func fleetShowCommand() *cobra.Command {
	var p remote.Router
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NODE",
		Short: "Show all properties of a node",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var n fleet.NodeReport
			if err := p.Read(fleet.NodeGet, nil, &n, args[0]); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(term.Stdout).Encode(n)
			}
			return n.Print(term.Stdout)
		},
	}
	p.Flags(cmd, version)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func fleetForgetCommand() *cobra.Command {
	var p remote.Router
	cmd := &cobra.Command{
		Use:   "forget NODE",
		Short: "Remove a node: its link ends, and its key no longer gives access",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := p.Read(fleet.NodeForget, nil, nil, args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(term.Stdout, "node %s forgotten\n", term.Harmless(args[0]))
			return err
		},
	}
	p.Flags(cmd, version)
	return cmd
}
