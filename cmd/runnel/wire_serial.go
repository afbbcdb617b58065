package main

import (
	"cmp"
	"io"
	"time"

	"runnel/edge/wamp"
	"runnel/transport/rawsocket"
	"runnel/transport/serial"
)

// line is a serial line with the settings for those who come over it.
type line struct {
	*serial.Line
	config Serial
	work   *work
}

func (n *node) newLine(c *Config, s Serial) *line {
	s.MaxMessage = cmp.Or(s.MaxMessage, c.Limits.MaxMessage)
	lc := serial.LineConfig{Name: s.Name, Port: s.port(), Log: n.log}
	lc.Framing.UnmarshalText([]byte(s.Framing)) // the configuration was checked
	return &line{Line: serial.NewLine(lc), config: s}
}

// port says which port the line is at, and how it is set. The configuration was checked.
func (s *Serial) port() serial.Config {
	c := serial.Config{Device: string(s.Device), Baud: s.Baud, DataBits: s.DataBits, StopBits: s.StopBits, Settle: time.Duration(s.Settle)}
	if s.USB != nil {
		c.USB = serial.USB{VID: s.USB.VID, PID: s.USB.PID, Serial: s.USB.Serial, Interface: s.USB.Interface}
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
