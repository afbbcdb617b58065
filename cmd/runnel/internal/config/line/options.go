package line

import (
	"cmp"
	"slices"
	"time"

	"runnel/transport/serial"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// ModbusConfig returns the options of the Modbus line and its registers.
func (s *Serial) ModbusConfig() modbus.Config {
	c := modbus.Config{Baud: s.Baud, TCP: s.tcp(), Timeout: time.Duration(s.Timeout), Gap: time.Duration(s.Gap)}
	for _, r := range s.Modbus {
		p := modbus.Point{
			Name: r.Name, Slave: byte(min(r.Slave, 255)), Address: uint16(min(r.Address.number, 1<<16-1)), Count: r.Count,
			Table: modbus.Table(max(0, slices.Index(modbus.TableNames, cmp.Or(r.Table, r.Address.table)))),
			Type:  modbus.Type(max(0, slices.Index(modbus.TypeNames, r.Type))), Order: modbus.Order(max(0, slices.Index(modbus.OrderNames, r.Order))), Many: r.Many,
			Scale: reading.Scale{Factor: r.Scale, Offset: r.Offset}, Unit: r.Unit,
			Every: cmp.Or(time.Duration(r.Every), time.Duration(s.Every), defaultEvery), Always: r.Publish == "always",
			Deadband: r.Deadband, Refresh: time.Duration(r.Refresh), WriteOnly: r.Publish == "never",
		}
		if r.Words == "low" {
			p.Order = modbus.CDAB
		}
		if r.Bit != nil {
			p.Bit = *r.Bit + 1
		}
		p.Topic, _ = reading.ParseTemplate(cmp.Or(r.Topic, s.Topic))
		c.Points = append(c.Points, p)
	}
	return c
}

// defaultEvery is the default interval between two reads of a register.
const defaultEvery = 10 * time.Second

// LineConfig returns the options of the line. The configuration must have been checked.
func (s *Serial) LineConfig() serial.LineConfig {
	c := serial.LineConfig{Name: s.Name, Port: s.Port(), Framing: serial.Foreign}
	if s.Mode != "wamp" {
		return c
	}
	c.Framing.UnmarshalText([]byte(s.Framing))
	c.Link = lapb.Config{
		Info: s.Frame, Window: s.Window, Retries: s.Retries, HalfDuplex: s.HalfDuplex,
		T1: time.Duration(s.T1), T2: time.Duration(s.T2), T3: time.Duration(s.T3),
	}
	return c
}

// Port returns the line's port and its settings. The configuration must have been checked.
func (s *Serial) Port() serial.Config {
	c := serial.Config{Device: string(s.Device), Baud: s.Baud, DataBits: s.DataBits, StopBits: s.StopBits, Settle: time.Duration(s.Settle)}
	if s.USB != nil {
		c.USB = serial.USB{VID: s.USB.VID, PID: s.USB.PID, Serial: s.USB.Serial, Interface: s.USB.Interface}
	}
	if r := s.RS485; r != nil {
		c.RS485 = &serial.RS485{
			Inverted: r.Inverted, ReceiveOwn: r.ReceiveOwn, Terminate: r.Terminate,
			DelayBefore: time.Duration(r.DelayBefore), DelayBehind: time.Duration(r.DelayBehind),
		}
	}
	c.Parity.UnmarshalText([]byte(cmp.Or(s.Parity, "none")))
	c.DTR.UnmarshalText([]byte(cmp.Or(s.DTR, "keep")))
	c.RTS.UnmarshalText([]byte(cmp.Or(s.RTS, "keep")))
	c.Flow.UnmarshalText([]byte(cmp.Or(s.Flow, "none")))
	return c
}

// LinesConfig returns the format of the text lines that the device sends.
func (s *Serial) LinesConfig() lines.Config {
	c := lines.Config{
		Format: lines.Format(max(0, slices.Index(lines.FormatNames, s.Format))), Columns: s.Columns, Separator: s.Separator,
		Widths: s.Widths, Assign: s.Assign, Patterns: s.Patterns, Unchecked: s.Checksum == "optional", Comma: s.Decimal == "comma",
		Pattern: s.Pattern, Sentences: s.Sentences, Topic: s.Topic, Time: s.Time, Zone: s.Zone, MaxLine: int(s.MaxLine), Latin1: s.Encoding == "latin1",
		Telegram: s.Telegram.config(), Listed: s.Unlisted == "drop", Ask: s.requests(), Safe: s.Unsafe == "replace",
		Publishing: lines.Publishing{
			OnChange: s.Publish == "change", Refresh: time.Duration(s.Refresh), Every: time.Duration(s.Every),
			Aggregate: lines.Aggregate(max(0, slices.Index(lines.AggregateNames, s.Aggregate))),
		},
	}
	for i := range s.Fields {
		c.Fields = append(c.Fields, s.Fields[i].config(s.Format == "binary"))
	}
	return c
}

// LineEnd returns the line ending for text that is written to the device. The default is a newline.
func (s *Serial) LineEnd() string {
	if s.Newline == nil {
		return "\n"
	}
	return *s.Newline
}
