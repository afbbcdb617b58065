package codec

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

func TestTranscode(t *testing.T) {
	const c, m, j = wamp.CBOR, wamp.MsgPack, wamp.JSON
	text := func(s string) string { return fmt.Sprintf("%x", s) }
	for _, x := range []struct {
		name string
		from wamp.Serializer
		in   string
		to   wamp.Serializer
		want string
	}{
		{"int64", c, "3b 7fffffffffffffff", m, "d3 8000000000000000"},
		{"int64", m, "d3 8000000000000000", c, "3b 7fffffffffffffff"},
		{"int64 to its shortest form", m, "d3 0000000000000001", c, "01"},
		{"negative to its shortest form", m, "d3 ffffffffffffffff", c, "20"},
		{"uint64", c, "1b ffffffffffffffff", m, "cf ffffffffffffffff"},
		{"2^53 + 1", j, text("9007199254740993"), c, "1b 0020000000000001"},
		{"2^53 + 1", j, text("9007199254740993"), m, "cf 0020000000000001"},
		{"-2^63", j, text("-9223372036854775808"), m, "d3 8000000000000000"},
		{"-2^63 - 1", j, text("-9223372036854775809"), c, "3b 8000000000000000"},
		{"-2^63 - 1", j, text("-9223372036854775809"), m, "cb c3e0000000000000"},
		{"-2^64", j, text("-18446744073709551616"), c, "3b ffffffffffffffff"},
		{"-2^64", c, "3b ffffffffffffffff", m, "cb c3f0000000000000"},
		{"2^64 - 1", j, text("18446744073709551615"), m, "cf ffffffffffffffff"},
		{"2^64", j, text("18446744073709551616"), c, "fb 43f0000000000000"},
		{"2^64", j, text("18446744073709551616"), m, "cb 43f0000000000000"},
		{"-2^64 - 1", j, text("-18446744073709551617"), c, "fb c3f0000000000000"},
		{"fraction", j, text("1.0"), c, "fb 3ff0000000000000"},
		{"exponent", j, text("1e2"), m, "cb 4059000000000000"},
		{"-0", j, text("-0"), c, "00"},
		{"-0.0", j, text("-0.0"), c, "fb 8000000000000000"},
		{"beyond float64", j, text("1e999"), c, "fb 7ff0000000000000"},
		{"beyond float64", j, text("-1e999"), m, "cb fff0000000000000"},
		{"bignum", c, "c2 49 010000000000000000", m, "cb 43f0000000000000"},
		{"negative bignum", c, "c3 49 010000000000000000", m, "cb c3f0000000000000"},
		{"too long a bignum", c, "c2 58 81 01" + strings.Repeat("00", 128), m, "cb 7ff0000000000000"},
		{"too long a negative bignum", c, "c3 58 81 01" + strings.Repeat("00", 128), m, "cb fff0000000000000"},
		{"bignum of 64 bits", c, "c2 48 ffffffffffffffff", m, "cf ffffffffffffffff"},
		{"float16", c, "f9 3c00", m, "cb 3ff0000000000000"},
		{"float32", c, "fa 3fc00000", m, "cb 3ff8000000000000"},
		{"float32", m, "ca 3fc00000", c, "fb 3ff8000000000000"},
		{"not a number", c, "f9 7e00", m, "cb 7ff8000000000001"},
		{"undefined", c, "f7", m, "c0"},
		{"undefined of msgpackr", m, "d4 00 00", j, text("null")},
		{"undefined of msgpackr", m, "d4 00 00", c, "f6"},
		{"null", m, "c0", c, "f6"},
		{"booleans", m, "92 c2 c3", c, "82 f4 f5"},
		{"bytes", c, "42 0102", m, "c4 02 0102"},
		{"bytes", m, "c5 0002 0102", c, "42 0102"},
		{"ext", m, "d5 07 0102", c, "42 0102"},
		{"timestamp", m, "d6 ff 65920080", c, "74" + text("2024-01-01T00:00:00Z")},
		{"binary", j, text(`"\u0000AQI="`), m, "c4 02 0102"},
		{"binary", j, text(`["\u0000",{"a":"\u0000AQI="}]`), c, "82 40 a1 61 61 42 0102"},
		{"no binary", j, text(`"\u0000AQI"`), c, "64 00" + text("AQI")},
		{"key that looks like a binary", j, text(`{"\u0000AQI=":1}`), c, "a1 65 00" + text("AQI=") + "01"},
		{"text in chunks", c, "7f 61 61 61 62 ff", m, "a2 6162"},
		{"escapes", j, text(`"\u00fc\ud83d\ude00\/"`), m, "a7 c3bc f09f9880 2f"},
		{"all escapes", j, text(`"\"\\\/\b\f\n\r\t\u001f"`), c, "69 22 5c 2f 08 0c 0a 0d 09 1f"},
		{"all escapes", c, "69 22 5c 2f 08 0c 0a 0d 09 1f", j, text(`"\"\\/\b\f\n\r\t\u001f"`)},
		{"indefinite list", c, "9f 01 9f ff ff", m, "92 01 90"},
		{"indefinite map", c, "bf 61 61 bf ff ff", m, "81 a1 61 80"},
		{"indefinite to JSON", c, "bf 61 61 9f f4 ff 61 62 f6 ff", j, text(`{"a":[false],"b":null}`)},
		{"spaces", j, text(" [ 1 , { \"a\" : [ ] } ] "), c, "82 01 a1 61 61 80"},
		{"spaces around, to itself", j, text(" [ 1 ] "), j, text("[ 1 ]")},
		{"to itself", c, "9f f9 3c00 ff", c, "9f f9 3c00 ff"},
		{"same names twice", j, text(`{"a":1,"a":2}`), m, "82 a1 61 01 a1 61 02"},
	} {
		got, err := Transcode([]byte{0xee}, x.to, x.from, spaced(t, x.in))
		if want := append([]byte{0xee}, spaced(t, x.want)...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v to %v: %x %q, %v, want %x", x.name, x.from, x.to, got, got, err, want)
		}
	}
}

// Counts around the limits of every head width, known beforehand and not.
func TestTranscodeSizes(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 23, 24, 25, 31, 32, 255, 256, 257, 65535, 65536, 65537} {
		list := make([]any, n)
		dict := make(map[string]any, n)
		for i := range list {
			list[i] = int64(i)
			dict[fmt.Sprint(i)] = int64(i)
		}
		for name, v := range map[string]any{"list": list, "dict": dict, "text": strings.Repeat("x", n), "bytes": make([]byte, n),
			"nested": []any{list, int64(1), map[string]any{"a": list}, "end"}} {
			sameEverywhere(t, fmt.Sprintf("%s of %d", name, n), v)
		}
		// the indefinite form of the same in CBOR
		data := append([]byte{0x9f}, bytes.Repeat([]byte{0xf6}, n)...)
		got, err := Transcode(nil, wamp.MsgPack, wamp.CBOR, append(data, 0xff))
		if want, _ := AppendValue(nil, wamp.MsgPack, make([]any, n)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("indefinite list of %d: %v", n, err)
		}
	}
}

// sameEverywhere checks that transcoding v gives the same bytes as encoding it.
func sameEverywhere(t *testing.T, name string, v any) {
	encoded := map[wamp.Serializer][]byte{}
	for _, s := range wamp.Serializers {
		data, err := AppendValue(nil, s, v)
		if err != nil {
			t.Fatal(err)
		}
		encoded[s] = data
	}
	for from, data := range encoded {
		for to, want := range encoded {
			got, err := Transcode(nil, to, from, data)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v to %v: %.60q, %v, want %.60q", name, from, to, got, err, want)
			}
		}
	}
}

func TestTranscodeRefuses(t *testing.T) {
	for _, from := range wamp.Serializers {
		for _, to := range wamp.Serializers {
			for _, data := range []string{"", "\xc1", "\"\xff\"", "\x61\xff", "\xa1\xff"} {
				if got, err := Transcode([]byte("before"), to, from, []byte(data)); err == nil || string(got) != "before" {
					t.Errorf("%v to %v: %x: %q, %v", from, to, data, got, err)
				}
			}
			two := append(in(t, from, "[1]"), in(t, from, "[1]")...)
			if _, err := Transcode(nil, to, from, two); err == nil {
				t.Errorf("%v to %v: two values taken for one", from, to)
			}
		}
	}
	if _, err := Transcode(nil, 0, wamp.JSON, []byte("1")); err == nil {
		t.Error("to no serializer: no error")
	}
	if _, err := Transcode(nil, wamp.JSON, 0, []byte("1")); err == nil {
		t.Error("from no serializer: no error")
	}
}

func TestJSONFloat(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0.0"}, {math.Copysign(0, -1), "-0.0"}, {1, "1.0"}, {1.5, "1.5"}, {-1e20, "-100000000000000000000.0"}, {1e21, "1e+21"},
		{1e-6, "0.000001"}, {1e-7, "1e-07"}, {math.MaxFloat64, "1.7976931348623157e+308"}, {5e-324, "5e-324"},
		{math.Inf(1), "null"}, {math.Inf(-1), "null"}, {math.NaN(), "null"},
	} {
		if got := string(jsonAppendFloat(nil, c.f)); got != c.want {
			t.Errorf("%v: %s, want %s", c.f, got, c.want)
		}
	}
}
