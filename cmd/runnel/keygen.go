package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/setup"
	"runnel/cmd/runnel/internal/term"
)

func keygenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen [FILE]",
		Short: "Make a key for the method cryptosign",
		Long: `Makes an Ed25519 key and writes it into FILE (runnel.key), for --key and for an
uplink's key. Only its owner may read it. An existing file is not replaced.
The public half is printed, as a line for a principal's authorized_keys.`,
		Example: `  runnel keygen pump-7.key
  runnel call com.example.add 2 3 --authid pump-7 --key pump-7.key`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := "runnel.key"
			if len(args) > 0 {
				file = args[0]
			}
			return keygen(file)
		},
	}
}

func keygen(file string) error {
	key, err := setup.NewKey(file)
	if err == nil {
		_, err = fmt.Fprintln(term.Stdout, setup.AuthorizedKey(key, strings.TrimSuffix(filepath.Base(file), ".key")))
	}
	return err
}
