package codec

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

// spaced decodes hex digits with spaces.
func spaced(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wellFormed is a scanner's result for some octets: the value in JSON, or the fault.
type wellFormed struct {
	name, octets string
	json         string // the value in JSON
	fault        fault  // or why it is malformed
}

func (c wellFormed) run(t *testing.T, s wamp.Serializer) {
	t.Helper()
	data := spaced(t, c.octets)
	end := skip(s, data, 0, MaxDepth)
	if c.fault != faultNone {
		if end != c.fault.at() {
			t.Errorf("%s: %s: %d (%v)", c.name, c.octets, end, fault(-min(end, 0)))
		}
		if _, err := (Value{s, data}).Any(); err == nil {
			t.Errorf("%s: %s: decoded", c.name, c.octets)
		}
		return
	}
	if end != len(data) {
		t.Errorf("%s: %s: ends at %d", c.name, c.octets, end)
		return
	}
	got, err := Transcode(nil, wamp.JSON, s, data)
	if err != nil || string(got) != c.json {
		t.Errorf("%s: %s: %s, %v, want %s", c.name, c.octets, got, err, c.json)
	}
	if _, err := (Value{s, data}).Any(); err != nil {
		t.Errorf("%s: %s: %v", c.name, c.octets, err)
	}
}

func TestCBOR(t *testing.T) {
	for _, c := range []wellFormed{
		{name: "uint", octets: "00", json: "0"},
		{name: "uint", octets: "17", json: "23"},
		{name: "uint8, not its shortest form", octets: "18 05", json: "5"},
		{name: "uint16", octets: "19 0100", json: "256"},
		{name: "uint32", octets: "1a 00010000", json: "65536"},
		{name: "uint64", octets: "1b ffffffffffffffff", json: "18446744073709551615"},
		{name: "negative", octets: "20", json: "-1"},
		{name: "least int64", octets: "3b 7fffffffffffffff", json: "-9223372036854775808"},
		{name: "least of all", octets: "3b ffffffffffffffff", json: "-18446744073709551616"},
		{name: "bytes", octets: "43 010203", json: `"\u0000AQID"`},
		{name: "no bytes", octets: "40", json: `"\u0000"`},
		{name: "bytes in chunks", octets: "5f 41 01 40 42 0203 ff", json: `"\u0000AQID"`},
		{name: "text", octets: "63 c3bc 41", json: `"üA"`},
		{name: "text in chunks", octets: "7f 61 41 60 62 c3bc ff", json: `"Aü"`},
		{name: "text in no chunks", octets: "7f ff", json: `""`},
		{name: "text with escapes", octets: "67 22 5c 0a 00 1f 7f 2f", json: `"\"\\\n\u0000\u001f` + "\x7f" + `/"`},
		{name: "list", octets: "83 01 80 82 02 03", json: "[1,[],[2,3]]"},
		{name: "list, not its shortest form", octets: "98 01 01", json: "[1]"},
		{name: "indefinite list", octets: "9f 01 9f 02 ff ff", json: "[1,[2]]"},
		{name: "map", octets: "a2 61 61 01 61 62 a0", json: `{"a":1,"b":{}}`},
		{name: "indefinite map", octets: "bf 61 61 01 7f 61 62 61 63 ff 02 ff", json: `{"a":1,"bc":2}`},
		{name: "key that looks like a binary", octets: "a1 61 00 01", json: `{"\u0000":1}`},
		{name: "tag", octets: "c1 1a 514b67b0", json: "1363896240"},
		{name: "date text", octets: "c0 61 32", json: `"2"`},
		{name: "tag of eight octets", octets: "db 0000000000000001 05", json: "5"},
		{name: "bignum", octets: "c2 49 010000000000000000", json: "18446744073709551616"},
		{name: "negative bignum", octets: "c3 49 010000000000000000", json: "-18446744073709551617"},
		{name: "small bignum", octets: "c2 43 000001", json: "1"},
		{name: "no bignum", octets: "c2 40", json: "0"},
		{name: "bignum in chunks", octets: "c2 5f 45 0100000000 44 00000000 ff", json: "18446744073709551616"},
		{name: "bignum of text", octets: "c2 61 31", json: `"1"`},
		{name: "longest bignum", octets: "c2 58 80" + strings.Repeat("ff", 128), json: power(1024, -1)},
		{name: "too long a bignum", octets: "c2 58 81 01" + strings.Repeat("00", 128), json: "null"},
		{name: "long zeros", octets: "c2 58 81" + strings.Repeat("00", 128) + "07", json: "7"},
		{name: "booleans", octets: "82 f4 f5", json: "[false,true]"},
		{name: "null", octets: "f6", json: "null"},
		{name: "undefined", octets: "f7", json: "null"},
		{name: "unassigned", octets: "e0", json: "null"},
		{name: "unassigned", octets: "f8 ff", json: "null"},
		{name: "least simple value of the long form", octets: "f8 20", json: "null"},
		{name: "float16", octets: "f9 3c00", json: "1.0"},
		{name: "float16, subnormal", octets: "f9 0001", json: "5.960464477539063e-08"},
		{name: "float16, largest", octets: "f9 7bff", json: "65504.0"},
		{name: "float16, -0", octets: "f9 8000", json: "-0.0"},
		{name: "float16, infinite", octets: "f9 fc00", json: "null"},
		{name: "float16, not a number", octets: "f9 7e00", json: "null"},
		{name: "float32", octets: "fa 3fc00000", json: "1.5"},
		{name: "float32, widened", octets: "fa 3dcccccd", json: "0.10000000149011612"},
		{name: "float64", octets: "fb 3ff199999999999a", json: "1.1"},
		{name: "float64, large", octets: "fb 7e37e43c8800759c", json: "1e+300"},
		{name: "float64, infinite", octets: "fb 7ff0000000000000", json: "null"},

		{name: "nothing", octets: "", fault: faultEnds},
		{name: "argument cut", octets: "19 01", fault: faultEnds},
		{name: "reserved argument", octets: "1c", fault: faultForm},
		{name: "indefinite integer", octets: "1f", fault: faultForm},
		{name: "indefinite tag", octets: "df 00", fault: faultForm},
		{name: "break alone", octets: "ff", fault: faultForm},
		{name: "break for an item", octets: "81 ff", fault: faultForm},
		{name: "break for a value", octets: "bf 61 61 ff", fault: faultForm},
		{name: "bytes cut", octets: "42 01", fault: faultEnds},
		{name: "huge bytes", octets: "5b ffffffffffffffff 01", fault: faultEnds},
		{name: "huge text", octets: "7b 8000000000000000 01", fault: faultEnds},
		{name: "huge list", octets: "9b 7fffffffffffffff 01", fault: faultEnds},
		{name: "huge map", octets: "bb 8000000000000001 61 61 01", fault: faultEnds},
		{name: "list cut", octets: "82 01", fault: faultEnds},
		{name: "indefinite list cut", octets: "9f 01", fault: faultEnds},
		{name: "indefinite text cut", octets: "7f 61 61", fault: faultEnds},
		{name: "tag cut", octets: "c1", fault: faultEnds},
		{name: "not UTF-8", octets: "61 ff", fault: faultText},
		{name: "surrogate", octets: "63 eda080", fault: faultText},
		{name: "overlong", octets: "62 c080", fault: faultText},
		{name: "not UTF-8 after 40 octets", octets: "78 29" + strings.Repeat("61", 40) + "c3", fault: faultText},
		{name: "character across chunks", octets: "7f 61 c3 61 bc ff", fault: faultText},
		{name: "bytes in text chunks", octets: "7f 41 61 ff", fault: faultForm},
		{name: "chunks in chunks", octets: "7f 7f ff ff", fault: faultForm},
		{name: "key an integer", octets: "a1 01 02", fault: faultKey},
		{name: "key bytes", octets: "a1 41 61 02", fault: faultKey},
		{name: "key a tagged text", octets: "a1 c0 61 61 02", fault: faultKey},
		{name: "key an integer, indefinite", octets: "bf 01 02 ff", fault: faultKey},
		{name: "key not UTF-8", octets: "a1 61 ff 02", fault: faultText},
		{name: "long form of a short simple value", octets: "f8 14", fault: faultForm},
		{name: "long form of a reserved simple value", octets: "f8 1f", fault: faultForm},
		{name: "reserved simple values", octets: "fc", fault: faultForm},
		{name: "nested lists", octets: strings.Repeat("81", MaxDepth+1) + "01", fault: faultDepth},
		{name: "nested indefinite lists", octets: strings.Repeat("9f", MaxDepth+1), fault: faultDepth},
		{name: "nested tags", octets: strings.Repeat("c1", MaxDepth+1) + "01", fault: faultDepth},
		{name: "nested maps", octets: strings.Repeat("a1 61 61", MaxDepth+1) + "01", fault: faultDepth},
	} {
		c.run(t, wamp.CBOR)
	}
}

// power returns 2^n + plus.
func power(n uint, plus int64) string {
	v := token{bytes: make([]byte, n/8+1), count: 2}
	v.bytes[0] = 1 << (n % 8)
	i := bigInt(&v)
	return i.Add(i, bigInt(&token{bytes: []byte{0}, count: 2}).SetInt64(plus)).String()
}

func TestCBORMessages(t *testing.T) {
	for octets, want := range map[string]string{
		"9f 10 01 a0 61 61 81 01 ff":                     `[16,1,{},"a",[1]]`, // indefinite length
		"9f 10 01 bf ff 61 61 9f ff ff":                  `[16,1,{},"a",[]]`,
		"98 04 18 10 18 01 b8 00 78 01 61":               `[16,1,{},"a"]`,
		"84 10 1b 0020000000000000 a0 7f 61 61 61 62 ff": `[16,9007199254740992,{},"ab"]`,
		"85 10 01 a0 61 61 5f 41 01 ff":                  `[16,1,{},"a","\u0000AQ=="]`,
	} {
		m := parse(t, wamp.CBOR, spaced(t, octets))
		if got, err := Append(nil, wamp.JSON, m); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", octets, got, err, want)
		}
		got, err := Append(nil, wamp.CBOR, m)
		if err != nil {
			t.Errorf("%s: %v", octets, err)
		}
		parse(t, wamp.CBOR, got)
	}
	for octets, want := range map[string]string{
		"":                              "message: the message ends early",
		"9f":                            "message: the message ends early",
		"9f ff":                         "message: an empty list",
		"9f 10 01 a0 61 61":             "message: the message ends early",
		"9f 10 01 a0 61 61 ff 00":       "PUBLISH: data after the end of the message",
		"84 10 01 a0 61 61 00":          "PUBLISH: data after the end of the message",
		"d9 d9f7 84 10 01 a0 61 61":     "message: not a list",
		"80":                            "message: an empty list",
		"80 10":                         "message: an empty list",
		"98 ff 10 01 a0 61 61":          "PUBLISH: more than 6 elements",
		"9b ffffffffffffffff 10 01 a0":  "PUBLISH: more than 6 elements",
		"81 20":                         "message: the type is not an integer",
		"84 10 f9 3c00 a0 61 61":        "PUBLISH: request is not an id",
		"84 10 c0 01 a0 61 61":          "PUBLISH: request is not an id",
		"84 10 01 c0 a0 61 61":          "PUBLISH: options is not a dict",
		"84 10 01 a0 41 61":             "PUBLISH: topic is not a string",
		"84 10 01 a0 61 ff":             "PUBLISH: topic: a string is not UTF-8",
		"84 10 01 a0 7f 61 61":          "PUBLISH: topic: the message ends early",
		"85 10 01 a0 61 61 c0 80":       "PUBLISH: arguments is neither a list nor a binary",
		"85 10 01 a0 61 61 81 61 ff":    "PUBLISH: arguments: a string is not UTF-8",
		"86 10 01 a0 61 61 80 a1 01 02": "PUBLISH: keyword arguments: a map key is not a string",
	} {
		var m Message
		if err := Parse(wamp.CBOR, spaced(t, octets), &m); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", octets, err, want)
		}
	}
}

func TestHalfFloat(t *testing.T) {
	for h := range 1 << 16 {
		got := halfFloat(uint16(h))
		exponent, fraction := h>>10&31, h&0x3ff
		switch {
		case exponent == 31 && fraction != 0:
			if !math.IsNaN(got) {
				t.Fatalf("%#x: %v", h, got)
			}
			continue
		case math.Signbit(got) != (h&0x8000 != 0):
			t.Fatalf("%#x: %v has the wrong sign", h, got)
		}
		want := math.Inf(1)
		if exponent != 31 {
			want = math.Float64frombits(uint64(exponent-15+1023)<<52 | uint64(fraction)<<42)
		}
		if exponent == 0 {
			want = float64(fraction) / (1 << 24)
		}
		if math.Abs(got) != want {
			t.Fatalf("%#x: %v, want %v", h, got, want)
		}
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
