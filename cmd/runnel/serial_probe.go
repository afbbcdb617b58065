package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"runnel/transport/serial"
	"runnel/transport/serial/ear"
)

var errNothingHeard = errors.New("nothing that makes sense was heard; is the device on, TX wired to RX, the ground common? It may also speak only when it is asked")

func serialProbeCommand() *cobra.Command {
	var baud int
	var each time.Duration
	cmd := &cobra.Command{
		Use:   "probe DEVICE",
		Short: "Find out what a serial device speaks, and at which baud rate",
		Long: `Listens to a serial port at one baud rate after the other, until what arrives makes
sense: frames of Runnel's link, RawSocket, NMEA 0183, Modbus RTU, or text. It
writes nothing, so a device that speaks only when it is asked is not found. What
it finds it prints as a piece of configuration. The port must be free.`,
		Example: `  runnel serial probe /dev/ttyUSB0
  runnel serial probe /dev/ttyUSB0 --each 30s      a sensor that prints twice a minute`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if each <= 0 || baud < 0 {
				return usageError("--each and --baud: want more than 0")
			}
			return probe(serial.Config{Device: args[0], Baud: baud}, each, stdout)
		},
	}
	cmd.Flags().IntVar(&baud, "baud", 0, "try this baud rate only")
	cmd.Flags().DurationVar(&each, "each", 3*time.Second, "how long to listen at each baud rate")
	return cmd
}

func probe(c serial.Config, each time.Duration, w io.Writer) error {
	ctx, stop := untilSignal(0)
	defer stop()
	open := func(ctx context.Context, c serial.Config) (ear.Port, error) {
		port, err := serial.Open(ctx, c)
		if err != nil {
			return nil, err
		}
		return port, nil
	}
	p := &ear.Prober{Each: each, Open: open, Tell: func(c serial.Config, g ear.Guess) {
		fmt.Fprintf(os.Stderr, "%d baud, %s: %d octets, %v\n", c.Baud, framing(c), g.Octets, g.Kind)
	}}
	best, g, err := p.Probe(ctx, c)
	if err != nil {
		return because(ctx, whichPort(err))
	}
	if g.Kind <= ear.Nonsense {
		return errNothingHeard
	}
	_, err = fmt.Fprint(w, snippet(best, g))
	return err
}

// framing writes "8N1".
func framing(c serial.Config) string {
	bits := c.DataBits
	if bits == 0 {
		bits = 8
	}
	return fmt.Sprintf("%d%s1", bits, strings.ToUpper(c.Parity.String()[:1]))
}

// snippet is the configuration of a line at which g was heard.
func snippet(c serial.Config, g ear.Guess) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %d octets heard: %v, such as", g.Octets, g.Kind)
	line("#   %s", harmless(strings.ReplaceAll(g.Sample, "\n", " ")))
	if !g.Sure {
		line("# It is little to go by; --each longer hears more.")
	}
	line("[[serial]]\nname = %q\ndevice = %q\nbaud = %d", filepath.Base(c.Device), c.Device, c.Baud)
	if c.Parity != serial.None {
		line("parity = %q", c.Parity)
	}
	if c.DataBits != 0 {
		line("data_bits = %d", c.DataBits)
	}
	switch g.Kind {
	case ear.Link:
		line(`framing = "hdlc"`)
	case ear.RawSocket:
		line(`framing = "none"`)
	case ear.Modbus:
		line("mode = \"modbus\"\ntopic = \"com.example.{slave}.{name}\"\n# A master is asking already; there can be only one.\n[[serial.modbus]]\nname = \"\"\nslave = 1\ntable = \"holding\"\naddress = 0")
	default:
		line("mode = \"lines\"\n%s", format(g))
	}
	return b.String()
}

func format(g ear.Guess) string {
	switch g.Kind {
	case ear.NMEA:
		return "format = \"nmea\"\ntopic = \"com.example.{sentence}\""
	case ear.JSON:
		return "format = \"json\"\ntopic = \"com.example.reading\""
	case ear.CSV:
		names := make([]string, g.Values)
		for i := range names {
			names[i] = fmt.Sprintf("\"value%d\"", i+1)
		}
		return "format = \"csv\"\ncolumns = [" + strings.Join(names, ", ") + "]\ntopic = \"com.example.reading\""
	}
	return "format = \"regexp\"\npattern = '(?P<text>.*)'\ntopic = \"com.example.reading\""
}
