package node

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/uplink/mqtt"
)

// discovery returns the values of the realm's serial lines that an uplink announces.
func discovery(c *config.Config, u config.Uplink) mqtt.Discovery {
	d := mqtt.Discovery{Prefix: u.Discovery, Node: c.NodeID()}
	if u.Discovery == "" {
		return d
	}
	for i := range c.Serials {
		s := &c.Serials[i]
		device := mqtt.Device{Line: s.Name, Model: s.Profile, Expire: int(time.Duration(s.ExpectEvery) / time.Second)}
		switch {
		case s.Realm != u.Realm:
			continue
		case s.Mode == "lines":
			device.Values = fieldValues(s)
		case s.Mode == "modbus":
			device.Values = pointValues(s)
		}
		d.Devices = append(d.Devices, device)
	}
	return d
}

// fieldValues returns the fields of a line of text. A topic that depends on the device's data is not known beforehand.
func fieldValues(s *config.Serial) (list []mqtt.Value) {
	if strings.Contains(s.Topic, "{") {
		return nil
	}
	for _, f := range s.Fields {
		name := cmp.Or(f.As, f.Name)
		if name != s.Time {
			list = append(list, mqtt.Value{Name: name, Unit: f.Unit, URI: s.Topic, Key: name})
		}
	}
	return list
}

// pointValues returns the single values of a Modbus line.
func pointValues(s *config.Serial) (list []mqtt.Value) {
	shared, same := map[string]int{}, map[string]int{} // by URI; by URI and name
	for _, p := range s.ModbusConfig().Points {
		uri, err := p.Topic.Topic(func(name string) (any, bool) {
			if name == "slave" {
				return int64(p.Slave), true
			}
			return p.Name, name == "name"
		})
		if err != nil || p.WriteOnly || p.Count > 1 {
			continue
		}
		shared[uri]++
		same[uri+" "+p.Name]++
		name := p.Name
		if len(s.Slaves) > 1 {
			name = fmt.Sprintf("%s %d", p.Name, p.Slave)
		}
		list = append(list, mqtt.Value{Name: name, Unit: p.Unit, URI: uri, Key: "value", Only: p.Name})
	}
	list = slices.DeleteFunc(list, func(v mqtt.Value) bool { return same[v.URI+" "+v.Only] > 1 }) // one name for the values of two slaves
	for i := range list {
		if shared[list[i].URI] == 1 {
			list[i].Only = ""
		}
	}
	return list
}
