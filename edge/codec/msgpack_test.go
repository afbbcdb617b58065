package codec

import (
	"strings"
	"testing"

	"runnel/edge/wamp"
)

func TestMsgPack(t *testing.T) {
	for _, c := range []wellFormed{
		{name: "positive fixint", octets: "7f", json: "127"},
		{name: "negative fixint", octets: "e0", json: "-32"},
		{name: "negative fixint", octets: "ff", json: "-1"},
		{name: "uint8", octets: "cc ff", json: "255"},
		{name: "uint16", octets: "cd ffff", json: "65535"},
		{name: "uint32", octets: "ce ffffffff", json: "4294967295"},
		{name: "uint64", octets: "cf ffffffffffffffff", json: "18446744073709551615"},
		{name: "int8", octets: "d0 80", json: "-128"},
		{name: "int8, positive", octets: "d0 7f", json: "127"},
		{name: "int16", octets: "d1 8000", json: "-32768"},
		{name: "int32", octets: "d2 80000000", json: "-2147483648"},
		{name: "int64", octets: "d3 8000000000000000", json: "-9223372036854775808"},
		{name: "int64, positive", octets: "d3 7fffffffffffffff", json: "9223372036854775807"},
		{name: "nil", octets: "c0", json: "null"},
		{name: "booleans", octets: "92 c2 c3", json: "[false,true]"},
		{name: "float32", octets: "ca 3fc00000", json: "1.5"},
		{name: "float64", octets: "cb 3ff199999999999a", json: "1.1"},
		{name: "not a number", octets: "cb 7ff8000000000000", json: "null"},
		{name: "fixstr", octets: "a2 c3bc", json: `"ü"`},
		{name: "str8", octets: "d9 01 61", json: `"a"`},
		{name: "str16", octets: "da 0001 61", json: `"a"`},
		{name: "str32", octets: "db 00000001 61", json: `"a"`},
		{name: "bin8", octets: "c4 03 010203", json: `"\u0000AQID"`},
		{name: "bin16", octets: "c5 0001 01", json: `"\u0000AQ=="`},
		{name: "bin32", octets: "c6 00000001 01", json: `"\u0000AQ=="`},
		{name: "fixarray", octets: "92 01 90", json: "[1,[]]"},
		{name: "array16", octets: "dc 0001 01", json: "[1]"},
		{name: "array32", octets: "dd 00000001 01", json: "[1]"},
		{name: "fixmap", octets: "81 a1 61 80", json: `{"a":{}}`},
		{name: "map16", octets: "de 0001 a1 61 01", json: `{"a":1}`},
		{name: "map32", octets: "df 00000001 d9 01 61 01", json: `{"a":1}`},
		{name: "fixext1", octets: "d4 05 01", json: `"\u0000AQ=="`},
		{name: "fixext2", octets: "d5 05 0102", json: `"\u0000AQI="`},
		{name: "fixext16", octets: "d8 05 00000000000000000000000000000000", json: `"\u0000AAAAAAAAAAAAAAAAAAAAAA=="`},
		{name: "ext8", octets: "c7 03 05 010203", json: `"\u0000AQID"`},
		{name: "ext16", octets: "c8 0000 05", json: `"\u0000"`},
		{name: "ext32", octets: "c9 00000001 05 01", json: `"\u0000AQ=="`},
		{name: "timestamp 32", octets: "d6 ff 65920080", json: `"2024-01-01T00:00:00Z"`},
		{name: "timestamp 64", octets: "d7 ff 77359400 65920080", json: `"2024-01-01T00:00:00.5Z"`},
		{name: "timestamp 96", octets: "c7 0c ff 00000001 fffffffffffffffe", json: `"1969-12-31T23:59:58.000000001Z"`},
		{name: "timestamp 96, year 0", octets: "c7 0c ff 00000000 fffffff1868b8400", json: `"0000-01-01T00:00:00Z"`},
		{name: "timestamp before year 0", octets: "c7 0c ff 00000000 fffffff1868b83ff", json: `"\u0000AAAAAP////GGi4P/"`},
		{name: "timestamp, year 9999", octets: "c7 0c ff 00000000 0000003afff4417f", json: `"9999-12-31T23:59:59Z"`},
		{name: "timestamp, year 10000", octets: "c7 0c ff 00000000 0000003afff44180", json: `"\u0000AAAAAAAAADr/9EGA"`},
		{name: "timestamp of too many nanoseconds", octets: "c7 0c ff 3b9aca00 0000000000000000", json: `"\u0000O5rKAAAAAAAAAAAA"`},
		{name: "timestamp of a wrong length", octets: "d4 ff 01", json: `"\u0000AQ=="`},
		{name: "no timestamp", octets: "d6 01 65920080", json: `"\u0000ZZIAgA=="`},

		{name: "nothing", octets: "", fault: faultEnds},
		{name: "never used", octets: "c1", fault: faultForm},
		{name: "number cut", octets: "cd 01", fault: faultEnds},
		{name: "float cut", octets: "cb 00000000000000", fault: faultEnds},
		{name: "text cut", octets: "a2 61", fault: faultEnds},
		{name: "length cut", octets: "da 00", fault: faultEnds},
		{name: "huge text", octets: "db ffffffff 61", fault: faultEnds},
		{name: "huge bin", octets: "c6 ffffffff 61", fault: faultEnds},
		{name: "huge list", octets: "dd ffffffff 01", fault: faultEnds},
		{name: "huge map", octets: "df ffffffff a1 61 01", fault: faultEnds},
		{name: "huge ext", octets: "c9 ffffffff 05 01", fault: faultEnds},
		{name: "ext without data", octets: "d4 05", fault: faultEnds},
		{name: "ext without a type", octets: "c7 00", fault: faultEnds},
		{name: "list cut", octets: "92 01", fault: faultEnds},
		{name: "not UTF-8", octets: "a1 ff", fault: faultText},
		{name: "not UTF-8", octets: "d9 01 ff", fault: faultText},
		{name: "key an integer", octets: "81 01 02", fault: faultKey},
		{name: "key a bin", octets: "81 c4 01 61 02", fault: faultKey},
		{name: "key nil", octets: "81 c0 02", fault: faultKey},
		{name: "key not UTF-8", octets: "81 a1 ff 02", fault: faultText},
		{name: "nested lists", octets: strings.Repeat("91", MaxDepth+1) + "01", fault: faultDepth},
		{name: "nested maps", octets: strings.Repeat("81 a1 61", MaxDepth+1) + "01", fault: faultDepth},
		{name: "nested array32", octets: strings.Repeat("dd 00000001", MaxDepth+1) + "01", fault: faultDepth},
	} {
		c.run(t, wamp.MsgPack)
	}
}

func TestMsgPackMessages(t *testing.T) {
	for octets, want := range map[string]string{
		"dc 0005 10 01 80 a1 61 91 01":               `[16,1,{},"a",[1]]`,
		"dd 00000004 d0 10 d1 0001 de 0000 d9 01 61": `[16,1,{},"a"]`,
		"94 10 d3 0020000000000000 80 a1 61":         `[16,9007199254740992,{},"a"]`,
		"95 10 01 80 a1 61 c5 0001 01":               `[16,1,{},"a","\u0000AQ=="]`,
	} {
		m := parse(t, wamp.MsgPack, spaced(t, octets))
		if got, err := Append(nil, wamp.JSON, m); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", octets, got, err, want)
		}
	}
	for octets, want := range map[string]string{
		"":                                   "message: the message ends early",
		"dc 00":                              "message: the message ends early",
		"90":                                 "message: an empty list",
		"90 10":                              "message: an empty list",
		"dd ffffffff 10 01 80 a1 61":         "PUBLISH: more than 6 elements",
		"dd 00000006 10 01 80 a1 61":         "PUBLISH: arguments: the message ends early",
		"94 10 d0 ff 80 a1 61":               "PUBLISH: request is not an id",
		"94 10 ff 80 a1 61":                  "PUBLISH: request is not an id",
		"94 10 cb 3ff0000000000000 80 a1 61": "PUBLISH: request is not an id",
		"94 10 cf 0020000000000001 80 a1 61": "PUBLISH: request is not an id",
		"94 10 c3 80 a1 61":                  "PUBLISH: request is not an id",
		"94 10 01 80 c4 01 61":               "PUBLISH: topic is not a string",
		"94 10 01 80 a1 ff":                  "PUBLISH: topic: a string is not UTF-8",
		"94 10 01 80 a1 61 00":               "PUBLISH: data after the end of the message",
		"95 10 01 80 a1 61 d4 05 01":         "PUBLISH: arguments is neither a list nor a binary",
		"95 10 01 80 a1 61 91 c1":            "PUBLISH: arguments: an invalid first octet of a value",
		"96 10 01 80 a1 61 90 81 01 02":      "PUBLISH: keyword arguments: a map key is not a string",
	} {
		var m Message
		if err := Parse(wamp.MsgPack, spaced(t, octets), &m); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", octets, err, want)
		}
	}
}
