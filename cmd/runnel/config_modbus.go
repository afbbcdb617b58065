package main

import (
	"cmp"
	"slices"

	"runnel/edge/wamp"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// Register is a value on a Modbus, or some in a row.
type Register struct {
	Place    Place
	Name     string   `toml:"name"`
	Slave    int      `toml:"slave"`
	Table    string   `toml:"table"` // holding, input, coil, discrete
	Address  int      `toml:"address"`
	Count    int      `toml:"count"`
	Type     string   `toml:"type"`  // uint16 (default), int16, uint32, int32, float32
	Words    string   `toml:"words"` // high (default), low: which register of 32 bits comes first
	Scale    float64  `toml:"scale"`
	Offset   float64  `toml:"offset"`
	Unit     string   `toml:"unit"`
	Topic    string   `toml:"topic"`
	Every    Duration `toml:"every"`
	Publish  string   `toml:"publish"` // change (default), always, never
	Deadband float64  `toml:"deadband"`
	Refresh  Duration `toml:"refresh"`
	Write    string   `toml:"write"` // a procedure
}

func (k checker) modbus(s *Serial) {
	before := len(*k.Problems)
	if len(s.Modbus) == 0 {
		k.add(s.Place, "modbus", "missing; add [[serial.modbus]] for each value")
	}
	procedures := map[string]Place{}
	for _, r := range s.Modbus {
		k.register(s, r)
		k.once(procedures, r.Place, "write", "procedure", r.Write)
	}
	if len(*k.Problems) > before {
		return
	}
	if err := s.modbus().Validate(); err != nil {
		k.add(s.Place, "", "%v", err)
	}
}

func (k checker) register(s *Serial, r Register) {
	k.required(r.Place, "name", r.Name)
	k.required(r.Place, "table", r.Table)
	k.choice(r.Place, "table", r.Table, modbus.TableNames...)
	k.choice(r.Place, "type", r.Type, modbus.TypeNames...)
	k.choice(r.Place, "words", r.Words, "high", "low")
	k.choice(r.Place, "publish", r.Publish, "change", "always", "never")
	for _, n := range []struct {
		key        string
		value, max int
	}{{"slave", r.Slave, 247}, {"address", r.Address, 1<<16 - 1}} {
		if !r.Place.has(n.key) {
			k.add(r.Place, n.key, "missing; write its number")
		} else if n.value > n.max {
			k.add(r.Place, n.key, "%d is out of range; the last one is %d", n.value, n.max)
		}
	}
	if r.Publish == "never" && r.Write == "" {
		k.add(r.Place, "publish", "it is neither published nor written; remove the table, or add write = \"...\"")
	}
	if r.Write != "" {
		k.uri(r.Place, "write", r.Write, wamp.Exact)
		if !slices.Contains([]string{"", "holding", "coil"}, r.Table) {
			k.add(r.Place, "write", "only holding registers and coils can be written")
		}
	}
	topic := cmp.Or(r.Topic, s.Topic)
	if r.Publish == "never" && topic == "" {
		return
	}
	k.required(r.Place, "topic", topic)
	if _, err := reading.ParseTemplate(topic); topic != "" && err != nil {
		k.add(r.Place, "topic", "%v", err)
	}
}
