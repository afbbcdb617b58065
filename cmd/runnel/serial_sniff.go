package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/setup"
	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
	"runnel/transport/serial/detect"
)

// portFlags are the flags for the settings of a port.
type portFlags struct {
	baud, dataBits, stopBits int
	parity                   string
}

func (p *portFlags) flags(cmd *cobra.Command, baud int) {
	cmd.Flags().IntVar(&p.baud, "baud", baud, "baud rate")
	cmd.Flags().IntVar(&p.dataBits, "data-bits", 8, "data bits")
	cmd.Flags().IntVar(&p.stopBits, "stop-bits", 1, "stop bits")
	cmd.Flags().StringVar(&p.parity, "parity", "none", "none, odd, even, mark or space")
}

func (p *portFlags) config(device string) (c serial.Config, err error) {
	c = serial.Config{Device: device, Baud: p.baud, DataBits: p.dataBits, StopBits: p.stopBits}
	if err := c.Parity.UnmarshalText([]byte(p.parity)); err != nil {
		return c, cli.UsageError(err.Error())
	}
	if p.baud < 1 {
		return c, cli.UsageError("--baud must be greater than 0")
	}
	if err := c.Validate(); err != nil {
		return c, cli.UsageError(err.Error())
	}
	return c, nil
}

// routerFlag is the usage of -c of a command that only listens to a port.
const routerFlag = "configuration `FILE` of a router that may hold the port (default: /etc/runnel/runnel.toml)"

func serialSniffCommand() *cobra.Command {
	var p portFlags
	var as, file string
	var during time.Duration
	cmd := &cobra.Command{
		Use:   "sniff DEVICE",
		Short: "Show the output of a serial device, decoded, as it arrives",
		Long: `Listens to a serial port and prints the input with the time, one frame or line of text
at a time, or the values of a device that has a profile. It writes nothing. The port
must be free: if the router holds it, the error says how to free it.`,
		Example: `  runnel serial sniff /dev/ttyUSB0
  runnel serial sniff /dev/ttyUSB0 --baud 9600 --as modbus --for 1m`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := p.config(args[0])
			if err != nil {
				return err
			}
			return sniff(file, c, as, during, term.Stdout)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().Lookup("config").Usage = routerFlag
	p.flags(cmd, 115200)
	cmd.Flags().StringVar(&as, "as", "auto", "decode as hdlc, text, modbus or hex, or by a profile, such as sml")
	cmd.Flags().DurationVar(&during, "for", 0, "how long; 0s: until Ctrl-C")
	return cmd
}

func sniff(file string, c serial.Config, as string, during time.Duration, w io.Writer) error {
	known := setup.KnownDevices(file)
	if !slices.Contains(detect.Formats, as) && known.Parser(as) == nil {
		return cli.UsageError(fmt.Sprintf("--as %s: %s", as, setup.NoDecoder(as, known)))
	}
	ctx, stop := cli.UntilSignal(0)
	defer stop()
	if during > 0 {
		limited, cancel := context.WithTimeout(ctx, during)
		defer cancel()
		ctx = limited
	}
	port, err := serial.Open(ctx, c)
	if err != nil {
		return remote.PortError(file, c.Device, err)
	}
	defer port.Close()
	fmt.Fprintf(os.Stderr, "listening to %s at %d baud\n", port.Device(), c.Baud)
	return setup.Sniff(ctx, port, as, known, w)
}
