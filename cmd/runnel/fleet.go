package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
)

func fleetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Show the gateways that have enrolled at this centre",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(fleetListCommand(), fleetShowCommand(), fleetForgetCommand())
	return cmd
}

func fleetListCommand() *cobra.Command {
	var p remote.Router
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the nodes: board, version, link",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var list []fleet.NodeReport
			if err := p.Read(fleet.NodeList, nil, &list); err != nil {
				return err
			}
			if asJSON {
				return printJSONLines(term.Stdout, list)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintln(term.Stdout, "no nodes")
				return err
			}
			t := term.NewTable(term.Stdout)
			fmt.Fprintln(t, "NODE\tROLE\tLINK\tADDRESS\tVERSION\tBOARD\tENROLLED")
			for _, n := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", term.Printable(n.ID), term.Printable(n.Role), linkState(n.Up), term.Dash(term.Printable(n.Address)), term.Dash(term.Printable(n.Version)), term.Dash(term.Harmless(n.Board)), n.Enrolled.Local().Format(time.DateTime))
			}
			return t.Print()
		},
	}
	p.Flags(cmd, version)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func fleetShowCommand() *cobra.Command {
	var p remote.Router
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NODE",
		Short: "Show all that is known of a node",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var n fleet.NodeReport
			if err := p.Read(fleet.NodeGet, nil, &n, args[0]); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(term.Stdout).Encode(n)
			}
			return showNode(term.Stdout, n)
		},
	}
	p.Flags(cmd, version)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func showNode(w io.Writer, n fleet.NodeReport) error {
	t := term.NewTable(w)
	for _, row := range [][2]string{
		{"node", n.ID}, {"realm", n.Realm}, {"role", n.Role}, {"link", linkState(n.Up)}, {"address", n.Address}, {"version", n.Version}, {"board", n.Board},
		{"enrolled", n.Enrolled.Local().Format(time.DateTime)}, {"token", n.Token}, {"key", n.Key},
	} {
		fmt.Fprintf(t, "%s\t%s\n", row[0], term.Dash(term.Harmless(row[1])))
	}
	return t.Print()
}

func fleetForgetCommand() *cobra.Command {
	var p remote.Router
	cmd := &cobra.Command{
		Use:   "forget NODE",
		Short: "Remove a node: its link ends, and its key lets it in no more",
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

func linkState(up bool) string {
	if up {
		return "up"
	}
	return "down"
}
