package lines

import (
	"reflect"
	"strings"
	"testing"

	"runnel/transport/serial/reading"
)

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
		{name: "json null", line: `null`, args: []any{nil}, kwargs: fields{"time": stamp}},
		{name: "json text with the mark of unusable values", line: `"\u0000no JSON: x"`, err: `not JSON: value: "x" is not JSON`},
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
