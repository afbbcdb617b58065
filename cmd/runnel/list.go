package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
)

// listCommand returns the command ls of a group. It prints the list that a procedure of the router returns, with print or as
// JSON.
func listCommand[T any](short, procedure string, print func(io.Writer, []T) error) *cobra.Command {
	var p remote.Router
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var list []T
			if err := p.Read(procedure, nil, &list); err != nil {
				return err
			}
			if asJSON {
				return printJSONLines(term.Stdout, list)
			}
			return print(term.Stdout, list)
		},
	}
	p.Flags(cmd, version)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return cmd
}

func printJSONLines[T any](w io.Writer, list []T) error {
	for _, item := range list {
		if err := json.NewEncoder(w).Encode(item); err != nil {
			return err
		}
	}
	return nil
}
