package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
)

func serialCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serial",
		Short: "Look at serial ports, and add lines",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(serialListCommand(), serialSniffCommand(), serialProbeCommand(), serialAddCommand())
	return cmd
}

func serialListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List serial ports with USB identity, driver and who holds them",
		Long: `Lists the serial ports of this machine, as the device or usb key of a [[serial]]
table names them. Only one program at a time can open a port. HELD BY names it, as
far as this user may see (root sees all).`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ports, err := serial.List()
			if err != nil {
				return err
			}
			if asJSON {
				return listPortsJSON(term.Stdout, ports)
			}
			return listPorts(term.Stdout, ports)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func listPorts(w io.Writer, ports []serial.Info) error {
	if len(ports) == 0 {
		_, err := fmt.Fprintln(w, "no serial ports")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DEVICE\tDRIVER\tUSB\tHELD BY")
	for _, p := range ports {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", term.Safe(p.Device), term.Dash(term.Safe(p.Driver)), term.Dash(term.Safe(usbText(p))), term.Dash(term.Safe(holders(p))))
	}
	return table.Flush()
}

// usbText writes "2341:0043 serial 9573 interface 00 (Arduino Uno)".
func usbText(p serial.Info) string {
	if p.USB == (serial.USB{}) {
		return ""
	}
	text := p.USB.VID + ":" + p.USB.PID
	if p.USB.Serial != "" {
		text += " serial " + p.USB.Serial
	}
	if p.USB.Interface != "" {
		text += " interface " + p.USB.Interface
	}
	if name := strings.TrimSpace(p.Manufacturer + " " + p.Product); name != "" {
		text += " (" + name + ")"
	}
	return text
}

func holders(p serial.Info) string {
	var names []string
	for _, h := range p.Holders {
		names = append(names, h.String())
	}
	return strings.Join(names, ", ")
}

func listPortsJSON(w io.Writer, ports []serial.Info) error {
	type holder struct {
		PID  int    `json:"pid"`
		Name string `json:"name"`
	}
	type port struct {
		Device       string            `json:"device"`
		Driver       string            `json:"driver,omitempty"`
		USB          map[string]string `json:"usb,omitempty"`
		Manufacturer string            `json:"manufacturer,omitempty"`
		Product      string            `json:"product,omitempty"`
		Names        []string          `json:"names,omitempty"`
		Holders      []holder          `json:"holders,omitempty"`
	}
	for _, p := range ports {
		line := port{Device: p.Device, Driver: p.Driver, Manufacturer: p.Manufacturer, Product: p.Product, Names: p.Names}
		if p.USB != (serial.USB{}) {
			line.USB = map[string]string{"vid": p.USB.VID, "pid": p.USB.PID, "serial": p.USB.Serial, "interface": p.USB.Interface}
		}
		for _, h := range p.Holders {
			line.Holders = append(line.Holders, holder{h.PID, h.Name})
		}
		if err := json.NewEncoder(w).Encode(line); err != nil {
			return err
		}
	}
	return nil
}
