package device

import (
	"io"
	"time"

	"runnel/transport/serial/lines"
	"runnel/transport/serial/reading"
)

// NewLines makes the guest of a device that prints lines of text. write is the procedure that writes to the device, "" for
// none; lineEnd ends each line that it writes.
func NewLines(o Options, c lines.Config, write, lineEnd string) (*Guest, error) {
	parser, err := lines.New(c)
	if err != nil {
		return nil, err
	}
	g := newGuest(o)
	g.lines = lines.NewSensor(parser, func(s lines.State) {
		g.log.Warn("serial device sends an unreadable line", "text", s.BadLine, "err", s.BadReason, "total", s.Bad)
	})
	g.lastGood = func() time.Time { return g.lines.State().LastGood }
	g.watch.heard = func() heard {
		s := g.lines.State()
		return heard{good: s.LastGood, bad: s.BadInARow, last: s.BadLine, reason: s.BadReason, unanswered: s.UnansweredInARow}
	}
	w := newWriter(lineEnd)
	g.lines.Send = w.send
	if write != "" {
		g.offers[write] = w.write
	}
	g.serve = func(port io.ReadWriteCloser, publish func(reading.Event)) error {
		w.set(port)
		defer w.set(nil)
		return g.lines.Run(port, publish)
	}
	return g, nil
}
