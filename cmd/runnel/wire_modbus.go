package main

import (
	"context"
	"errors"
	"io"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// modbusError is the URI of a slave's refusal; its number is the second argument.
const modbusError = "runnel.error.modbus"

// newModbus makes the sensor of a line that is a Modbus. The configuration was checked.
func (n *node) newModbus(s config.Serial) (*sensor, *modbus.Master) {
	made := n.newSensor(s)
	config := s.ModbusConfig()
	config.Turned = func(slave byte, err error) {
		if err != nil {
			made.log.Warn("Modbus slave does not answer, asking it less often", "slave", slave, "err", err)
			return
		}
		made.log.Info("Modbus slave answers again", "slave", slave)
	}
	config.Late = func(slave byte, needs, suggested time.Duration) {
		if needs > 0 {
			made.log.Warn("Modbus slave answers later than the timeout", "slave", slave, "needs", needs.Round(time.Millisecond), "suggested_timeout", suggested)
			return
		}
		made.log.Info("Modbus slave answers in time again", "slave", slave)
	}
	master, _ := modbus.New(config)
	made.watch.heard = func() words { return wordsOfBus(master.State()) }
	for i, r := range s.Modbus {
		if r.Write != "" {
			made.offers[r.Write] = func(ctx context.Context, call *client.Invocation) (client.Payload, error) {
				return client.Payload{}, writeModbus(ctx, master, i, call.Args())
			}
		}
	}
	made.hear = func(device io.ReadWriteCloser, publish func(reading.Event)) error {
		if config.TCP {
			device = modbus.TCP(device)
		}
		return master.Run(device, publish)
	}
	return made, master
}

// writeModbus sets a register, and says in WAMP's words why it could not.
func writeModbus(ctx context.Context, m *modbus.Master, point int, args []any) error {
	if len(args) != 1 {
		return client.NewError(wamp.InvalidArgument.Error(), "want one argument, the value")
	}
	err := m.Write(ctx, point, args[0])
	var refusal modbus.Exception
	switch {
	case errors.As(err, &refusal):
		return client.NewError(modbusError, refusal.Error(), int64(refusal))
	case errors.Is(err, modbus.ErrValue):
		return client.NewError(wamp.InvalidArgument.Error(), err.Error())
	case errors.Is(err, modbus.ErrSilent), errors.Is(err, modbus.ErrBroken):
		return client.NewError(wamp.Timeout.Error(), err.Error())
	case errors.Is(err, modbus.ErrAbsent), errors.Is(err, modbus.ErrBusy):
		return client.NewError(wamp.Unavailable.Error(), err.Error())
	}
	return err
}
