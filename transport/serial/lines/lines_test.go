package lines

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/reading"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const stamp = "2026-11-22T12:00:00.000Z"

type fields = map[string]any

func parser(t *testing.T, c Config) *Parser {
	t.Helper()
	if c.Topic == "" {
		c.Topic = "com.example.weather"
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse(t *testing.T) {
	csv := Config{Format: CSV, Columns: []string{"temperature", "_", "station"}}
	with := func(c Config, more func(*Config)) Config {
		more(&c)
		return c
	}
	for _, c := range []struct {
		name   string
		config Config
		line   string
		kwargs fields
		args   []any
		topic  string
		err    string
	}{
		{name: "json", line: `{"t": 21.5, "n": 3, "s": "x", "in": {"a": [1, null]}, "big": 18446744073709551615}`,
			kwargs: fields{"t": 21.5, "n": int64(3), "s": "x", "in": fields{"a": []any{int64(1), nil}}, "big": uint64(1<<64 - 1), "time": stamp}},
		{name: "json list", line: `[1, "a"]`, args: []any{int64(1), "a"}, kwargs: fields{"time": stamp}},
		{name: "json number", line: `21.5`, args: []any{21.5}, kwargs: fields{"time": stamp}},
		{name: "json twice", line: `{} {}`, err: "not JSON: text after the value"},
		{name: "json deep", line: strings.Repeat("[", 20) + strings.Repeat("]", 20), err: "nested deeper than 16 levels"},
		{name: "json topic", config: Config{Topic: "com.example.{id}.weather"}, line: `{"id": "roof"}`, topic: "com.example.roof.weather", kwargs: fields{"id": "roof", "time": stamp}},
		{name: "json topic hostile", config: Config{Topic: "com.example.{id}"}, line: `{"id": "a.b"}`, err: `topic: value "a.b" of {id} is not a component of a URI`},
		{name: "json topic missing", config: Config{Topic: "com.example.{id}"}, line: `{}`, err: "topic: no value for {id}"},
		{name: "json own time", line: `{"time": "now"}`, kwargs: fields{"time": "now"}},
		{name: "json time none", config: Config{Time: "none"}, line: `{"t": 1}`, kwargs: fields{"t": int64(1)}},
		{name: "json time field", config: Config{Time: "ts"}, line: `{"ts": 1795348800}`, kwargs: fields{"time": stamp}},
		{name: "json time in ms", config: Config{Time: "ts"}, line: `{"ts": 1795348800000}`, kwargs: fields{"time": stamp}},
		{name: "json time text", config: Config{Time: "ts"}, line: `{"ts": "2026-11-22T13:00:00+01:00"}`, kwargs: fields{"time": stamp}},
		{name: "json time bad", config: Config{Time: "ts"}, line: `{"ts": "noon", "t": 1}`, kwargs: fields{"t": int64(1)}},
		{name: "json time of a clock that was never set", config: Config{Time: "ts"}, line: `{"ts": 315964800, "t": 1}`, kwargs: fields{"t": int64(1)}},
		{name: "json time missing", config: Config{Time: "ts"}, line: `{"t": 1}`, kwargs: fields{"t": int64(1)}},
		{name: "json time of arrival", config: Config{Time: "arrival"}, line: `{"time": "now"}`, kwargs: fields{"time": stamp}},
		{name: "json broken", line: `{"t": 21.`, err: "not JSON: ends too early"},
		{name: "json nan", line: `{"t": nan, "h": 40, "in": {"a": [NaN, 1], "b": -Infinity}, "s": "nan:,nan \\", "e": }`,
			kwargs: fields{"h": int64(40), "in": fields{"a": []any{nil, int64(1)}}, "s": "nan:,nan \\", "time": stamp}},
		{name: "json no JSON numbers", line: `{"a": 007, "b": +5, "c": .5, "d": 1,5, "e": 0x10, "h": 1e3}`, err: "not JSON: invalid character '5' looking for beginning of object key string"},
		{name: "json no JSON numbers left out", line: `{"a": 007, "b": +5, "c": .5, "e": 0x10, "h": 1e3}`, kwargs: fields{"h": 1000.0, "time": stamp}},
		{name: "json nothing left", line: `{"t": nan}`, err: `t: "nan" is not JSON`},
		{name: "json nan alone", line: `nan`, err: "not JSON: invalid character 'a' in literal null (expecting 'u')"},
		{name: "json long number", line: `{"n": 123456789012345678901, "m": 18446744073709551615}`, kwargs: fields{"n": "123456789012345678901", "m": uint64(1<<64 - 1), "time": stamp}},

		{name: "csv", config: csv, line: `21.5, x,"roof, ""west"""`, kwargs: fields{"temperature": 21.5, "station": `roof, "west"`, "time": stamp}},
		{name: "csv empty value", config: csv, line: `,,7`, kwargs: fields{"station": int64(7), "time": stamp}},
		{name: "csv numbers", config: csv, line: `-0.5e1,,0x10`, kwargs: fields{"temperature": "-0.5e1", "station": "0x10", "time": stamp}},
		{name: "csv short", config: csv, line: `21.5,1`, err: "2 values, want 3"},
		{name: "csv heading", config: csv, line: `temperature,_,station`, err: "ignored by the configuration"},
		{name: "csv quote", config: csv, line: `1,2,"x`, err: "quote not closed"},
		{name: "csv behind quote", config: csv, line: `1,"2"3,4`, err: "text after a closing quote"},
		{name: "csv white space", config: with(csv, func(c *Config) { c.Separator = " " }), line: "1   2\t3", kwargs: fields{"temperature": int64(1), "station": int64(3), "time": stamp}},
		{name: "csv tabs", config: with(csv, func(c *Config) { c.Separator = "\t" }), line: "\t\"2\"\t", kwargs: fields{"time": stamp}},
		{name: "csv tabs, quoted", config: with(csv, func(c *Config) { c.Separator = "\t" }), line: "\"1\"\t2\t\"a\tb\" ", kwargs: fields{"temperature": int64(1), "station": "a\tb", "time": stamp}},
		{name: "csv semicolon", config: with(csv, func(c *Config) { c.Separator = ";" }), line: "1;2;a,b", kwargs: fields{"temperature": int64(1), "station": "a,b", "time": stamp}},
		{name: "scale and unit", config: with(csv, func(c *Config) {
			c.Topic = "com.example.{id}"
			c.Fields = []Field{
				{Name: "temperature", As: "temp", Scale: reading.Scale{Factor: 0.1, Offset: -40}, Unit: "°C"},
				{Name: "station", As: "id", Kind: Text},
			}
		}), line: "615,,007", topic: "com.example.007", kwargs: fields{"temp": 21.5, "id": "007", "units": fields{"temp": "°C"}, "time": stamp}},
		{name: "no number", config: with(csv, func(c *Config) { c.Fields = []Field{{Name: "temperature", Kind: Number}} }), line: "nan,,1", kwargs: fields{"station": int64(1), "time": stamp}},
		{name: "no number, and nothing else", config: with(csv, func(c *Config) { c.Fields = []Field{{Name: "temperature", Kind: Number}} }), line: "nan,,", err: `temperature: "nan" is not a number`},
		{name: "no number for the topic", config: with(csv, func(c *Config) {
			c.Topic, c.Fields = "com.{station}", []Field{{Name: "station", Kind: Number}}
		}), line: "1,,x", err: "topic: no value for {station}"},
		{name: "no number once scaled", config: with(csv, func(c *Config) { c.Fields = []Field{{Name: "temperature", Scale: reading.Scale{Factor: 10}}} }), line: "1e308,,1", kwargs: fields{"station": int64(1), "time": stamp}},
		{name: "swapped", config: with(csv, func(c *Config) {
			c.Fields = []Field{{Name: "temperature", As: "station"}, {Name: "station", As: "temperature", Kind: Boolean}}
		}), line: "1,,on", kwargs: fields{"temperature": true, "station": int64(1), "time": stamp}},
		{name: "no boolean", config: with(csv, func(c *Config) { c.Fields = []Field{{Name: "station", Kind: Boolean}} }), line: "1,,perhaps", kwargs: fields{"temperature": int64(1), "time": stamp}},

		{name: "regexp", config: Config{Format: Pattern, Pattern: `T=(?P<t>\S+)(?: H=(?P<h>\d+))?`}, line: "boot T=21.5", kwargs: fields{"t": 21.5, "time": stamp}},
		{name: "regexp both", config: Config{Format: Pattern, Pattern: `T=(?P<t>\S+)(?: H=(?P<h>\d+))?`}, line: "T=x H=40", kwargs: fields{"t": "x", "h": int64(40), "time": stamp}},
		{name: "regexp scales", config: Config{Format: Pattern, Pattern: `^(?P<state>\w+),(?P<weight>[^g]*)g`, Fields: []Field{{Name: "weight", Kind: Number}}}, line: "ST,-  450.38 g",
			kwargs: fields{"state": "ST", "weight": -450.38, "time": stamp}},
		{name: "regexp one unusable", config: Config{Format: Pattern, Pattern: `^(?P<state>\w+),(?P<weight>[^g]*)g`, Fields: []Field{{Name: "weight", Kind: Number}}}, line: "OL,------ g",
			kwargs: fields{"state": "OL", "time": stamp}},
		{name: "regexp no match", config: Config{Format: Pattern, Pattern: `^T=(?P<t>\S+)$`}, line: "boot", err: "does not match the pattern"},

		{name: "latin1", config: with(csv, func(c *Config) { c.Latin1 = true }), line: "1,,21\xb0", kwargs: fields{"temperature": int64(1), "station": "21°", "time": stamp}},
		{name: "not utf-8", config: csv, line: "1,,21\xb0", err: "not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := parser(t, c.config).Parse([]byte(c.line), noon)
			if c.err != "" || err != nil {
				if err == nil || err.Error() != c.err {
					t.Fatalf("%v; want %q (%v)", err, c.err, e)
				}
				return
			}
			if want := c.topic; want == "" && e.Topic != "com.example.weather" || want != "" && e.Topic != want {
				t.Errorf("topic %s", e.Topic)
			}
			if !reflect.DeepEqual(e.Args, c.args) || !reflect.DeepEqual(e.Kwargs, c.kwargs) {
				t.Errorf("%v %v\nwant %v %v", e.Args, e.Kwargs, c.args, c.kwargs)
			}
		})
	}
}

// Formats that devices really have.
func TestMoreFormats(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		line   string
		want   fields
		flaws  int
		err    string
	}{
		{"colons and equals", Config{Format: KeyValue}, "T:21.5,H=40", fields{"T": 21.5, "H": int64(40)}, 0, ""},
		{"blanks", Config{Format: KeyValue}, "temp=21.5 hum=40  id=007", fields{"temp": 21.5, "hum": int64(40), "id": "007"}, 0, ""},
		{"blanks around", Config{Format: KeyValue}, "WS: T = 21.5 ; H =40;", fields{"WS": "T = 21.5", "H": int64(40)}, 0, ""},
		{"a heading", Config{Format: KeyValue}, "DATA T=21.5 H= 40", fields{"T": 21.5, "H": int64(40)}, 0, ""},
		{"quotes", Config{Format: KeyValue}, `name="a, b" t=1`, fields{"name": "a, b", "t": int64(1)}, 0, ""},
		{"twice", Config{Format: KeyValue}, "t=1,t=2", fields{"t": int64(1)}, 1, ""},
		{"empty", Config{Format: KeyValue}, "t=,h=2", fields{"h": int64(2)}, 0, ""},
		{"a time", Config{Format: KeyValue, Assign: "=", Separator: ";"}, "at=12:30; t=1,5 C", fields{"at": "12:30", "t": "1,5 C"}, 0, ""},
		{"decimal comma", Config{Format: KeyValue, Comma: true}, "t=1,5;h=40;p=1.013,2", fields{"t": 1.5, "h": int64(40), "p": "1.013,2"}, 0, ""},
		{"no pair", Config{Format: KeyValue}, "hello world", nil, 0, "no name with a value found"},

		{"fixed", Config{Format: Fixed, Columns: []string{"id", "t", "_", "h"}, Widths: []int{4, 6, 1, 3}}, "A1    21.5x 40", fields{"id": "A1", "t": 21.5, "h": int64(40)}, 0, ""},
		{"fixed, blanks first", Config{Format: Fixed, Columns: []string{"id", "t"}, Widths: []int{4, 6}}, "      21.5", fields{"t": 21.5}, 0, ""},
		{"fixed, short", Config{Format: Fixed, Columns: []string{"id", "t"}, Widths: []int{4, 6}}, "A1", fields{"id": "A1"}, 0, ""},
		{"fixed, long", Config{Format: Fixed, Columns: []string{"id"}, Widths: []int{2}}, "A1x", nil, 0, "longer than the columns"},

		{"csv with a decimal comma", Config{Format: CSV, Separator: ";", Columns: []string{"a", "b"}, Comma: true, Fields: []Field{{Name: "b", Kind: Number}}}, "-1,5;+ 2,25", fields{"a": -1.5, "b": 2.25}, 0, ""},
		{"csv with a point where a comma should be", Config{Format: CSV, Separator: ";", Columns: []string{"a", "b"}, Comma: true, Fields: []Field{{Name: "b", Kind: Number}}}, "1;1.234", fields{"a": int64(1)}, 1, ""},
		{"hex", Config{Format: CSV, Columns: []string{"a", "b", "c"}, Fields: []Field{{Name: "a", Kind: Hex}, {Name: "b", Kind: Hex}, {Name: "c", Kind: Hex}}}, "0025,0xff,xyz", fields{"a": int64(37), "b": int64(255)}, 1, ""},
		{"bits", Config{Format: CSV, Columns: []string{"a", "b"}, Fields: []Field{{Name: "a", Kind: Bits}, {Name: "b", Kind: Bits}}}, "5,0x81", fields{
			"a": []any{true, false, true, false, false, false, false, false}, "b": []any{true, false, false, false, false, false, false, true}}, 0, ""},
		{"patterns", Config{Format: Pattern, Patterns: []string{`^T=(?P<t>\S+)`, `^H=(?P<h>\S+)`}}, "H=40", fields{"h": int64(40)}, 0, ""},
		{"patterns, none", Config{Format: Pattern, Patterns: []string{`^T=(?P<t>\S+)`, `^H=(?P<h>\S+)`}}, "P=1", nil, 0, "does not match the pattern"},

		{"checksum is missing", Config{Format: NMEA, Unchecked: true}, "$HEHDT,271.1,T", fields{"talker": "HE", "sentence": "HDT", "heading": 271.1}, 0, ""},
		{"a wrong checksum", Config{Format: NMEA, Unchecked: true}, "$HEHDT,271.1,T*00", nil, 0, "checksum 2A, want 00"},
		{"a tag block", Config{Format: NMEA}, "\\g:1-2-1234,s:r3669961,c:1120959341*57\\" + sum("HEHDT,271.1,T"), fields{"talker": "HE", "sentence": "HDT", "heading": 271.1}, 0, ""},
		{"AIS position", Config{Format: NMEA}, "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C", fields{
			"talker": "AI", "sentence": "VDM", "fragments": int64(1), "fragment": int64(1), "channel": "B", "payload": "177KQJ5000G?tO`K>RA1wUbN0TKH",
			"type": int64(1), "mmsi": int64(477553000), "status": int64(5), "speed_knots": 0.0, "lon": -122.3458333, "lat": 47.5828333, "course": 51.0, "heading": int64(181)}, 0, ""},
		{"AIS class B", Config{Format: NMEA}, "!AIVDM,1,1,,A,B6CdCm0t3`tba35f@V9faHi7kP06,0*58", fields{
			"talker": "AI", "sentence": "VDM", "fragments": int64(1), "fragment": int64(1), "channel": "A", "payload": "B6CdCm0t3`tba35f@V9faHi7kP06",
			"type": int64(18), "mmsi": int64(423302100), "speed_knots": 1.4, "lon": 53.0109967, "lat": 40.0052833, "course": 177.0, "heading": int64(177)}, 0, ""},
		{"AIS with a strange payload", Config{Format: NMEA, Unchecked: true}, "!AIVDM,1,1,,A,xyz,0", fields{
			"talker": "AI", "sentence": "VDM", "fragments": int64(1), "fragment": int64(1), "channel": "A", "payload": "xyz"}, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Time = "none"
			e, flaws, err := parser(t, c.config).read([]byte(c.line), noon)
			if c.err != "" || err != nil {
				if err == nil || err.Error() != c.err {
					t.Fatalf("%v; want %q (%v)", err, c.err, e)
				}
				return
			}
			if !reflect.DeepEqual(e.Kwargs, c.want) || len(flaws) != c.flaws {
				t.Errorf("%v, %q\nwant %v", e.Kwargs, flaws, c.want)
			}
		})
	}
}

func TestConfigs(t *testing.T) {
	const topic = "com.example.x"
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, "is not a URI"},
		{Config{Format: CSV, Topic: topic}, "columns are missing"},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a", "a"}}, `column "a" occurs twice`},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Separator: "ab"}, "want one character"},
		{Config{Format: CSV, Topic: "com.{b}", Columns: []string{"a"}}, "no field {b}; there are a"},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Fields: []Field{{Name: "b"}}}, `field "b": not found; the fields are a`},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Time: "b"}, `time "b": no such field`},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Time: "a", Fields: []Field{{Name: "a"}}}, "source of the time"},
		{Config{Format: Pattern, Topic: topic}, "pattern is missing"},
		{Config{Format: Pattern, Topic: topic, Pattern: "("}, "pattern: error parsing regexp"},
		{Config{Format: Pattern, Topic: topic, Pattern: "(a)"}, "no named group"},
		{Config{Format: NMEA, Topic: topic, Sentences: []string{"GPRMC"}}, "want three capital letters"},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Comma: true}, "decimal comma"},
		{Config{Format: Fixed, Topic: topic, Columns: []string{"a"}}, "1 columns and 0 widths"},
		{Config{Format: Fixed, Topic: topic, Columns: []string{"a"}, Widths: []int{0}}, "width 0"},
		{Config{Format: KeyValue, Topic: topic, Separator: "="}, "want different characters"},
		{Config{Format: KeyValue, Topic: topic, Separator: ",", Comma: true}, "no decimal comma"},
		{Config{Format: Pattern, Topic: topic, Patterns: []string{"(?P<a>.)", "x"}}, "no named group"},
		{Config{Topic: topic, MaxLine: 1}, "max_line 1: "},
		{Config{Topic: topic, Fields: []Field{{}}}, "field without a name"},
		{Config{Format: 9, Topic: topic}, "out of range"},
	} {
		if _, err := New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.want)
		}
	}
}

func TestNMEA(t *testing.T) {
	p := parser(t, Config{Format: NMEA, Topic: "com.example.gps.{sentence}", Time: "none"})
	for _, c := range []struct {
		line  string // without its checksum
		topic string
		want  fields
	}{
		{"GPGGA,123519.5,4807.038,N,01131.000,W,1,08,0.9,545.4,M,46.9,M,,", "gga",
			fields{"talker": "GP", "sentence": "GGA", "utc": "12:35:19.5", "lat": 48.1173, "lon": -11.51666667, "quality": int64(1), "satellites": int64(8), "hdop": 0.9, "altitude": 545.4, "geoid_height": 46.9}},
		{"GPRMC,120000,A,4807.038,S,01131.000,E,022.4,084.4,221126,003.1,W", "rmc",
			fields{"talker": "GP", "sentence": "RMC", "utc": "12:00:00", "status": "A", "lat": -48.1173, "lon": 11.51666667, "speed_knots": 22.4, "course": 84.4, "date": "2026-11-22", "variation": -3.1}},
		{"GNRMC,,V,,,,,,,,,,N", "rmc", fields{"talker": "GN", "sentence": "RMC", "status": "V", "mode": "N"}},
		{"GPZDA,120000.00,22,11,2026,00,00", "zda",
			fields{"talker": "GP", "sentence": "ZDA", "utc": "12:00:00.00", "day": int64(22), "month": int64(11), "year": int64(2026), "zone_hours": int64(0), "zone_minutes": int64(0)}},
		{"GPRMC,120000,A,4807.038,N,01131.000,E,022.4,084.4,221126,999.9,E,A", "rmc", // the variation is out of range
			fields{"talker": "GP", "sentence": "RMC", "utc": "12:00:00", "status": "A", "lat": 48.1173, "lon": 11.51666667, "speed_knots": 22.4, "course": 84.4, "date": "2026-11-22", "mode": "A"}},
		{"GPRMC,120000,A,4807.038,N,01131.000,E,022.4,084.4,221126,0.0,A", "rmc", // a mode where the direction stands
			fields{"talker": "GP", "sentence": "RMC", "utc": "12:00:00", "status": "A", "lat": 48.1173, "lon": 11.51666667, "speed_knots": 22.4, "course": 84.4, "date": "2026-11-22"}},
		{"GPRMC,125960,A,4807.038,N,18131.000,E,x,984.4,310226,,", "rmc",
			fields{"talker": "GP", "sentence": "RMC", "utc": "12:59:60", "status": "A"}},
		{"GPGGA,123519,9107.038,N,01131.000,W,1,08,0.9,-,M,46.9,M,,", "gga",
			fields{"talker": "GP", "sentence": "GGA", "utc": "12:35:19", "quality": int64(1), "satellites": int64(8), "hdop": 0.9, "geoid_height": 46.9}},
		{"HCHDG,101.1,,,7.1,X", "hdg", fields{"talker": "HC", "sentence": "HDG", "heading_magnetic": 101.1}},
		{"GPVTG,054.7,T,034.4,M,005.5,N,010.2,K,A", "vtg",
			fields{"talker": "GP", "sentence": "VTG", "course": 54.7, "course_magnetic": 34.4, "speed_knots": 5.5, "speed_kmh": 10.2, "mode": "A"}},
		{"GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1", "gsa",
			fields{"talker": "GP", "sentence": "GSA", "selection": "A", "fix": int64(3), "satellites": []any{int64(4), int64(5), int64(9), int64(12), int64(24)}, "pdop": 2.5, "hdop": 1.3, "vdop": 2.1}},
		{"GPGSV,2,1,08,01,40,083,46,02,17,308,,1", "gsv",
			fields{"talker": "GP", "sentence": "GSV", "messages": int64(2), "message": int64(1), "in_view": int64(8), "satellites": []any{
				fields{"id": int64(1), "elevation": int64(40), "azimuth": int64(83), "snr": int64(46)}, fields{"id": int64(2), "elevation": int64(17), "azimuth": int64(308)}}}},
		{"HEHDT,271.1,T", "hdt", fields{"talker": "HE", "sentence": "HDT", "heading": 271.1}},
		{"WIMWV,214.8,R,0.1,M,A", "mwv", fields{"talker": "WI", "sentence": "MWV", "angle": 214.8, "reference": "R", "speed": 0.1, "speed_unit": "M", "status": "A"}},
		{"SDDBT,7.8,f,2.4,M,1.3,F", "dbt", fields{"talker": "SD", "sentence": "DBT", "depth_feet": 7.8, "depth": 2.4, "depth_fathoms": 1.3}},
		{"IIXDR,C,19.5,C,AIR,P,1.01,B,BARO", "xdr", fields{"talker": "II", "sentence": "XDR", "transducers": []any{
			fields{"type": "C", "value": 19.5, "unit": "C", "name": "AIR"}, fields{"type": "P", "value": 1.01, "unit": "B", "name": "BARO"}}}},
		{"PMTK001,314,3", "mtk001", fields{"talker": "P", "sentence": "MTK001", "values": []any{int64(314), int64(3)}}},
		{"GPXYZ,1,a,", "xyz", fields{"talker": "GP", "sentence": "XYZ", "values": []any{int64(1), "a", ""}}},
	} {
		e, err := p.Parse(fmt.Appendf(nil, "$%s*%02X", c.line, Checksum(c.line)), noon)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
		} else if e.Topic != "com.example.gps."+c.topic || !reflect.DeepEqual(e.Kwargs, c.want) {
			t.Errorf("%s: %s\n%v\nwant %v", c.line, e.Topic, e.Kwargs, c.want)
		}
	}
	for _, c := range []struct{ line, want string }{
		{"GPGGA,1", "no $ or ! at its beginning"},
		{"$GPGGA,1", "checksum is missing"},
		{"$GPGGA,1*", "is not a checksum"},
		{"$GPGGA,1*123", "is not a checksum"},
		{"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*49", "checksum 47, want 49"},
		{"$GP*17", "not the address of a sentence"},
		{sum("GPGGA,1"), `GGA: utc: "1" is not a time`},
		{sum("GPGGA,256199"), "is not a time"},
		{sum("GPGGA,,9907.0,N"), "is out of range"},
		{sum("GPGGA,,4860.0,N"), "is out of range"},
		{sum("GPGGA,,99999.0,N"), "is out of range"},
		{sum("GPGGA,,4807.0,X"), "is neither N nor S"},
		{sum("GPGGA,,4807.0,E"), "is neither N nor S"},
		{sum("GPGGA,,4807.0"), "is out of range"},
		{sum("GPRMC,,,,,,,,,991399"), "is not a date"},
		{sum("HEHDT,north"), "is not a number"},
		{sum("HEHDT,1e2"), "is not a number"},
		{sum("HEHDT,361"), "is out of range"},
	} {
		if _, err := p.Parse([]byte(c.line), noon); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.line, err, c.want)
		}
	}
	some := parser(t, Config{Format: NMEA, Sentences: []string{"RMC"}})
	if _, err := some.Parse([]byte(sum("HEHDT,1,T")), noon); !errors.Is(err, errIgnored) {
		t.Errorf("not wanted: %v", err)
	}
}

func sum(body string) string { return fmt.Sprintf("$%s*%02X", body, Checksum(body)) }

func TestSplitter(t *testing.T) {
	long, partial := 0, 0
	s := newSplitter(8, noon, func() { long++ }, func([]byte) { partial++ })
	var got []string
	for _, chunk := range []string{"half\r", "\none\r\ntw", "o\rth\x00ree\n\n\r\n", "much too long", " still\n12345678\nx"} {
		s.push([]byte(chunk), noon, func(line []byte) { got = append(got, string(line)) })
	}
	if want := []string{"one", "two", "three", "12345678"}; !reflect.DeepEqual(got, want) || long != 1 || partial != 1 {
		t.Errorf("%q, %d too long, %d partial; want %q", got, long, partial, want)
	}
}

// A line that begins after silence is whole, even the first one.
func TestFirstLine(t *testing.T) {
	for _, c := range []struct {
		name    string
		chunks  []string // with "" for silence
		want    []string
		partial int
	}{
		{"silent before", []string{"", "4006381333931\n"}, []string{"4006381333931"}, 0},
		{"in pieces", []string{"", "40063", "81333931\r", "\n"}, []string{"4006381333931"}, 0},
		{"flowing", []string{"381333931\n", "1\n"}, []string{"1"}, 1},
		{"flowing, between lines", []string{"\n1\n"}, []string{"1"}, 0},
		{"flowing, then silent", []string{"381", "", "1\n"}, []string{"1"}, 1},
		{"too long, then silent", []string{"", "123456789", "", "1\n"}, []string{"1"}, 0},
		{"silent within", []string{"", "12", "", "34\n"}, []string{"1234"}, 0},
	} {
		partial := 0
		s := newSplitter(8, noon, func() {}, func([]byte) { partial++ })
		if strings.HasPrefix(c.name, "sil") || c.name == "in pieces" {
			s = newSplitter(16, noon, func() {}, func([]byte) { partial++ })
		}
		var got []string
		now := noon
		for _, chunk := range c.chunks {
			if now = now.Add(time.Millisecond); chunk == "" {
				now = now.Add(silence)
			}
			s.push([]byte(chunk), now, func(line []byte) { got = append(got, string(line)) })
		}
		if !reflect.DeepEqual(got, c.want) || partial != c.partial {
			t.Errorf("%s: %q, %d partial; want %q, %d", c.name, got, partial, c.want, c.partial)
		}
	}
}

// Without a type only what programs print as a number is one; with a type, what people mean is.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		text  string
		plain any // without a type
		typed any // with type number; nil: unusable
	}{
		{"0", int64(0), int64(0)}, {"42", int64(42), int64(42)}, {"-42", int64(-42), int64(-42)}, {"21.50", 21.5, 21.5}, {"-0.5", -0.5, -0.5},
		{"-0", int64(0), int64(0)}, {"-0.0", 0.0, 0.0}, {"9223372036854775807", int64(1<<63 - 1), int64(1<<63 - 1)},
		{"18446744073709551615", uint64(1<<64 - 1), uint64(1<<64 - 1)},
		{"18446744073709551616", "18446744073709551616", nil}, {"123456789012345678901234", "123456789012345678901234", nil},
		{"007", "007", int64(7)}, {"00", "00", int64(0)}, {"0025", "0025", int64(25)}, {"038527", "038527", int64(38527)}, {"-05", "-05", int64(-5)}, {"00.5", "00.5", 0.5},
		{"1e5", "1e5", 1e5}, {"1E5", "1E5", 1e5}, {"510003E123", "510003E123", 510003e123}, {"5e999", "5e999", nil},
		{"+5", "+5", int64(5)}, {"+21.5", "+21.5", 21.5}, {".5", ".5", 0.5}, {"-.5", "-.5", -0.5}, {"5.", "5.", 5.0},
		{"-  450.38", "-  450.38", -450.38}, {"+    12", "+    12", int64(12)}, {"- 7", "- 7", int64(-7)},
		{"0x10", "0x10", nil}, {"NaN", "NaN", nil}, {"nan", "nan", nil}, {"Infinity", "Infinity", nil}, {"-inf", "-inf", nil}, {"1_000", "1_000", nil},
		{"1,5", "1,5", nil}, {"1 000", "1 000", nil}, {"--5", "--5", nil}, {"-", "-", nil}, {".", ".", nil}, {"e5", "e5", nil}, {"1.2.3", "1.2.3", nil},
		{"12e", "12e", nil}, {"५", "५", nil}, {"21.5 C", "21.5 C", nil},
	} {
		for kind, want := range map[Kind]any{Any: c.plain, Number: c.typed, Text: c.text} {
			p := parser(t, Config{Format: Pattern, Pattern: "^(?P<n>.*);(?P<other>.*)$", Time: "none", Fields: []Field{{Name: "n", Kind: kind}}})
			e, flaws, err := p.read([]byte(c.text+";x"), noon)
			if got := e.Kwargs["n"]; err != nil || got != want || (want == nil) != (len(flaws) == 1) {
				t.Errorf("%q as %s: %T %v, %v, %v; want %T %v", c.text, KindNames[kind], got, got, flaws, err, want, want)
			}
		}
	}
}

// A receiver's time is used only while it has a fix, and only a plausible one.
func TestReceiverTime(t *testing.T) {
	const arrival, receiver = "2026-11-22T12:00:00.000Z", "2026-11-22T11:59:58.000Z"
	rmc := func(status, date, mode string) string {
		return "GPRMC,115958," + status + ",4807.038,N,01131.000,E,0.0,0.0," + date + ",,," + mode
	}
	zda := func(date string) string { return "GPZDA,115958.00," + date + ",00,00" }
	for _, c := range []struct {
		name  string
		time  string // the key
		lines []string
		want  any // the time of the last one
	}{
		{"a fix", "", []string{rmc("A", "221126", "A")}, receiver},
		{"a fix, before NMEA 2.3", "", []string{"GPRMC,115958,A,4807.038,N,01131.000,E,0.0,0.0,221126,,"}, receiver},
		{"as told", "receiver", []string{rmc("A", "221126", "D")}, receiver},
		{"none", "none", []string{rmc("A", "221126", "A")}, nil},
		{"of arrival", "arrival", []string{rmc("A", "221126", "A")}, arrival},
		{"void", "", []string{rmc("V", "221126", "N")}, arrival},
		{"no status", "", []string{rmc("", "221126", "")}, arrival},
		{"simulated", "", []string{rmc("A", "221126", "S")}, arrival},
		{"1980", "", []string{rmc("A", "060180", "A")}, arrival},
		{"void in 1980", "", []string{rmc("V", "060180", "N")}, arrival},
		{"1999", "", []string{rmc("A", "220899", "A")}, arrival},
		{"1024 weeks ago", "", []string{rmc("A", "080407", "A")}, arrival},
		{"1024 weeks on", "", []string{rmc("A", "080746", "A")}, arrival},
		{"no date", "", []string{rmc("A", "", "A")}, arrival},
		{"only a clock", "", []string{"GPGGA,115958,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"}, arrival},
		{"ZDA alone", "", []string{zda("22,11,2026")}, arrival},
		{"ZDA none", "none", []string{rmc("A", "221126", "A"), zda("22,11,2026")}, nil},
		{"ZDA with a fix", "", []string{rmc("A", "221126", "A"), zda("22,11,2026")}, receiver},
		{"ZDA with a fix by GGA", "", []string{"GPGGA,115957,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", zda("22,11,2026")}, receiver},
		{"ZDA after the fix is lost", "", []string{rmc("A", "221126", "A"), rmc("V", "221126", "N"), zda("22,11,2026")}, arrival},
		{"ZDA with a fix by GGA that is lost", "", []string{rmc("A", "221126", "A"), "GPGGA,115958,,,,,0,00,,,M,,M,,", zda("22,11,2026")}, arrival},
		{"ZDA in 2007", "", []string{rmc("A", "221126", "A"), zda("08,04,2007")}, arrival},
	} {
		p := parser(t, Config{Format: NMEA, Time: c.time})
		for i, line := range c.lines {
			e, err := p.Parse([]byte(sum(line)), noon)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if got := e.Kwargs["time"]; i == len(c.lines)-1 && got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
	some := parser(t, Config{Format: NMEA, Sentences: []string{"ZDA"}}) // the fix is known from what is not published
	some.Parse([]byte(sum(rmc("A", "221126", "A"))), noon)
	if e, err := some.Parse([]byte(sum(zda("22,11,2026"))), noon); err != nil || e.Kwargs["time"] != receiver {
		t.Errorf("%v, %v", e.Kwargs, err)
	}
	if e, err := some.Parse([]byte(sum(zda("22,11,2026"))), noon.Add(time.Minute)); err != nil || e.Kwargs["time"] == receiver {
		t.Errorf("a minute after the fix: %v, %v", e.Kwargs, err)
	}
}

// A first line that can't be half of one is used, even if nothing tells that it began after the port was opened.
func TestFirstLineProvesItself(t *testing.T) {
	rmc := sum("GPRMC,115958,A,4807.038,N,01131.000,E,0.0,0.0,221126,,")
	for _, c := range []struct {
		format  Format
		line    string
		partial uint64
	}{
		{JSON, `{"t": {"u": 1}}`, 0}, {JSON, `"u": 1}}`, 1}, {JSON, `{"u": 1}}`, 1}, {JSON, `1`, 1}, {JSON, ` [1]`, 0},
		{NMEA, rmc, 0}, {NMEA, rmc[1:], 1}, {NMEA, "xx" + rmc, 1}, {CSV, "1,2", 1},
	} {
		s := NewSensor(parser(t, Config{Format: c.format, Columns: []string{"a", "b"}}), nil)
		s.Run(&chunks{c.line + "\r\n"}, func(reading.Event) {})
		if state := s.State(); state.Partial != c.partial || state.Good != 1-c.partial || state.Bad != 0 {
			t.Errorf("%s: %+v", c.line, state)
		}
	}
}

// chunks is a device that says one chunk after the other.
type chunks []string

func (c *chunks) Read(b []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*c)[0])
	*c = (*c)[1:]
	return n, nil
}

func TestSensor(t *testing.T) {
	told := []uint64{}
	s := NewSensor(parser(t, Config{MaxLine: 32, Time: "none"}), func(s State) { told = append(told, s.Bad) })
	var got []any
	device := chunks{`.5}` + "\n" + `{"t":1}` + "\r\n", "hello\n  \n", "\xff\n", strings.Repeat("x", 40) + "\n", "{\x1b[31m\n", "no\n", `{"t":2}` + "\n{"}
	if err := s.Run(&device, func(e reading.Event) { got = append(got, e.Kwargs["t"]) }); err != io.EOF {
		t.Error(err)
	}
	state := s.State()
	if !reflect.DeepEqual(got, []any{int64(1), int64(2)}) || state.Good != 2 || state.Bad != 5 || state.Long != 1 || state.NotUTF8 != 1 || state.BaudSuspect {
		t.Errorf("%v, %+v", got, state)
	}
	if state.Partial != 1 || state.BadInARow != 0 {
		t.Errorf("%+v", state)
	}
	if state.BadLine != "no" || !strings.HasPrefix(state.BadReason, "not JSON") || !reflect.DeepEqual(told, []uint64{1, 2, 4}) {
		t.Errorf("%+v, told %v", state, told)
	}
}

func TestBaudSuspect(t *testing.T) {
	s := NewSensor(parser(t, Config{}), nil)
	s.received(10, noon)
	s.received(10, noon.Add(6*time.Second))
	if !s.State().BaudSuspect {
		t.Error("octets without a line, and nothing is suspected")
	}
	s.countBad([]byte("hello"), errors.New("no"), noon)
	if s.State().BaudSuspect {
		t.Error("suspected although there is text")
	}
}

func TestShown(t *testing.T) {
	if got := Excerpt([]byte("a\x1b[2Jb\xff ")); got != "a [2Jb\uFFFD" {
		t.Errorf("%q", got)
	}
	if got := Excerpt([]byte(strings.Repeat("x", 500))); len(got) != maxExcerpt+3 {
		t.Errorf("%d octets", len(got))
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{`{"t": 1}`, `1,"a""b",2`, sum("GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"), sum("GPGSV,1,1,1,1,2,3,4"), "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C", `{"t": nan}`, "T:5,H=4", "T=1 H=2", "\xff"} {
		f.Add(line)
	}
	var all []*Parser
	for _, c := range []Config{
		{Topic: "com.{t}"},
		{Format: CSV, Topic: "com.{b}", Columns: []string{"a", "b", "c"}, Time: "a"},
		{Format: NMEA, Topic: "com.{sentence}.{talker}"},
		{Format: KeyValue, Topic: "com.x", Fields: []Field{{Name: "T", Kind: Bits}}},
		{Format: Fixed, Topic: "com.x", Columns: []string{"a", "b"}, Widths: []int{3, 5}, Comma: true, Fields: []Field{{Name: "a", Kind: Hex}, {Name: "b", Kind: Number}}},
		{Format: NMEA, Topic: "com.x", Unchecked: true},
		{Format: Pattern, Topic: "com.x", Pattern: `T=(?P<t>\S+)(?: H=(?P<h>\d+))?`, Latin1: true},
	} {
		p, err := New(c)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, p)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, p := range all {
			e, err := p.Parse([]byte(line), noon)
			if err == nil && (e.Topic == "" || e.Kwargs == nil) {
				t.Errorf("%q: %+v", line, e)
			}
		}
		if body, _, _ := strings.Cut(line, "*"); body != "" {
			all[2].Parse([]byte(sum(body)), noon) // the values of a sentence come behind its checksum
		}
	})
}
