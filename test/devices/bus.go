package devices

import (
	"encoding/binary"
	"math"
)

// Registers are those of a simulated slave, or its coils. An address without a value is rejected, as real devices do.
type Registers map[uint16]uint16

// words are values of the registers that follow an address; after nil comes the next address.
func words(values ...any) Registers {
	r := Registers{}
	at, fresh := uint16(0), true
	for _, v := range values {
		n, ok := v.(int)
		switch {
		case !ok:
			fresh = true
		case fresh:
			at, fresh = uint16(n), false
		default:
			r[at], at = uint16(n), at+1
		}
	}
	return r
}

// floats are values of float32 from the addresses.
func floats(values map[uint16]float64) Registers {
	r := Registers{}
	for at, v := range values {
		bits := math.Float32bits(float32(v))
		r[at], r[at+1] = uint16(bits>>16), uint16(bits)
	}
	return r
}

// Answer answers a request for registers or coils.
func (r Registers) Answer(request []byte) []byte {
	function, at, count := request[1], binary.BigEndian.Uint16(request[2:]), binary.BigEndian.Uint16(request[4:])
	var data []byte
	if function == 1 {
		data = make([]byte, (count+7)/8)
	}
	for i := range count {
		v, ok := r[at+i]
		switch {
		case !ok:
			return seal([]byte{request[0], function | 0x80, 2})
		case function == 1:
			data[i/8] |= byte(v) << (i % 8)
		default:
			data = binary.BigEndian.AppendUint16(data, v)
		}
	}
	return seal(append([]byte{request[0], function, byte(len(data))}, data...))
}

// Reject returns the exception for a function that a slave does not have.
func Reject(request []byte) []byte { return seal([]byte{request[0], request[1] | 0x80, 1}) }

// seal appends the CRC-16 of Modbus.
func seal(frame []byte) []byte {
	crc := uint16(0xffff)
	for _, b := range frame {
		crc ^= uint16(b)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0xa001
			} else {
				crc >>= 1
			}
		}
	}
	return binary.LittleEndian.AppendUint16(frame, crc)
}

// Slave is a Modbus slave as its data sheet describes it.
type Slave struct {
	Function, Slave byte
	Registers       Registers
	Want            map[string]any // the values that the registers represent
}

// Slaves are the devices with a profile for Modbus, by the profile's name.
var Slaves = map[string]Slave{
	"sdm120": {4, 1, floats(singlePhase), singlePhaseValues},
	"sdm220": {4, 1, floats(singlePhase), singlePhaseValues},
	"sdm230": {4, 1, floats(singlePhase), singlePhaseValues},
	"sdm630": {4, 1, floats(map[uint16]float64{0: 230.5, 2: 231.5, 4: 229.5, 6: 1.5, 8: 2.5, 10: 3.5, 12: 345, 14: 578, 16: 803, 18: 346, 20: 579, 22: 804, 24: 10, 26: 20, 28: 30,
		30: 0.5, 32: 0.75, 34: 1, 52: 1726, 56: 1729, 60: 60, 70: 50, 72: 1234.5, 74: 12.5, 342: 1247}),
		map[string]any{"voltage_l1": 230.5, "voltage_l2": 231.5, "voltage_l3": 229.5, "current_l1": 1.5, "current_l2": 2.5, "current_l3": 3.5, "power_l1": 345.0, "power_l2": 578.0, "power_l3": 803.0,
			"apparent_power_l1": 346.0, "apparent_power_l2": 579.0, "apparent_power_l3": 804.0, "reactive_power_l1": 10.0, "reactive_power_l2": 20.0, "reactive_power_l3": 30.0,
			"power_factor_l1": 0.5, "power_factor_l2": 0.75, "power_factor_l3": 1.0, "power": 1726.0, "apparent_power": 1729.0, "reactive_power": 60.0, "frequency": 50.0,
			"energy_imported": 1234.5, "energy_exported": 12.5, "energy_total": 1247.0}},
	"sdm72d": {4, 1, floats(map[uint16]float64{52: -1726, 72: 1234.5, 74: 12.5, 342: 1247}),
		map[string]any{"power": -1726.0, "energy_imported": 1234.5, "energy_exported": 12.5, "energy_total": 1247.0}},
	"ddsu666": {3, 1, floats(map[uint16]float64{0x2000: 230.5, 0x2002: 1.5, 0x2004: 0.25, 0x2006: -0.125, 0x200a: 0.75, 0x200e: 50, 0x4000: 1234.5}),
		map[string]any{"voltage": 230.5, "current": 1.5, "power": 0.25, "reactive_power": -0.125, "power_factor": 0.75, "frequency": 50.0, "energy_imported": 1234.5}},
	"em111": {4, 1, words(0, 2305, 0, 1500, 0, 0xf2d8, 0xffff, 3450, 0, 100, 0, nil, 14, 980, 500, 12345, 0, nil, 32, 0x86a0, 1),
		map[string]any{"voltage": 230.5, "current": 1.5, "power": -336.8, "apparent_power": 345.0, "reactive_power": 10.0, "power_factor": 0.98, "frequency": 50.0, "energy_imported": 1234.5, "energy_exported": 10000.0}},
	"em340": {4, 1, words(0, 2305, 0, 2315, 0, 2295, 0, nil, 12, 1500, 0, 2500, 0, 3500, 0, 3450, 0, 5780, 0, 8030, 0, nil, 40, 17260, 0, nil, 51, 500, 12345, 0, nil, 78, 125, 0),
		map[string]any{"voltage_l1": 230.5, "voltage_l2": 231.5, "voltage_l3": 229.5, "current_l1": 1.5, "current_l2": 2.5, "current_l3": 3.5, "power_l1": 345.0, "power_l2": 578.0, "power_l3": 803.0,
			"power": 1726.0, "frequency": 50.0, "energy_imported": 1234.5, "energy_exported": 12.5}},
	"pzem-004t": {4, 1, words(0, 2305, 1500, 1, 3450, 0, 1000, 1, 500, 98), acMeter},
	"pzem-016":  {4, 1, words(0, 2305, 1500, 1, 3450, 0, 1000, 1, 500, 98), acMeter},
	"pzem-017": {4, 1, words(0, 1250, 150, 188, 0, 1000, 1),
		map[string]any{"voltage": 12.5, "current": 1.5, "power": 18.8, "energy": int64(66536)}},
	"xy-md02":     {4, 1, words(1, 0xffce, 405), map[string]any{"temperature": -5.0, "humidity": 40.5}},
	"sht20":       {4, 1, words(1, 215, 405), map[string]any{"temperature": 21.5, "humidity": 40.5}},
	"rs-ws-n01":   {3, 1, words(0, 405, 0xffce), map[string]any{"temperature": -5.0, "humidity": 40.5}},
	"senseair-s8": {4, 254, words(0, 0, nil, 3, 412), map[string]any{"status": int64(0), "co2": int64(412)}},
	"epever-tracer": {4, 1, words(0x3100, 1850, 250, 4625, 0, 1320, nil, 0x310c, 1320, 100, 1320, 0, 2150, 3000, nil, 0x311a, 87, nil, 0x330c, 12, 0, nil, 0x3312, 0x86a0, 1),
		map[string]any{"pv_voltage": 18.5, "pv_current": 2.5, "pv_power": 46.25, "battery_voltage": 13.2, "load_voltage": 13.2, "load_current": 1.0, "load_power": 13.2,
			"battery_temperature": 21.5, "device_temperature": 30.0, "battery_charge": int64(87), "energy_today": 0.12, "energy_total": 1000.0}},
	"renogy-rover": {3, 1, words(0x100, 87, 132, 250, 0x1515, 132, 100, 13, 185, 250, 46),
		map[string]any{"battery_charge": int64(87), "battery_voltage": 13.2, "charging_current": 2.5, "load_voltage": 13.2, "load_current": 1.0, "load_power": int64(13), "pv_voltage": 18.5, "pv_current": 2.5, "pv_power": int64(46)}},
	"waveshare-relay": {1, 1, words(0, 1, 0, 0, 1, 0, 0, 0, 1),
		map[string]any{"relay_1": true, "relay_2": false, "relay_3": false, "relay_4": true, "relay_5": false, "relay_6": false, "relay_7": false, "relay_8": true}},
}

var singlePhase = map[uint16]float64{0: 230.5, 6: 1.5, 12: -345, 18: 346, 24: 10, 30: 0.75, 70: 50, 72: 1234.5, 74: 12.5, 342: 1247}

var singlePhaseValues = map[string]any{"voltage": 230.5, "current": 1.5, "power": -345.0, "apparent_power": 346.0, "reactive_power": 10.0, "power_factor": 0.75, "frequency": 50.0,
	"energy_imported": 1234.5, "energy_exported": 12.5, "energy_total": 1247.0}

var acMeter = map[string]any{"voltage": 230.5, "current": 67.036, "power": 345.0, "energy": int64(66536), "frequency": 50.0, "power_factor": 0.98}
