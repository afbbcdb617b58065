package setup

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
)

// PrintPorts writes a table of serial ports for a terminal.
func PrintPorts(w io.Writer, ports []serial.Info) error {
	if len(ports) == 0 {
		_, err := fmt.Fprintln(w, "no serial ports")
		return err
	}
	table := term.NewTable(w)
	fmt.Fprintln(table, "DEVICE\tDRIVER\tUSB\tHELD BY")
	for _, p := range ports {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", term.Safe(p.Device), term.Dash(term.Safe(p.Driver)), term.Dash(term.Safe(usbText(p))), term.Dash(term.Safe(holders(p))))
	}
	return table.PrintWide()
}

// usbText formats a USB identity, like "2341:0043 serial 9573 interface 00 (Arduino Uno)".
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

// PrintPortsJSON writes one JSON object per port.
func PrintPortsJSON(w io.Writer, ports []serial.Info) error {
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
