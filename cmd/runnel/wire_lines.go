package main

import (
	"io"
	"slices"

	"runnel/transport/serial/lines"
	"runnel/transport/serial/reading"
)

// newLines makes the sensor of a line whose device prints text. The configuration was checked.
func (n *node) newLines(s Serial) (*sensor, *lines.Sensor) {
	made := n.newSensor(s)
	parser, _ := lines.New(s.lines())
	heard := lines.NewSensor(parser, func(state lines.State) {
		made.log.Warn("serial device prints what can't be understood", "text", state.BadLine, "because", state.BadReason, "so far", state.Bad)
	})
	made.watch.heard = func() words { return wordsOf(heard.State()) }
	write := newWriter(s.newline())
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

// lines says what the device's lines look like.
func (s *Serial) lines() lines.Config {
	c := lines.Config{
		Format: lines.Format(max(0, slices.Index(lines.FormatNames, s.Format))), Columns: s.Columns, Separator: s.Separator,
		Widths: s.Widths, Assign: s.Assign, Patterns: s.Patterns, Unchecked: s.Checksum == "optional", Comma: s.Decimal == "comma",
		Pattern: s.Pattern, Sentences: s.Sentences, Topic: s.Topic, Time: s.Time, MaxLine: int(s.MaxLine), Latin1: s.Encoding == "latin1",
	}
	for _, f := range s.Fields {
		c.Fields = append(c.Fields, lines.Field{
			Name: f.Name, As: f.As, Unit: f.Unit, Kind: lines.Kind(max(0, slices.Index(lines.KindNames, f.Type))),
			Scale: reading.Scale{Factor: f.Scale, Offset: f.Offset},
		})
	}
	return c
}

func (s *Serial) newline() string {
	if s.Newline == nil {
		return "\n"
	}
	return *s.Newline
}
