package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/setup"
	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
	"runnel/transport/serial/modbus"
)

func serialScanCommand() *cobra.Command {
	var p portFlags
	var file, slaves string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "scan DEVICE",
		Short: "Find the Modbus slaves on a serial bus, and their profiles",
		Long: `Asks each slave on an RS-485 bus for a register, and lists the slaves that answer. From
each of them it reads the registers of the profiles, and names the profiles that fit.
It writes no register.

The line parameters must be those of the slaves. Most are shipped with 9600 baud and no
parity, some with 2400, 4800 or 19200 baud, or with even parity. The scan waits twice
for --timeout if a slave does not answer, so all slaves take about two minutes. Ctrl-C
ends the scan and lists the slaves found so far.

No other master may be on the bus. If no slave answers, exchange the wires A and B, and
try other line parameters.`,
		Example: `  runnel serial scan /dev/ttyUSB0
  runnel serial scan /dev/ttyUSB0 --slaves 1-20 --baud 19200 --parity even
  runnel serial scan tcp://10.0.0.8:4001 --slaves 1,2,50-60`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := p.config(args[0])
			if err != nil {
				return err
			}
			list, err := setup.ParseSlaves(slaves)
			if err != nil {
				return cli.UsageError("--slaves: " + err.Error())
			}
			if timeout < time.Millisecond || timeout > time.Minute {
				return cli.UsageError("--timeout: want 1ms to 1m")
			}
			return scan(file, c, list, timeout)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().Lookup("config").Usage = routerFlag
	p.flags(cmd, 9600)
	cmd.Flags().StringVar(&slaves, "slaves", "1-247", "`LIST` of slaves to ask, like 1-20 or 1,5,100-110")
	cmd.Flags().DurationVar(&timeout, "timeout", 200*time.Millisecond, "how long a slave may take to answer")
	return cmd
}

func scan(file string, c serial.Config, slaves []byte, timeout time.Duration) error {
	ctx, stop := cli.UntilSignal(0)
	defer stop()
	port, err := serial.Open(ctx, c)
	if err != nil {
		return remote.PortError(file, c.Device, err)
	}
	defer port.Close()
	s := &modbus.Search{Port: port, Baud: c.Baud, Timeout: timeout}
	fmt.Fprintf(os.Stderr, "asking %s at %d baud, %s; this takes at most %v\n", term.Count(len(slaves), "slave"), c.Baud, setup.Framing(c), max(s.Bound(len(slaves)).Round(time.Second), time.Second))
	return setup.Scan(ctx, s, slaves, setup.BusDevices(file), c.Device, term.Stdout, os.Stderr)
}
