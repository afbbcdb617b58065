// Package devices has the devices of the profiles, as their data sheets or recordings show them: their data, and the
// values that it represents.
package devices

import (
	"encoding/hex"
	"strings"
)

type kwargs = map[string]any

// Talker is a device that prints lines or sends telegrams, as its data sheet or a recording shows it.
type Talker struct {
	Text string
	Want []map[string]any // the events: each has these values, and those that are nil are missing; units stand beside their values
	Ask  string           // the device is silent until it is asked this
}

// Talkers are the devices with a profile for lines or telegrams, by the profile's name.
var Talkers = map[string]Talker{
	"nmea-0183": {Text: "$WIMWV,045.0,R,10.5,N,A*16\r\n", Want: []kwargs{{"talker": "WI", "sentence": "MWV", "angle": 45.0}}},
	"ublox":     {Text: "$GPGSV,1,1,00*79\r\n$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n", Want: []kwargs{{"sentence": "RMC", "speed_knots": 22.4}}},
	"ublox-m9":  {Text: "$GNGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*45\r\n", Want: []kwargs{{"sentence": "GGA", "talker": "GN", "altitude": 499.6}}},
	"ais":       {Text: "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\r\n", Want: []kwargs{{"mmsi": int64(477553000), "type": int64(1)}}},

	"arduino-json":     {Text: "{\"celsius\": 21.5}\r\n", Want: []kwargs{{"celsius": 21.5}}},
	"barcode":          {Text: "4006381333931\r", Want: []kwargs{{"code": "4006381333931"}}},
	"id-12":            {Text: "\x024F0088C25A5F\r\n\x03\x020415148F26BE\r\n\x03", Want: []kwargs{{"tag": "4F0088C25A"}, {"tag": "0415148F26"}}},
	"mt-sics":          {Ask: "SI\r\n", Text: "S S     100.00 g\r\nS D      -1.25 kg\r\n", Want: []kwargs{{"status": "S", "weight": 100.0, "unit": "g"}, {"status": "D", "weight": -1.25, "unit": "kg"}}},
	"ohaus":            {Ask: "IP\r\n", Text: "     100.00 g\r\n      -1.25 kg ?  N\r\n", Want: []kwargs{{"weight": 100.0, "unit": "g", "unstable": nil}, {"weight": -1.25, "unit": "kg", "unstable": "?", "legend": "N"}}},
	"mh-z19":           {Ask: "\xff\x01\x86\x00\x00\x00\x00\x00\x79", Text: "\xff\x86\x02\x60\x47\x00\x00\x00\xd1", Want: []kwargs{{"co2": int64(608), "units": map[string]any{"co2": "ppm"}}}},
	"a-and-d":          {Text: "ST,+00012.78  g\r\nUS,-00005.10 kg\r\n", Want: []kwargs{{"status": "ST", "weight": 12.78, "unit": "g"}, {"status": "US", "weight": -5.1, "unit": "kg"}}},
	"mysensors":        {Text: "12;6;1;0;0;36.5\n", Want: []kwargs{{"node": int64(12), "child": int64(6), "command": int64(1), "ack": int64(0), "type": int64(0), "payload": 36.5}}},
	"emontx":           {Text: "MSG:1,Vrms:242.40,P1:10,P2:-250,E1:0\r\n", Want: []kwargs{{"MSG": int64(1), "Vrms": 242.4, "P1": int64(10), "P2": int64(-250), "E1": int64(0)}}},
	"mightyohm-geiger": {Text: "CPS, 1, CPM, 20, uSv/hr, 0.11, SLOW\r\n", Want: []kwargs{{"cps": int64(1), "cpm": int64(20), "dose_rate": 0.11, "mode": "SLOW", "units": map[string]any{"dose_rate": "µSv/h"}}}},
	"ezo-ph":           {Text: "7.012\r", Want: []kwargs{{"ph": 7.012}}},
	"ezo-rtd":          {Text: "-5.250\r", Want: []kwargs{{"temperature": -5.25, "units": map[string]any{"temperature": "°C"}}}},
	"ezo-orp":          {Text: "209.6\r", Want: []kwargs{{"orp": 209.6}}},
	"maxbotix-hrxl":    {Text: "R0300\rR4999\r", Want: []kwargs{{"distance": int64(300)}, {"distance": int64(4999)}}},
	"hydreon-rg15":     {Text: "Acc  0.01 mm, EventAcc  0.50 mm, TotalAcc 12.25 mm, RInt  1.50 mmph\r\n", Want: []kwargs{{"rain": 0.01, "rain_event": 0.5, "rain_total": 12.25, "rain_rate": 1.5}}},
	"dsmr-v2":          {Text: crlf(telegramV2), Want: []kwargs{{"tariff": int64(1), "energy_imported_tariff_1": 1.001, "energy_exported_tariff_2": 4.001, "power_imported": 1.01, "gas": 1.001, "meter": "00000000000000"}}},
	"dsmr-v5": {Text: crlf(telegramV5 + telegramV5), Want: []kwargs{
		{"meter": "4B384547303034303436333935353037", "tariff": int64(2), "energy_imported_tariff_1": 4.426, "power_imported": 0.244, "power_failures": int64(13), "voltage_l3": 229.0,
			"current_l1": 0.48, "power_imported_l3": 0.142, "meter_1": 0.107, "1-3:0.2.8": nil, "meter_2": nil},
		{"energy_exported_tariff_1": 2.444}}},
	"iec62056-d0": {Text: crlf("/ESY5Q3DB1024 V3.04\n\n1-0:0.0.0*255(0272031312565)\n1-0:1.8.0*255(00052185.7825309*kWh)\n1-0:21.7.0*255(000747.85*W)\n1-0:1.7.0*255(002124.86*W)\n1-0:96.5.5*255(80)\n!\n"),
		Want: []kwargs{{"meter": "0272031312565", "energy_imported": 52185.7825309, "power_l1": 747.85, "power": 2124.86, "1-0:96.5.5": nil}}},
	"linky-historic": {Text: "\x02\nADCO 031428097115 @\r\nOPTARIF HC.. <\r\nISOUSC 30 9\r\nHCHC 024073045 _\r\nHCHP 041231098 /\r\nPTEC HP..  \r\nIINST 001 X\r\nPAPP 00150 '\r\n\x03",
		Want: []kwargs{{"meter": "031428097115", "energy_off_peak": int64(24073045), "energy_peak": int64(41231098), "period": "HP..", "current": int64(1), "apparent_power": int64(150), "contract_current": int64(30)}}},
	"linky-standard": {Text: "\x02\nADSC\t041876000000\t'\r\nDATE\tH260101120000\t\t.\r\nLTARF\t    HEURE PLEINE\tA\r\nEAST\t005463922\t.\r\nEASF02\t003128457\tA\r\nIRMS1\t002\t0\r\nURMS1\t233\tB\r\nSINSTS\t00412\tM\r\n\x03",
		Want: []kwargs{{"meter": "041876000000", "tariff": "HEURE PLEINE", "energy_imported": int64(5463922), "energy_tariff_2": int64(3128457), "current_l1": int64(2), "voltage_l1": int64(233), "apparent_power": int64(412), "voltage_l2": nil}}},
	"pms5003": {Text: "BM\x00\x1c\x00\x05\x00\x08\x00\t\x00\x05\x00\x08\x00\t\x03\x8a\x01\x0c\x00<\x00\x05\x00\x01\x00\x00\x97\x00\x02J" + "B" + "BM\x00\x1c\x00\x05\x00\x08\x00\t\x00\x05\x00\x08\x00\t\x03\x8a\x01\x0c\x00<\x00\x05\x00\x01\x00\x00\x97\x00\x02J", Want: []kwargs{
		{"pm1": int64(5), "pm2_5": int64(8), "pm10": int64(9), "count_0_3": int64(906), "count_10": int64(0), "units": map[string]any{"pm1": "µg/m³", "pm2_5": "µg/m³", "pm10": "µg/m³"}},
		{"pm10": int64(9)}}},
	"sds011":    {Text: "\xaa\xc0\xd4\x04\x3a\x0a\xa1\x60\x1d\xab", Want: []kwargs{{"pm2_5": 123.6, "pm10": 261.8, "sensor": int64(0xa160)}}},
	"ve-direct": {Text: "\r\nPID\t0xA053\r\nFW\t159\r\nSER#\tHQ2132QY2KR\r\nV\t12790\r\nI\t-15\r\nVPV\t18500\r\nPPV\t46\r\nCS\t3\r\nERR\t0\r\nLOAD\tON\r\nIL\t600\r\nH19\t10020\r\nChecksum\t\xae", Want: []kwargs{{"voltage": 12.79, "current": -0.015, "pv_power": int64(46), "product": "0xA053", "serial_number": "HQ2132QY2KR", "LOAD": "ON", "yield_total": 100.2}}},
	"sml": {Text: unhex(telegramSML + telegramSML), Want: []kwargs{
		{"meter": "1EMH0001234567", "energy_imported": 1234567.8, "energy_exported": 0.0, "power": int64(-300), "power_l1": int64(100), "voltage_l1": 230.5, "1-0:96.50.1*1": nil,
			"units": map[string]any{"energy_imported": "Wh", "energy_exported": "Wh", "power": "W", "power_l1": "W", "voltage_l1": "V"}},
		{"power": int64(-300)}}},
	"cozir-a": {Text: " Z 00512 z 00498\r\n", Want: []kwargs{{"co2": int64(512), "co2_unfiltered": int64(498)}}},
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
