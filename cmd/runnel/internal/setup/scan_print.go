package setup

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial/modbus"
)

// Intervals of the progress of a scan, on a terminal and elsewhere.
const (
	refreshEvery = 100 * time.Millisecond
	reportEvery  = 10 * time.Second
)

// Scan asks slaves, and prints those that answer with the profiles that fit. It shows its progress on notes. It ends early, with
// what was found so far, when ctx is done.
func Scan(ctx context.Context, s *modbus.Search, slaves []byte, known []BusDevice, device string, w io.Writer, notes *os.File) error {
	err := s.Run(slaves, progress(ctx, s, notes))
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("scan %s: %w", device, err)
	}
	table := term.NewTable(w)
	fmt.Fprintln(table, "SLAVE\tPROFILES THAT FIT")
	found, example := 0, ""
	for slave, seen := range s.Seen {
		if !seen {
			continue
		}
		var names []string
		if ctx.Err() == nil {
			if names, err = FittingProfiles(s, known, byte(slave)); err != nil {
				return fmt.Errorf("scan %s: slave %d: %w", device, slave, err)
			}
		}
		if len(names) > 0 && example == "" {
			example = fmt.Sprintf("runnel serial add %s --profile %s --slave %d", device, names[0], slave)
		}
		found++
		fmt.Fprintf(table, "%d\t%s\n", slave, term.Dash(term.Safe(strings.Join(names, ", "))))
	}
	if found == 0 {
		return fmt.Errorf("scan %s: no slave answers; try another --baud or --parity, exchange the wires A and B, and check the power of the slaves", device)
	}
	if err := table.Print(); err != nil {
		return err
	}
	if example != "" {
		fmt.Fprintf(notes, "add one, for example, by: %s\n", term.Safe(example))
	}
	return nil
}

// progress returns a function that shows the current slave: in one line of a terminal, or otherwise in a new line from
// time to time.
func progress(ctx context.Context, s *modbus.Search, notes *os.File) func(slave byte, done, total int) error {
	info, err := notes.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	last := time.Now()
	return func(slave byte, done, total int) error {
		found := 0
		for _, seen := range s.Seen {
			if seen {
				found++
			}
		}
		now := time.Now()
		line := fmt.Sprintf("slave %d, %d%% done, %s found", slave, 100*done/total, term.Count(found, "slave"))
		switch {
		case terminal && done+1 == total:
			fmt.Fprintf(notes, "\r%*s\r", len(line)+10, "")
		case terminal && now.Sub(last) >= refreshEvery:
			fmt.Fprintf(notes, "\r%-50s", line)
			last = now
		case !terminal && now.Sub(last) >= reportEvery:
			fmt.Fprintln(notes, line)
			last = now
		}
		return ctx.Err()
	}
}
