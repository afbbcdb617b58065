package line

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"runnel/cmd/runnel/internal/config/check"
	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/values"
	"runnel/edge/wamp"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// Register is a value on a Modbus line, or several consecutive values.
type Register struct {
	Place    position.Place
	Name     string          `toml:"name"`
	Slave    int             `toml:"slave"`
	Table    string          `toml:"table"` // holding, input, coil, discrete
	Address  Address         `toml:"address"`
	Count    int             `toml:"count"`
	Type     string          `toml:"type"`  // uint16 (default), int16, uint32, int32, float32, uint64, int64, float64, text
	Words    string          `toml:"words"` // high (default), low: which register of 32 or 64 bits comes first
	Order    string          `toml:"order"` // abcd (default), cdab, badc, dcba: the order of the bytes
	Bit      *int            `toml:"bit"`   // the value is this bit of the register
	Scale    float64         `toml:"scale"`
	Offset   float64         `toml:"offset"`
	Unit     string          `toml:"unit"`
	Topic    string          `toml:"topic"`
	Every    values.Duration `toml:"every"`
	Publish  string          `toml:"publish"` // change (default), always, never
	Deadband float64         `toml:"deadband"`
	Refresh  values.Duration `toml:"refresh"`
	Write    string          `toml:"write"` // procedure that writes the value
	Many     bool            `toml:"write_many"`
}

// Address is the address of a register or bit: a number from 0, or digits as in manuals ("40001"), which imply the table.
type Address struct {
	number int
	table  string // "" if the address does not imply it
}

// manualTables maps the first digit of an address in a manual to its table.
var manualTables = map[byte]string{'0': "coil", '1': "discrete", '3': "input", '4': "holding"}

// Parse implements values.Text.
func (a *Address) Parse(s string) error {
	n, err := strconv.Atoi(s)
	table := ""
	if err == nil && (len(s) == 5 || len(s) == 6) {
		table = manualTables[s[0]]
		n, err = strconv.Atoi(s[1:])
		n--
	}
	if err != nil || table == "" || n < 0 || n > 1<<16-1 {
		return fmt.Errorf("%q is not an address; write a number from 0, or five or six digits as in manuals, like \"40001\"", s)
	}
	*a = Address{n, table}
	return nil
}

// ParseInt takes a number from 0.
func (a *Address) ParseInt(n int64) error {
	if n < 0 || int64(int(n)) != n {
		return fmt.Errorf("%d is out of range", n)
	}
	a.number = int(n)
	return nil
}

// tcp reports whether the line is a connection to a Modbus TCP server.
func (s *Serial) tcp() bool {
	return s.Mode == "modbus" && s.Framing != "rtu" && strings.HasPrefix(string(s.Device), "tcp://")
}

func (s *Serial) checkModbus(k check.Keys) {
	before := len(*k.Problems)
	k.Choice(s.Place, "framing", s.Framing, "rtu", "tcp")
	if s.Framing == "tcp" && !s.tcp() {
		k.Add(s.Place, "framing", "\"tcp\" needs device = \"tcp://HOST:PORT\"")
	}
	if len(s.Modbus) == 0 {
		k.Add(s.Place, "modbus", "missing; add [[serial.modbus]] for each value")
	}
	s.spread()
	if len(s.Slaves) > 1 && s.Topic != "" && !strings.Contains(s.Topic, "{slave}") {
		k.Warn(s.Place, "topic", "several slaves share each topic; add {slave}")
	}
	if slices.Sort(s.Slaves); len(slices.Compact(slices.Clone(s.Slaves))) < len(s.Slaves) {
		k.Add(s.Place, "slave", "a slave occurs twice; remove one of the two")
	}
	procedures := map[string]position.Place{}
	for _, r := range s.Modbus {
		s.checkRegister(k, r)
		k.Once(procedures, r.Place, "write", "procedure", r.Write)
	}
	if len(*k.Problems) > before {
		return
	}
	if err := s.ModbusConfig().Validate(); err != nil {
		k.Add(s.Place, "", "%v%s", err, s.ofProfile())
	}
}

// spread gives the registers without a slave those of the line: each register is read from each of them.
func (s *Serial) spread() {
	var all []Register
	for _, slave := range s.Slaves {
		for _, r := range s.Modbus {
			if !r.Place.Has("slave") {
				r.Slave, r.Place = slave, r.Place.Adopting("slave", s.Place.Setter("slave"))
				all = append(all, r)
			}
		}
	}
	for _, r := range s.Modbus {
		if r.Place.Has("slave") || len(s.Slaves) == 0 {
			all = append(all, r)
		}
	}
	s.Modbus = all
}

// ofProfile appends the profile to a problem of a whole line.
func (s *Serial) ofProfile() string {
	if s.Profile == "" {
		return ""
	}
	return fmt.Sprintf(" (with profile = %q)", s.Profile)
}

func (s *Serial) checkRegister(k check.Keys, r Register) {
	k.Required(r.Place, "name", r.Name)
	if r.Table != "" && r.Address.table != "" && r.Table != r.Address.table {
		k.Add(r.Place, "table", "the address belongs to the table %q; remove one of the two", r.Address.table)
	}
	r.Table = cmp.Or(r.Table, r.Address.table)
	k.Required(r.Place, "table", r.Table)
	k.Choice(r.Place, "table", r.Table, modbus.TableNames...)
	k.Choice(r.Place, "type", r.Type, modbus.TypeNames...)
	k.Choice(r.Place, "words", r.Words, "high", "low")
	k.Choice(r.Place, "order", r.Order, modbus.OrderNames...)
	if r.Words != "" && r.Order != "" {
		k.Add(r.Place, "words", "order is set as well; remove one of the two")
	}
	if r.Bit != nil && (*r.Bit > 15 || r.Write != "") {
		k.Add(r.Place, "bit", "must be 0 to 15, and cannot be combined with write")
	}
	k.Choice(r.Place, "publish", r.Publish, "change", "always", "never")
	last := 254
	if s.tcp() {
		last = 255
	}
	for _, n := range []struct {
		key        string
		value, max int
	}{{"slave", r.Slave, last}, {"address", r.Address.number, 1<<16 - 1}} {
		if !r.Place.Has(n.key) {
			k.Add(r.Place, n.key, "missing; write its number")
		} else if n.value > n.max {
			k.Add(r.Place, n.key, "%d is out of range; the last one is %d", n.value, n.max)
		}
	}
	if r.Publish == "never" && r.Write == "" {
		k.Add(r.Place, "publish", "the value is neither published nor written; remove the table, or add write = \"...\"")
	}
	if r.Write != "" {
		k.URI(r.Place, "write", r.Write, wamp.Exact)
		if !slices.Contains([]string{"", "holding", "coil"}, r.Table) {
			k.Add(r.Place, "write", "only holding registers and coils can be written")
		}
	}
	topic := cmp.Or(r.Topic, s.Topic)
	if r.Publish == "never" && topic == "" {
		return
	}
	k.Required(r.Place, "topic", topic)
	if _, err := reading.ParseTemplate(topic); topic != "" && err != nil {
		k.Add(r.Place, "topic", "%v", err)
	}
}
