package node

import (
	"cmp"
	"fmt"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
	"runnel/uplink/mqtt"
	"runnel/uplink/mqtt/sparkplug"
)

// edgeNode returns the Edge Node of an uplink, with the serial lines in its realm as devices; nil if the uplink is
// not an Edge Node.
func edgeNode(c *config.Config, u config.Uplink) *mqtt.Sparkplug {
	if u.Sparkplug == nil {
		return nil
	}
	n := &mqtt.Sparkplug{Group: u.Sparkplug.Group, Node: u.Sparkplug.Node, Host: u.Sparkplug.Host}
	for i := range c.Serials {
		s := &c.Serials[i]
		switch {
		case s.Realm != u.Realm:
		case s.Mode == "lines":
			n.Devices = append(n.Devices, sparkplug.Device{Name: s.Name, Line: s.Name, Metrics: fieldMetrics(s)})
		case s.Mode == "modbus":
			n.Devices = append(n.Devices, slaveDevices(s)...)
		}
	}
	return n
}

// binaryTypes maps the types of fields of binary telegrams to the types of metrics. A signed integer of 8 or 16 bits
// becomes an Int32, because hosts read shorter types differently.
var binaryTypes = map[lines.Binary]sparkplug.DataType{
	lines.Uint8: sparkplug.UInt8, lines.Int8: sparkplug.Int32, lines.Uint16: sparkplug.UInt16, lines.Int16: sparkplug.Int32, lines.Uint24: sparkplug.UInt32,
	lines.Int24: sparkplug.Int32, lines.Uint32: sparkplug.UInt32, lines.Int32: sparkplug.Int32, lines.Uint64: sparkplug.UInt64, lines.Int64: sparkplug.Int64,
	lines.Float32: sparkplug.Float, lines.Float64: sparkplug.Double, lines.BCD: sparkplug.Int64, lines.Characters: sparkplug.String,
}

var fieldTypes = map[lines.Kind]sparkplug.DataType{
	lines.Number: sparkplug.Double, lines.Text: sparkplug.String, lines.Boolean: sparkplug.Boolean, lines.Hex: sparkplug.Int64, lines.Bits: sparkplug.String,
}

// fieldMetrics returns the fields of a line of text, and "write" if it accepts lines.
func fieldMetrics(s *config.Serial) (list []sparkplug.Metric) {
	for _, v := range fieldValues(s) {
		list = append(list, sparkplug.Metric{Name: v.Name, Unit: v.Unit, URI: v.URI, Key: v.Key})
	}
	for _, f := range s.LinesConfig().Fields {
		kind := fieldTypes[f.Kind]
		if f.Binary != 0 {
			kind = binaryTypes[f.Binary]
		}
		switch {
		case f.Bit > 0:
			kind = sparkplug.Boolean
		case !f.Scale.None() || s.Aggregate == "mean":
			kind = sparkplug.Double
		}
		for i := range list {
			if list[i].Name == cmp.Or(f.As, f.Name) {
				list[i].Type = kind
			}
		}
	}
	if len(list) == 0 && !strings.Contains(s.Topic, "{") {
		list = append(list, sparkplug.Metric{URI: s.Topic}) // its metrics are identified by their first value
	}
	if s.Write != "" {
		list = append(list, sparkplug.Metric{Name: "write", Type: sparkplug.String, Write: s.Write})
	}
	return list
}

// registerTypes are the types of metrics for registers, by type of the register.
var registerTypes = [...]sparkplug.DataType{
	modbus.Uint16: sparkplug.UInt16, modbus.Int16: sparkplug.Int32, modbus.Uint32: sparkplug.UInt32, modbus.Int32: sparkplug.Int32, modbus.Float32: sparkplug.Float,
	modbus.Uint64: sparkplug.UInt64, modbus.Int64: sparkplug.Int64, modbus.Float64: sparkplug.Double, modbus.Text: sparkplug.String,
}

// slaveDevices returns the slaves of a Modbus line. A single one has the name of the line.
func slaveDevices(s *config.Serial) (list []sparkplug.Device) {
	bySlave := map[byte]int{}
	for i, p := range s.ModbusConfig().Points {
		at, known := bySlave[p.Slave]
		if !known {
			at = len(list)
			bySlave[p.Slave] = at
			list = append(list, sparkplug.Device{Name: fmt.Sprintf("%s-%d", s.Name, p.Slave), Line: s.Name, Slave: int(p.Slave)})
		}
		m := sparkplug.Metric{Name: p.Name, Type: registerTypes[p.Type], Unit: p.Unit, Key: "value", Only: p.Name, Write: s.Modbus[i].Write}
		switch {
		case p.Table == modbus.Coil || p.Table == modbus.Discrete || p.Bit > 0:
			m.Type = sparkplug.Boolean
		case !p.Scale.None():
			m.Type = sparkplug.Double
		}
		if p.Count > 1 && p.Type != modbus.Text {
			m.Type = sparkplug.String // a list as JSON
		}
		if !p.WriteOnly {
			m.URI, _ = p.Topic.Topic(func(name string) (any, bool) {
				if name == "slave" {
					return int64(p.Slave), true
				}
				return p.Name, name == "name"
			})
		}
		list[at].Metrics = append(list[at].Metrics, m)
	}
	if len(list) == 1 {
		list[0].Name = s.Name
	}
	return list
}
