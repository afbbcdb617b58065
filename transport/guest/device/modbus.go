package device

import (
	"context"
	"errors"
	"io"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// errorModbus is the URI of the error for an exception of a slave. Its second argument is the exception's code.
const errorModbus = "runnel.error.modbus"

// NewModbus makes the guest of a Modbus. write[i] is the procedure that sets the point c.Points[i], "" for none. NewModbus
// sets c.SlaveChanged, c.Late and c.Refused.
func NewModbus(o Options, c modbus.Config, write []string) (*Guest, error) {
	g := newGuest(o)
	c.SlaveChanged, c.Late, c.Refused = g.slaveChanged, g.slaveLate, g.pointRefused
	master, err := modbus.New(c)
	if err != nil {
		return nil, err
	}
	g.modbus = master
	g.lastGood = func() time.Time { return lastAnswer(master.State()) }
	g.watch.heard = func() heard { return heard{good: g.lastGood()} }
	for i, procedure := range write {
		if procedure != "" {
			g.offers[procedure] = func(ctx context.Context, call *client.Invocation) (client.Payload, error) {
				return client.Payload{}, writePoint(ctx, master, i, call.Args())
			}
		}
	}
	g.serve = func(port io.ReadWriteCloser, publish func(reading.Event)) error {
		if c.TCP {
			port = modbus.TCP(port)
		}
		return master.Run(port, publish)
	}
	return g, nil
}

// lastAnswer returns when any slave last gave a good answer. Silent slaves have alarms of their own.
func lastAnswer(s modbus.State) (last time.Time) {
	for _, slave := range s.Slaves {
		if slave.LastGood.After(last) {
			last = slave.LastGood
		}
	}
	return last
}

func (g *Guest) slaveChanged(slave byte, err error) {
	if err != nil {
		g.log.Warn("Modbus slave does not answer; polling it less often", "slave", slave, "err", err)
		return
	}
	g.log.Info("Modbus slave answers again", "slave", slave)
}

func (g *Guest) slaveLate(slave byte, needs, suggested time.Duration) {
	if needs > 0 {
		g.log.Warn("Modbus slave answers later than the timeout", "slave", slave, "duration", needs.Round(time.Millisecond), "suggested_timeout", suggested)
		return
	}
	g.log.Info("Modbus slave answers in time again", "slave", slave)
}

func (g *Guest) pointRefused(p *modbus.Point, err error) {
	if err != nil {
		g.log.Warn("Modbus slave rejects a point", "point", p.Name, "slave", p.Slave, "address", p.Address, "err", err)
		return
	}
	g.log.Info("Modbus slave answers for the point again", "point", p.Name, "slave", p.Slave)
}

// writePoint sets a register and translates a failure into a WAMP error.
func writePoint(ctx context.Context, m *modbus.Master, point int, args []any) error {
	if len(args) != 1 {
		return client.NewError(wamp.InvalidArgument.Error(), "want one argument, the value")
	}
	err := m.Write(ctx, point, args[0])
	var exception modbus.Exception
	switch {
	case errors.As(err, &exception):
		return client.NewError(errorModbus, exception.Error(), int64(exception))
	case errors.Is(err, modbus.ErrValue):
		return client.NewError(wamp.InvalidArgument.Error(), err.Error())
	case errors.Is(err, modbus.ErrSilent), errors.Is(err, modbus.ErrBroken):
		return client.NewError(wamp.Timeout.Error(), err.Error())
	case errors.Is(err, modbus.ErrAbsent), errors.Is(err, modbus.ErrBusy):
		return client.NewError(wamp.Unavailable.Error(), err.Error())
	}
	return err
}
