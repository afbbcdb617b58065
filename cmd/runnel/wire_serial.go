package main

import (
	"cmp"
	"context"
	"io"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
	"runnel/transport/rawsocket"
	"runnel/transport/serial"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

// line is a serial line with the settings for those who come over it.
type line struct {
	*serial.Line
	config config.Serial
	work   *work

	sensor *sensor        // with mode lines and modbus, else nil
	lines  *lines.Sensor  // with mode lines, else nil
	modbus *modbus.Master // with mode modbus, else nil
}

func (n *node) newLine(s config.Serial) *line {
	lc := s.LineConfig()
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
