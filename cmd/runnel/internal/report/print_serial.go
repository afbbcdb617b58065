package report

import (
	"fmt"
	"io"

	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
)

func (r *Status) printSerial(w io.Writer) {
	if len(r.Serial) > 0 {
		fmt.Fprintln(w, "\nSERIAL LINE\tSTATE\tFOR\tIN\tOUT\tLOST\tDEVICE")
	}
	for _, s := range r.Serial {
		fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%s\t%d\t%s\n", term.Printable(s.Name), term.Printable(s.State), term.Since(s.Since),
			term.Bytes(s.In), term.Bytes(s.Out), s.Losses, term.Dash(term.Harmless(s.Device)))
	}
	for _, s := range r.Serial {
		s.printMore(w)
	}
}

// printMore writes the properties that only some lines have. It quotes the texts of a device, which may contain any
// bytes.
func (s *Serial) printMore(w io.Writer) {
	failing := s.Error != "" && s.State != string(serial.Listening) && s.State != string(serial.Serving)
	if s.UART != nil || s.Link != nil || s.Sensor != nil || failing {
		fmt.Fprintf(w, "%s:\n", term.Printable(s.Name))
	}
	if failing {
		fmt.Fprintf(w, "  %s\n", lastError(s.Error, s.ErrorAt))
	}
	if u := s.UART; u != nil && *u != (UART{}) {
		fmt.Fprintf(w, "  uart: %s, %s, %s, %s\n", term.Counted(u.Framing, "framing error"), term.Counted(u.Parity, "parity error"),
			term.Counted(u.Overrun, "overrun"), term.Counted(u.Breaks, "break"))
	}
	if s.Link != nil {
		s.Link.print(w)
	}
	if s.Lines != nil {
		s.Lines.print(w)
	}
	if s.Modbus != nil {
		s.Modbus.print(w)
	}
	if s.Sensor != nil {
		s.Sensor.print(w)
	}
	for _, alarm := range s.Alarms {
		fmt.Fprintf(w, "  %s\n", term.Harmless(alarm))
	}
}

func (l *Link) print(w io.Writer) {
	fmt.Fprintf(w, "  link %s", upOrDown(l.Up))
	if !l.Since.IsZero() {
		fmt.Fprintf(w, " for %v", term.Since(l.Since))
	}
	if l.Peer != "" {
		fmt.Fprintf(w, ", device %q", l.Peer)
	}
	fmt.Fprintf(w, ": %s in, %d out, %d resent, %s, %s, %s, %s\n",
		term.Counted(l.FramesIn, "frame"), l.FramesOut, l.Resent, term.Counted(l.FCS, "FCS error"), term.Counted(l.Framing, "framing error"),
		term.Counted(l.Connections, "connection"), term.Counted(l.Resets, "reset"))
	if l.Error != "" && !l.Up {
		fmt.Fprintf(w, "  the last connection ended: %s\n", term.Harmless(l.Error))
	}
}

func (l *Lines) print(w io.Writer) {
	fmt.Fprintf(w, "  %s, %d bad, %d not wanted, %d partial\n", term.Counted(l.Good, "good line"), l.Bad, l.Ignored, l.Partial)
	if l.Asked > 0 {
		fmt.Fprintf(w, "  %s sent, %d not answered\n", term.Counted(l.Asked, "request"), l.Unanswered)
	}
	if l.Check > 0 {
		fmt.Fprintf(w, "  %s with a wrong check\n", term.Counted(l.Check, "telegram"))
	}
	if l.BadFields > 0 {
		fmt.Fprintf(w, "  %s left out, the last one: %s\n", term.Counted(l.BadFields, "field"), term.Harmless(l.BadField))
	}
	if l.Bad > 0 {
		fmt.Fprintf(w, "  the last bad one, %v ago: %s\n  %q\n", term.Since(l.LastBad), term.Harmless(l.BadReason), l.BadLine)
	}
}

func (b *Bus) print(w io.Writer) {
	for _, s := range b.Slaves {
		fmt.Fprintf(w, "  slave %d: %s, %s, %s, %s, %d broken, %d late, %d stray", s.Slave, term.Counted(s.Requests, "request"),
			term.Counted(s.Answers, "answer"), term.Counted(s.Exceptions, "exception"), term.Counted(s.Timeouts, "timeout"), s.Broken, s.Late, s.Unexpected)
		if s.Silent {
			fmt.Fprintf(w, "; silent for %v", term.Since(s.Since))
		}
		if s.Error != "" {
			fmt.Fprintf(w, "; last error: %s", term.Harmless(s.Error))
		}
		fmt.Fprintln(w)
	}
}

func (s *Sensor) print(w io.Writer) {
	last := "never"
	if !s.LastGood.IsZero() {
		last = term.Since(s.LastGood).String() + " ago"
	}
	fmt.Fprintf(w, "  %d published, %d refused, %d dropped; last good reading: %s\n", s.Published, s.Refused, s.Dropped, last)
}
