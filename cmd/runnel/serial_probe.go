package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/setup"
	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
	"runnel/transport/serial/detect"
)

var errNothingDetected = errors.New("the device sends nothing that can be recognised; check its power, the wiring (TX to RX, common ground), and whether it only answers requests")

func serialProbeCommand() *cobra.Command {
	var baud int
	var each time.Duration
	var file string
	cmd := &cobra.Command{
		Use:   "probe DEVICE",
		Short: "Detect what a serial device sends, and at which baud rate",
		Long: `Listens to a serial port at one baud rate after the other, until it recognises the
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
	best, g, err := listen(file, c, each)
	if err != nil {
		return remote.PortError(file, c.Device, err)
	}
	line := setup.Line{Port: best, Detected: g}
	if g.Profile != "" {
		if line.Profile, err = config.FindProfile(file, g.Profile); err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(w, line.Text())
	return err
}

// listen finds the settings of a port and the format of its device. It reports each attempt on standard error.
func listen(file string, c serial.Config, each time.Duration) (serial.Config, detect.Guess, error) {
	ctx, stop := cli.UntilSignal(0)
	defer stop()
	open := func(ctx context.Context, c serial.Config) (detect.Port, error) {
		port, err := serial.Open(ctx, c)
		if err != nil {
			return nil, err
		}
		return port, nil
	}
	p := &detect.Prober{Each: each, Known: setup.KnownDevices(file), Open: open, Report: func(c serial.Config, g detect.Guess) {
		fmt.Fprintf(os.Stderr, "%d baud, %s: %d bytes, %v\n", c.Baud, framing(c), g.Octets, g)
	}}
	best, g, err := p.Probe(ctx, c)
	if err != nil {
		return c, g, cli.Because(ctx, err)
	}
	if g.Kind <= detect.Unreadable {
		return c, g, errNothingDetected
	}
	return best, g, nil
}

// framing formats the character framing, like "8N1".
func framing(c serial.Config) string {
	bits := c.DataBits
	if bits == 0 {
		bits = 8
	}
	return fmt.Sprintf("%d%s1", bits, strings.ToUpper(c.Parity.String()[:1]))
}
