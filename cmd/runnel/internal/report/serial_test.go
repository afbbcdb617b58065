package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport/guest/device"
	"runnel/transport/serial"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

// The alarms of a serial line are the faults that do not recover without an operator.
func TestAlarmsOfLines(t *testing.T) {
	for _, c := range []struct {
		what  string
		state serial.State
		guest *device.State
		want  []string // how each alarm begins
	}{
		{"nothing", serial.State{}, nil, nil},
		{"a link", serial.State{Link: &lapb.Status{}}, nil, nil},
		{"a link at another rate", serial.State{Link: &lapb.Status{BaudSuspect: true}}, nil, []string{"the received bytes are unreadable"}},
		{"lines", serial.State{}, &device.State{Lines: &lines.State{}}, nil},
		{"lines at another rate", serial.State{}, &device.State{Lines: &lines.State{BaudSuspect: true}}, []string{"the received bytes are unreadable"}},
		{"a device that may not publish", serial.State{}, &device.State{Refusal: "com.a", Alarms: []string{"silent"}, RefusedProcedures: []string{"com.p"}},
			[]string{"silent", "may not publish com.a", "may not offer com.p"}},
		{"a bus", serial.State{}, &device.State{Modbus: &modbus.State{Slaves: []modbus.SlaveState{
			{Slave: 1}, {Slave: 2, Silent: true}, {Slave: 3, Suggest: time.Second}, {Slave: 4, UnexpectedLately: true},
		}}}, []string{"slave 2 does not answer", "slave 3 answers later", "slave 4 sends answers twice"}},
	} {
		got := NewSerial(config.Serial{Name: "bus"}, c.state, c.guest)
		if !slices.EqualFunc(got.Alarms, c.want, strings.HasPrefix) {
			t.Errorf("%s: %q", c.what, got.Alarms)
		}
		if (got.Link != nil) != (c.state.Link != nil) || c.guest != nil && ((got.Lines != nil) != (c.guest.Lines != nil) || (got.Modbus != nil) != (c.guest.Modbus != nil)) || (got.Sensor != nil) != (c.guest != nil) {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}
