package main

import (
	"cmp"
	"context"
	"io"
	"time"

	"runnel/edge/wamp"
	"runnel/transport/rawsocket"
	"runnel/transport/serial"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

// line is a serial line with the settings for those who come over it.
type line struct {
	*serial.Line
	config Serial
	work   *work

	sensor *sensor        // with mode lines and modbus, else nil
	lines  *lines.Sensor  // with mode lines, else nil
	modbus *modbus.Master // with mode modbus, else nil
}

func (n *node) newLine(s Serial) *line {
	lc := s.lineConfig()
	lc.Log = n.log
	l := &line{Line: serial.NewLine(lc), config: s}
	if s.Mode == "lines" {
		l.sensor, l.lines = n.newLines(s)
	}
	if s.Mode == "modbus" {
		l.sensor, l.modbus = n.newModbus(s)
	}
	return l
}

// run keeps the line in use until ctx is done.
func (l *line) run(ctx context.Context, n *node) error {
	if l.sensor != nil {
		return l.sensor.run(ctx, l.Run)
	}
	return l.Run(ctx, func(s io.ReadWriteCloser) error { return l.serve(n, s) })
}

// lineConfig is what the configuration, which was checked, says of the line.
func (s *Serial) lineConfig() serial.LineConfig {
	c := serial.LineConfig{Name: s.Name, Port: s.port(), Framing: serial.Foreign}
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

// port says which port the line is at, and how it is set. The configuration was checked.
func (s *Serial) port() serial.Config {
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
	return c
}

// serve holds the session of a device: RawSocket over the line, bare or over the link.
func (l *line) serve(n *node, stream io.ReadWriteCloser) error {
	conn, err := rawsocket.Server(stream, rawsocket.Options{
		MaxMessage:   int(l.config.MaxMessage),
		PingInterval: cmp.Or(time.Duration(l.config.PingInterval), silence),
		Transport: wamp.Transport{
			Network: "serial", Listener: l.config.Name, Remote: l.State().Device, Local: true,
			Authid: l.config.Authid, Role: l.config.Role, Realm: l.config.Realm,
		},
	})
	if err != nil {
		return err
	}
	return n.router.Serve(conn)
}

// silence is how long a central router, or a device on a serial line, may say nothing before it is asked whether it is
// there: neither TCP nor a UART tells.
const silence = 20 * time.Second
