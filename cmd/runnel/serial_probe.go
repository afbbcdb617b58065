package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/setup"
	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
)

func serialProbeCommand() *cobra.Command {
	var baud int
	var each time.Duration
	var file string
	cmd := &cobra.Command{
		Use:   "probe DEVICE",
		Short: "Detect what a serial device sends, and at which baud rate",
		Long: `Listens to a serial port at one baud rate after the other, until it recognizes the
input: the messages of a device that has a profile, Runnel's link, RawSocket, NMEA
0183, Modbus RTU, JSON, CSV, names with values, or other text. It prints a [[serial]]
table that works as it stands. It writes nothing, so it does not find a device that
only answers requests; "runnel serial scan" finds Modbus slaves. The port must be free.`,
		Example: `  runnel serial probe /dev/ttyUSB0
  runnel serial probe /dev/ttyUSB0 --each 30s      a sensor that prints twice a minute`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if each <= 0 || baud < 0 {
				return cli.UsageError("--each and --baud must be greater than 0")
			}
			return probe(file, serial.Config{Device: args[0], Baud: baud}, each, term.Stdout)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().Lookup("config").Usage = routerFlag
	cmd.Flags().IntVar(&baud, "baud", 0, "try this baud rate only")
	cmd.Flags().DurationVar(&each, "each", 3*time.Second, "how long to listen at each baud rate")
	return cmd
}

func probe(file string, c serial.Config, each time.Duration, w io.Writer) error {
	line, err := listen(file, c, each)
	if err != nil {
		return remote.PortError(file, c.Device, err)
	}
	_, err = fmt.Fprint(w, line.Text())
	return err
}

// listen finds the settings of a port and the format of its device. It reports each attempt on standard error.
func listen(file string, c serial.Config, each time.Duration) (setup.Line, error) {
	ctx, stop := cli.UntilSignal(0)
	defer stop()
	line, err := setup.Listen(ctx, file, c, each, os.Stderr)
	return line, cli.Because(ctx, err)
}
