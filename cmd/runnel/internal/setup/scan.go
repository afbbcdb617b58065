package setup

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// lastSlave is the highest slave number that a device may have.
const lastSlave = 254

// ParseSlaves reads a list of slaves, like "1-247" or "1,5,10-20". It is sorted, each slave once.
func ParseSlaves(text string) (slaves []byte, err error) {
	var wanted [lastSlave + 1]bool
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || from < 1 || to > lastSlave || from > to {
			return nil, fmt.Errorf("%.40q is not a list of slaves from 1 to %d; write it like \"1-247\" or \"1,5,10-20\"", text, lastSlave)
		}
		for n := from; n <= to; n++ {
			wanted[n] = true
		}
	}
	for n, is := range wanted {
		if is {
			slaves = append(slaves, byte(n))
		}
	}
	return slaves, nil
}

// BusDevice is a profile of a Modbus device.
type BusDevice struct {
	Profile string
	Points  []modbus.Point // that are read
}

// BusDevices returns the profiles of Modbus devices. Profiles that are invalid are left out.
func BusDevices(main string) (known []BusDevice) {
	list, _ := config.Profiles(main) // the error lists the invalid ones
	for _, p := range list {
		if p.Mode() != "modbus" {
			continue
		}
		points := slices.DeleteFunc(p.Serials[0].ModbusConfig().Points, func(p modbus.Point) bool { return p.WriteOnly })
		if len(points) > 0 {
			known = append(known, BusDevice{p.Name, points})
		}
	}
	return known
}

// plausible are the values that a unit may have.
var plausible = map[string]struct{ low, high float64 }{
	"V": {-1500, 1500}, "A": {-5000, 5000}, "W": {-1e7, 1e7}, "VA": {-1e7, 1e7}, "var": {-1e7, 1e7}, "Hz": {0, 1000}, "°C": {-100, 500}, "%": {0, 100}, "ppm": {0, 50000},
	"kWh": {-1e9, 1e9}, "Wh": {-1e12, 1e12},
}

// FittingProfiles reads the registers of each profile from a slave. It returns the most likely profiles: those whose
// registers the slave has, with values that their units may have. Meters of one family share their registers, so
// there may be several.
func FittingProfiles(s *modbus.Search, known []BusDevice, slave byte) (names []string, err error) {
	scores, best := map[string]int{}, 1
	for _, d := range known {
		points := slices.Clone(d.Points)
		for i := range points {
			points[i].Slave = slave
		}
		values, ok, err := s.Read(points)
		if err != nil {
			return nil, err
		}
		if ok {
			scores[d.Profile] = score(points, values)
			best = max(best, scores[d.Profile])
		}
	}
	for name, n := range scores {
		if 5*n >= 4*best {
			names = append(names, name)
		}
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := names[i], names[j]
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b)) < 0
	})
	return names, nil
}

// score rates values. A nonzero number adds 2, a non-numeric value adds 1, and a zero subtracts 1. An implausible value
// makes the score negative.
func score(points []modbus.Point, values [][]any) (n int) {
	for i, p := range points {
		for _, v := range values[i] {
			number, isNumber := reading.Float(v)
			limits, known := plausible[p.Unit]
			tiny := number != 0 && number > -1e-6 && number < 1e-6 // integers that are read as floating point numbers
			switch {
			case isNumber && (tiny || known && (number < limits.low || number > limits.high)):
				return -1
			case !isNumber:
				n++
			case number != 0:
				n += 2
			default:
				n--
			}
		}
	}
	return n
}
