package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
	"runnel/transport/serial/detect"
)

var errNothingDetected = errors.New("the device sends nothing that can be recognized; check its power, the wiring (TX to RX, common ground), and whether it only answers requests")

// Listen finds the settings of a port, and the format or the profile of its device. It reports each attempt on notes.
func Listen(ctx context.Context, main string, c serial.Config, each time.Duration, notes io.Writer) (l Line, err error) {
	open := func(ctx context.Context, c serial.Config) (detect.Port, error) {
		port, err := serial.Open(ctx, c)
		if err != nil {
			return nil, err
		}
		return port, nil
	}
	p := &detect.Prober{Each: each, Known: KnownDevices(main), Open: open, Report: func(c serial.Config, g detect.Guess) {
		fmt.Fprintf(notes, "%d baud, %s: %d bytes, %v\n", c.Baud, Framing(c), g.Octets, g)
	}}
	if l.Port, l.Detected, err = p.Probe(ctx, c); err != nil {
		return l, err
	}
	if l.Detected.Kind <= detect.Unreadable {
		return l, errNothingDetected
	}
	if l.Detected.Profile != "" {
		l.Profile, err = config.FindProfile(main, l.Detected.Profile)
	}
	return l, err
}

// Framing formats the character framing, like "8N1".
func Framing(c serial.Config) string {
	bits := c.DataBits
	if bits == 0 {
		bits = 8
	}
	return fmt.Sprintf("%d%s1", bits, strings.ToUpper(c.Parity.String()[:1]))
}

// Sniff prints the input of a port until ctx is done, decoded as one of detect.Formats or as a known device.
func Sniff(ctx context.Context, port detect.Port, as string, known detect.Devices, w io.Writer) error {
	var broken error
	d := detect.NewDecoder(as, known, func(line string) {
		if _, err := fmt.Fprintf(w, "%s  %s\n", time.Now().Format("15:04:05.000"), term.Safe(line)); err != nil {
			broken = err
		}
	})
	buf := make([]byte, 4<<10)
	for ctx.Err() == nil && broken == nil {
		if err := port.SetDeadline(time.Now().Add(detect.Pause)); err != nil {
			return err
		}
		n, err := port.Read(buf)
		d.Feed(buf[:n], time.Now())
		if errors.Is(err, os.ErrDeadlineExceeded) {
			d.Idle(time.Now())
		} else if err != nil {
			return err
		}
	}
	return broken
}
