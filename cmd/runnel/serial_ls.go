package main

import (
	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/setup"
	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
)

func serialCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serial",
		Short: "Inspect serial ports, and add serial lines",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(serialListCommand(), serialSniffCommand(), serialProbeCommand(), serialScanCommand(), serialAddCommand(), serialProfilesCommand())
	return cmd
}

func serialListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List serial ports with USB identity, driver and the programs that hold them",
		Long: `Lists the serial ports of this machine, as the device or usb key of a [[serial]]
table names them. Only one program at a time can open a port. HELD BY names this
program if the user may see it (root sees all).`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ports, err := serial.List()
			if err != nil {
				return err
			}
			if asJSON {
				return setup.PrintPortsJSON(term.Stdout, ports)
			}
			return setup.PrintPorts(term.Stdout, ports)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return cmd
}
