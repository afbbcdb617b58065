package main

import (
	"io"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/reading"
)

// newLines makes the sensor of a line whose device prints text. The configuration was checked.
func (n *node) newLines(s config.Serial) (*sensor, *lines.Sensor) {
	made := n.newSensor(s)
	parser, _ := lines.New(s.LinesConfig())
	heard := lines.NewSensor(parser, func(state lines.State) {
		made.log.Warn("serial device prints what can't be understood", "text", state.BadLine, "reason", state.BadReason, "total", state.Bad)
	})
	made.watch.heard = func() words { return wordsOf(heard.State()) }
	write := newWriter(s.LineEnd())
	if s.Write != "" {
		made.offers[s.Write] = write.write
	}
	made.hear = func(device io.ReadWriteCloser, publish func(reading.Event)) error {
		write.set(device)
		defer write.set(nil)
		return heard.Run(device, publish)
	}
	return made, heard
}
