package node

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
	"runnel/transport/guest/device"
	"runnel/transport/memory"
	"runnel/transport/rawsocket"
	"runnel/transport/serial"
)

// line is a serial line with its settings.
type line struct {
	*serial.Line
	config config.Serial
	work   *work
	guest  *device.Guest // the session of a device that speaks no WAMP, else nil
}

// linePing is the interval of PINGs to a silent device. A UART does not report the removal of a device.
const linePing = 20 * time.Second

func (n *Node) newLine(s config.Serial) (*line, error) {
	lc := s.LineConfig()
	lc.Log = n.log
	l := &line{Line: serial.NewLine(lc), config: s}
	var err error
	switch s.Mode {
	case "lines":
		l.guest, err = device.NewLines(n.guestOptions(s), s.LinesConfig(), s.Write, s.LineEnd())
	case "modbus":
		write := make([]string, len(s.Modbus))
		for i, point := range s.Modbus {
			write[i] = point.Write
		}
		l.guest, err = device.NewModbus(n.guestOptions(s), s.ModbusConfig(), write)
	}
	if err != nil {
		return nil, fmt.Errorf("serial line %s: %w", s.Name, err)
	}
	return l, nil
}

func (n *Node) guestOptions(s config.Serial) device.Options {
	return device.Options{
		Name: s.Name, Authid: s.Authid, Role: s.Role, Realm: s.Realm, Agent: n.agent(),
		Serve:  func(c *memory.Conn) { n.router.Serve(c) },
		Retain: s.Retain, ExpectEvery: time.Duration(s.ExpectEvery), Log: n.log,
	}
}

func (n *Node) startLine(l *line) {
	l.work = n.listening.start(func(ctx context.Context) error {
		if l.guest != nil {
			return l.guest.Run(ctx, l.Run)
		}
		return l.Run(ctx, func(port io.ReadWriteCloser) error { return n.serveLine(l, port) })
	})
}

// serveLine serves a device that speaks WAMP: RawSocket over the port, or over the reliable link.
func (n *Node) serveLine(l *line, port io.ReadWriteCloser) error {
	conn, err := rawsocket.Server(port, rawsocket.Options{
		MaxMessage:   int(l.config.MaxMessage),
		PingInterval: cmp.Or(time.Duration(l.config.PingInterval), linePing),
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
