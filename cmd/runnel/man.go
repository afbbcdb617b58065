package main

import (
	"os"

	"runnel/cmd/runnel/internal/manual"

	"github.com/spf13/cobra"
)

// manCommand writes the manual pages of all commands in Markdown for go-md2man. The packages' build uses it, so the
// pages have the same text as --help.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write the manual pages of all commands, in Markdown",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return manual.Write(cmd.Root(), args[0], version)
		},
	}
}
