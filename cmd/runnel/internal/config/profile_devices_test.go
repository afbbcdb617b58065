package config

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/cmd/runnel/internal/config/profiles"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// registers are those of a simulated slave, or its coils. An address without a value is rejected, as real devices do.
type registers map[uint16]uint16

// words are values of the registers that follow an address; after nil comes the next address.
func words(values ...any) registers {
	r := registers{}
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
func floats(values map[uint16]float64) registers {
	r := registers{}
	for at, v := range values {
		bits := math.Float32bits(float32(v))
		r[at], r[at+1] = uint16(bits>>16), uint16(bits)
	}
	return r
}

// answer answers a request for registers or coils.
func (r registers) answer(request []byte) []byte {
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

const profileBase = "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"sensor\"\n[[realm.role]]\nname = \"sensor\"\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\", \"register\"]\n"

// profiled returns the line of a device that the configuration names by its profile.
func profiled(t *testing.T, name, topic, more string) *Serial {
	t.Helper()
	c, err := Parse("runnel.toml", profileBase+"[[serial]]\nname = \"x\"\ndevice = \"/dev/ttyUSB0\"\nprofile = \""+name+"\"\ntopic = \""+topic+"\"\n"+more)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
	return &c.Serials[0]
}

// The registers of data sheets, and the values that they mean.
var busDevices = map[string]struct {
	function, slave byte
	registers       registers
	want            map[string]any
}{
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

func TestBusProfiles(t *testing.T) {
	for name, d := range busDevices {
		t.Run(name, func(t *testing.T) {
			s := profiled(t, name, "com.example.{name}", "")
			synctest.Test(t, func(t *testing.T) {
				m, err := modbus.New(s.ModbusConfig())
				if err != nil {
					t.Fatal(err)
				}
				port, device := net.Pipe()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					request := make([]byte, 8)
					for {
						if _, err := io.ReadFull(device, request); err != nil {
							return
						}
						if request[0] != d.slave || request[1] != d.function {
							t.Errorf("slave %d, function %d: want %d, %d", request[0], request[1], d.slave, d.function)
						}
						time.Sleep(5 * time.Millisecond)
						device.Write(d.registers.answer(request))
					}
				}()
				got := map[string]any{}
				time.AfterFunc(5*time.Minute, func() { device.Close() })
				m.Run(port, func(e reading.Event) {
					got[e.Kwargs["name"].(string)] = e.Kwargs["value"]
					if want := "com.example." + e.Kwargs["name"].(string); e.Topic != want {
						t.Errorf("topic %s, want %s", e.Topic, want)
					}
				})
				<-ended
				if !reflect.DeepEqual(got, d.want) {
					t.Errorf("%v\nwant %v", got, d.want)
				}
			})
		})
	}
}

type kwargs = map[string]any

// Lines of data sheets or recordings, and the events that they become. Units stand beside their values.
var lineDevices = map[string]struct {
	text string
	want []kwargs
	ask  string // the device is silent until it is asked this
}{
	"nmea-0183": {text: "$WIMWV,045.0,R,10.5,N,A*16\r\n", want: []kwargs{{"talker": "WI", "sentence": "MWV", "angle": 45.0}}},
	"ublox":     {text: "$GPGSV,1,1,00*79\r\n$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n", want: []kwargs{{"sentence": "RMC", "speed_knots": 22.4}}},
	"ublox-m9":  {text: "$GNGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*45\r\n", want: []kwargs{{"sentence": "GGA", "talker": "GN", "altitude": 499.6}}},
	"ais":       {text: "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\r\n", want: []kwargs{{"mmsi": int64(477553000), "type": int64(1)}}},

	"arduino-json":     {text: "{\"celsius\": 21.5}\r\n", want: []kwargs{{"celsius": 21.5}}},
	"barcode":          {text: "4006381333931\r", want: []kwargs{{"code": "4006381333931"}}},
	"id-12":            {text: "\x024F0088C25A5F\r\n\x03\x020415148F26BE\r\n\x03", want: []kwargs{{"tag": "4F0088C25A"}, {"tag": "0415148F26"}}},
	"mt-sics":          {ask: "SI\r\n", text: "S S     100.00 g\r\nS D      -1.25 kg\r\n", want: []kwargs{{"status": "S", "weight": 100.0, "unit": "g"}, {"status": "D", "weight": -1.25, "unit": "kg"}}},
	"ohaus":            {ask: "IP\r\n", text: "     100.00 g\r\n      -1.25 kg ?  N\r\n", want: []kwargs{{"weight": 100.0, "unit": "g", "unstable": nil}, {"weight": -1.25, "unit": "kg", "unstable": "?", "legend": "N"}}},
	"mh-z19":           {ask: "\xff\x01\x86\x00\x00\x00\x00\x00\x79", text: "\xff\x86\x02\x60\x47\x00\x00\x00\xd1", want: []kwargs{{"co2": int64(608), "units": map[string]any{"co2": "ppm"}}}},
	"a-and-d":          {text: "ST,+00012.78  g\r\nUS,-00005.10 kg\r\n", want: []kwargs{{"status": "ST", "weight": 12.78, "unit": "g"}, {"status": "US", "weight": -5.1, "unit": "kg"}}},
	"mysensors":        {text: "12;6;1;0;0;36.5\n", want: []kwargs{{"node": int64(12), "child": int64(6), "command": int64(1), "ack": int64(0), "type": int64(0), "payload": 36.5}}},
	"emontx":           {text: "MSG:1,Vrms:242.40,P1:10,P2:-250,E1:0\r\n", want: []kwargs{{"MSG": int64(1), "Vrms": 242.4, "P1": int64(10), "P2": int64(-250), "E1": int64(0)}}},
	"mightyohm-geiger": {text: "CPS, 1, CPM, 20, uSv/hr, 0.11, SLOW\r\n", want: []kwargs{{"cps": int64(1), "cpm": int64(20), "dose_rate": 0.11, "mode": "SLOW", "units": map[string]any{"dose_rate": "µSv/h"}}}},
	"ezo-ph":           {text: "7.012\r", want: []kwargs{{"ph": 7.012}}},
	"ezo-rtd":          {text: "-5.250\r", want: []kwargs{{"temperature": -5.25, "units": map[string]any{"temperature": "°C"}}}},
	"ezo-orp":          {text: "209.6\r", want: []kwargs{{"orp": 209.6}}},
	"maxbotix-hrxl":    {text: "R0300\rR4999\r", want: []kwargs{{"distance": int64(300)}, {"distance": int64(4999)}}},
	"hydreon-rg15":     {text: "Acc  0.01 mm, EventAcc  0.50 mm, TotalAcc 12.25 mm, RInt  1.50 mmph\r\n", want: []kwargs{{"rain": 0.01, "rain_event": 0.5, "rain_total": 12.25, "rain_rate": 1.5}}},
	"dsmr-v2":          {text: crlf(telegramV2), want: []kwargs{{"tariff": int64(1), "energy_imported_tariff_1": 1.001, "energy_exported_tariff_2": 4.001, "power_imported": 1.01, "gas": 1.001, "meter": "00000000000000"}}},
	"dsmr-v5": {text: crlf(telegramV5 + telegramV5), want: []kwargs{
		{"meter": "4B384547303034303436333935353037", "tariff": int64(2), "energy_imported_tariff_1": 4.426, "power_imported": 0.244, "power_failures": int64(13), "voltage_l3": 229.0,
			"current_l1": 0.48, "power_imported_l3": 0.142, "meter_1": 0.107, "1-3:0.2.8": nil, "meter_2": nil},
		{"energy_exported_tariff_1": 2.444}}},
	"iec62056-d0": {text: crlf("/ESY5Q3DB1024 V3.04\n\n1-0:0.0.0*255(0272031312565)\n1-0:1.8.0*255(00052185.7825309*kWh)\n1-0:21.7.0*255(000747.85*W)\n1-0:1.7.0*255(002124.86*W)\n1-0:96.5.5*255(80)\n!\n"),
		want: []kwargs{{"meter": "0272031312565", "energy_imported": 52185.7825309, "power_l1": 747.85, "power": 2124.86, "1-0:96.5.5": nil}}},
	"linky-historic": {text: "\x02\nADCO 031428097115 @\r\nOPTARIF HC.. <\r\nISOUSC 30 9\r\nHCHC 024073045 _\r\nHCHP 041231098 /\r\nPTEC HP..  \r\nIINST 001 X\r\nPAPP 00150 '\r\n\x03",
		want: []kwargs{{"meter": "031428097115", "energy_off_peak": int64(24073045), "energy_peak": int64(41231098), "period": "HP..", "current": int64(1), "apparent_power": int64(150), "contract_current": int64(30)}}},
	"linky-standard": {text: "\x02\nADSC\t041876000000\t'\r\nDATE\tH260101120000\t\t.\r\nLTARF\t    HEURE PLEINE\tA\r\nEAST\t005463922\t.\r\nEASF02\t003128457\tA\r\nIRMS1\t002\t0\r\nURMS1\t233\tB\r\nSINSTS\t00412\tM\r\n\x03",
		want: []kwargs{{"meter": "041876000000", "tariff": "HEURE PLEINE", "energy_imported": int64(5463922), "energy_tariff_2": int64(3128457), "current_l1": int64(2), "voltage_l1": int64(233), "apparent_power": int64(412), "voltage_l2": nil}}},
	"pms5003": {text: "BM\x00\x1c\x00\x05\x00\x08\x00\t\x00\x05\x00\x08\x00\t\x03\x8a\x01\x0c\x00<\x00\x05\x00\x01\x00\x00\x97\x00\x02J" + "B" + "BM\x00\x1c\x00\x05\x00\x08\x00\t\x00\x05\x00\x08\x00\t\x03\x8a\x01\x0c\x00<\x00\x05\x00\x01\x00\x00\x97\x00\x02J", want: []kwargs{
		{"pm1": int64(5), "pm2_5": int64(8), "pm10": int64(9), "count_0_3": int64(906), "count_10": int64(0), "units": map[string]any{"pm1": "µg/m³", "pm2_5": "µg/m³", "pm10": "µg/m³"}},
		{"pm10": int64(9)}}},
	"sds011":    {text: "\xaa\xc0\xd4\x04\x3a\x0a\xa1\x60\x1d\xab", want: []kwargs{{"pm2_5": 123.6, "pm10": 261.8, "sensor": int64(0xa160)}}},
	"ve-direct": {text: "\r\nPID\t0xA053\r\nFW\t159\r\nSER#\tHQ2132QY2KR\r\nV\t12790\r\nI\t-15\r\nVPV\t18500\r\nPPV\t46\r\nCS\t3\r\nERR\t0\r\nLOAD\tON\r\nIL\t600\r\nH19\t10020\r\nChecksum\t\xae", want: []kwargs{{"voltage": 12.79, "current": -0.015, "pv_power": int64(46), "product": "0xA053", "serial_number": "HQ2132QY2KR", "LOAD": "ON", "yield_total": 100.2}}},
	"sml": {text: unhex(telegramSML + telegramSML), want: []kwargs{
		{"meter": "1EMH0001234567", "energy_imported": 1234567.8, "energy_exported": 0.0, "power": int64(-300), "power_l1": int64(100), "voltage_l1": 230.5, "1-0:96.50.1*1": nil,
			"units": map[string]any{"energy_imported": "Wh", "energy_exported": "Wh", "power": "W", "power_l1": "W", "voltage_l1": "V"}},
		{"power": int64(-300)}}},
	"cozir-a": {text: " Z 00512 z 00498\r\n", want: []kwargs{{"co2": int64(512), "co2_unfiltered": int64(498)}}},
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// Telegrams of meters with DSMR 2.2 and 5.0.
const telegramV2 = `/ISk5\2MT382-1004

0-0:96.1.1(00000000000000)
1-0:1.8.1(00001.001*kWh)
1-0:1.8.2(00002.001*kWh)
1-0:2.8.1(00003.001*kWh)
1-0:2.8.2(00004.001*kWh)
0-0:96.14.0(0001)
1-0:1.7.0(0001.01*kW)
1-0:2.7.0(0000.00*kW)
0-0:17.0.0(0999.00*kW)
0-0:96.3.10(1)
0-0:96.13.1()
0-0:96.13.0()
0-1:24.1.0(3)
0-1:96.1.0(000000000000)
0-1:24.3.0(161107190000)(00)(60)(1)(0-1:24.2.1)(m3)
(00001.001)
0-1:24.4.0(1)
!
`

const telegramV5 = `/ISk5\2MT382-1000

1-3:0.2.8(50)
0-0:1.0.0(170102192002W)
0-0:96.1.1(4B384547303034303436333935353037)
1-0:1.8.1(000004.426*kWh)
1-0:1.8.2(000002.399*kWh)
1-0:2.8.1(000002.444*kWh)
1-0:2.8.2(000000.000*kWh)
0-0:96.14.0(0002)
1-0:1.7.0(00.244*kW)
1-0:2.7.0(00.000*kW)
0-0:96.7.21(00013)
0-0:96.7.9(00000)
1-0:99.97.0(0)(0-0:96.7.19)
1-0:32.32.0(00000)
1-0:52.32.0(00000)
1-0:72.32.0(00000)
1-0:32.36.0(00000)
1-0:52.36.0(00000)
1-0:72.36.0(00000)
0-0:96.13.0()
1-0:32.7.0(0230.0*V)
1-0:52.7.0(0230.0*V)
1-0:72.7.0(0229.0*V)
1-0:31.7.0(0.48*A)
1-0:51.7.0(0.44*A)
1-0:71.7.0(0.86*A)
1-0:21.7.0(00.070*kW)
1-0:41.7.0(00.032*kW)
1-0:61.7.0(00.142*kW)
1-0:22.7.0(00.000*kW)
1-0:42.7.0(00.000*kW)
1-0:62.7.0(00.000*kW)
0-1:24.1.0(003)
0-1:96.1.0(3232323241424344313233343536373839)
0-1:24.2.1(170102161005W)(00000.107*m3)
0-2:24.1.0(003)
0-2:96.1.0()
!6EEE
`

// A telegram of a meter with SML: opening, values, end.
const telegramSML = `
1b1b1b1b0101010176037431620062007263010176010102720b0a01454d48000012d68701016312340076037431620062007263070177010b0a01454d48000012d68701726201650001020377770701
00603201010101010104454d480177070100600100ff010101010b0a01454d48000012d6870177070100010800ff641c810401621e52ff590000000000bc614e0177070100020800ff0101621e52ff62
000177070100240700ff0101621b52005300640177070100100700ff0101621b520055fffffed40177070100200700ff0101622352ff6309010101016312340076037431620062007263020171016312
340000001b1b1b1b1a020c37`

// unhex returns the bytes of hexadecimal digits.
func unhex(digits string) string {
	b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestLineProfiles(t *testing.T) {
	for name, d := range lineDevices {
		t.Run(name, func(t *testing.T) {
			s := profiled(t, name, "com.example.x", "")
			synctest.Test(t, func(t *testing.T) {
				p, err := lines.New(s.LinesConfig())
				if err != nil {
					t.Fatal(err)
				}
				port, device := net.Pipe()
				asked := make(chan string, 100)
				go func() {
					if time.Sleep(5 * time.Second); d.ask != "" { // the port was silent before, so that the first line is whole
						if got := <-asked; got != d.ask {
							t.Errorf("asked %q, want %q", got, d.ask)
						}
					}
					device.Write([]byte(d.text))
					device.Close()
				}()
				sensor := lines.NewSensor(p, nil)
				sensor.Send = func(_ context.Context, request []byte) error {
					asked <- string(request)
					return nil
				}
				var got []kwargs
				defer port.Close()
				sensor.Run(port, func(e reading.Event) { got = append(got, e.Kwargs) })
				if len(got) != len(d.want) || sensor.State().Bad > 0 || sensor.State().BadFields > 0 {
					t.Fatalf("%v, want %v; %+v", got, d.want, sensor.State())
				}
				for i, want := range d.want {
					for key, v := range want {
						if !reflect.DeepEqual(got[i][key], v) {
							t.Errorf("%s = %v (%T), want %v (%T) in %v", key, got[i][key], got[i][key], v, v, got[i])
						}
					}
				}
			})
		})
	}
}

// Every profile is valid and has a test with its device. Its printed table configures the same line as its name.
func TestProfilesAreTested(t *testing.T) {
	list, err := Profiles("/nowhere/runnel.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(profiles.Names()) || len(list) < 20 {
		t.Fatalf("%d profiles", len(list))
	}
	for _, p := range list {
		_, bus := busDevices[p.Name]
		_, text := lineDevices[p.Name]
		if !bus && !text {
			t.Errorf("%s: no test with the device", p.Name)
		}
		if p.Description == "" || len(p.Serials) != 1 {
			t.Errorf("%s: %+v", p.Name, p)
		}
		c, err := Parse(p.Name, profileBase+p.Start())
		if err != nil || len(c.Warnings) > 0 {
			t.Errorf("%s: %v %v\n%s", p.Name, err, c.Warnings, p.Start())
			continue
		}
		s := profiled(t, p.Name, c.Serials[0].Topic, "")
		s.Profile, s.Name = "", c.Serials[0].Name
		if !Equal(*s, c.Serials[0]) {
			t.Errorf("%s: the printed table says something else\n%s", p.Name, p.Start())
		}
		if strings.Contains(p.Start(), "description") {
			t.Error(p.Start())
		}
	}
}
