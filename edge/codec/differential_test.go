package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/tinylib/msgp/msgp"

	"runnel/edge/wamp"
)

// These tests compare the codec with other libraries.

// randomValue returns a value of the types that Value.Any returns.
func randomValue(r *rand.Rand, depth int) any {
	kinds := 12
	if depth == 0 {
		kinds = 10
	}
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return int64(r.Uint64()) >> r.IntN(64)
	case 3:
		return int64(r.IntN(300) - 150)
	case 4:
		return r.Uint64() | 1<<63
	case 5:
		return r.NormFloat64() * math.Pow(10, float64(r.IntN(60)-30))
	case 6:
		return float64(r.IntN(1000))
	case 7, 8:
		return randomText(r)
	case 9:
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case 10:
		list := make([]any, r.IntN(20))
		for i := range list {
			list[i] = randomValue(r, depth-1)
		}
		return list
	}
	dict := map[string]any{}
	for range r.IntN(20) {
		dict[randomText(r)] = randomValue(r, depth-1)
	}
	return dict
}

func randomText(r *rand.Rand) string {
	alphabet := []rune("abcdefghijklmnop 0123456789\"\\/\n\t\x01\x7füß€😀\u2028")
	text := make([]rune, r.IntN(40))
	for i := range text {
		text[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(text)
}

func eachRandom(t *testing.T, n int, f func(v any)) {
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		f(randomValue(r, 4))
		if t.Failed() {
			return
		}
	}
}

var cborDecoder = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		IntDec: cbor.IntDecConvertNone, DefaultMapType: reflect.TypeFor[map[string]any](), MaxNestedLevels: 200, UTF8: cbor.UTF8DecodeInvalid,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// plain converts the types that other decoders return to those that Value.Any returns.
func plain(v any) any {
	switch v := v.(type) {
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
	case []byte:
		return append([]byte{}, v...) // not nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case map[string]any:
		dict := map[string]any{}
		for k := range v {
			dict[k] = plain(v[k])
		}
		return dict
	case json.Number:
		return jsonPlain(v)
	case string:
		if b, ok := jsonDecodeBinary([]byte{}, jsonInside(v)); ok {
			return b
		}
	}
	return v
}

// jsonInside returns the part of a text's JSON string between the quotes.
func jsonInside(v string) []byte {
	quoted := jsonAppendText(nil, []byte(v))
	return quoted[1 : len(quoted)-1]
}

func jsonPlain(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	var u uint64
	if _, err := fmt.Sscanf(string(n), "%d", &u); err == nil && fmt.Sprint(u) == string(n) {
		return u
	}
	f, _ := n.Float64()
	return f
}

func TestAgainstCBOR(t *testing.T) {
	modes := []cbor.EncOptions{{}, cbor.CanonicalEncOptions(), cbor.CTAP2EncOptions(), cbor.PreferredUnsortedEncOptions()}
	eachRandom(t, 3000, func(v any) {
		for i, options := range modes {
			mode, err := options.EncMode()
			if err != nil {
				t.Fatal(err)
			}
			data, err := mode.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := (Value{wamp.CBOR, data}).Any(); err != nil || !reflect.DeepEqual(got, v) {
				t.Errorf("mode %d: %x: %#v, %v, want %#v", i, data, got, err, v)
			}
		}
		data, err := AppendValue(nil, wamp.CBOR, v)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := cborDecoder.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(plain(got), v) {
			t.Errorf("%x: their %#v, %v, want %#v", data, got, err, v)
		}
	})
}

func TestAgainstMsgPack(t *testing.T) {
	eachRandom(t, 3000, func(v any) {
		data, err := msgp.AppendIntf(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := (Value{wamp.MsgPack, data}).Any(); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%x: %#v, %v, want %#v", data, got, err, v)
		}
		data, err = AppendValue(nil, wamp.MsgPack, v)
		if err != nil {
			t.Fatal(err)
		}
		got, rest, err := msgp.ReadIntfBytes(data)
		if err != nil || len(rest) > 0 || !reflect.DeepEqual(plain(got), v) {
			t.Errorf("%x: their %#v, %v, want %#v", data, got, err, v)
		}
	})
}

func TestAgainstJSON(t *testing.T) {
	eachRandom(t, 3000, func(v any) {
		data, err := AppendValue(nil, wamp.JSON, v)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var theirs any
		if err := d.Decode(&theirs); err != nil || !reflect.DeepEqual(plain(theirs), v) {
			t.Errorf("%s: their %#v, %v, want %#v", data, theirs, err, v)
		}
		// The library's encoding of its own result, indented and escaped for HTML.
		data, err = json.MarshalIndent(theirs, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.TrimSpace(data)
		got, err := (Value{wamp.JSON, data}).Any()
		if err != nil || !reflect.DeepEqual(got, plain(theirs)) {
			t.Errorf("%s: %#v, %v", data, got, err)
		}
	})
}

// Transcoding gives the same result as decoding and encoding.
func TestAgainstItself(t *testing.T) {
	eachRandom(t, 1000, func(v any) { sameEverywhere(t, "random value", v) })
}

// agree checks that a scanner and the library agree about some octets, except for octets that only this package
// rejects.
func agree(t *testing.T, s wamp.Serializer, data []byte) {
	end := skip(s, data, 0, MaxDepth)
	ours := end == len(data)
	var theirs bool
	switch s {
	case wamp.CBOR:
		if strconv.IntSize == 32 {
			return // the library truncates lengths to 32 bits and accepts the remaining value
		}
		theirs = cborDecoder.Wellformed(data) == nil
	case wamp.MsgPack:
		rest, err := msgp.Skip(data)
		theirs = err == nil && len(rest) == 0
	case wamp.JSON:
		end = jsonSkip(data, jsonSpace(data, 0), MaxDepth)
		ours = end > 0 && jsonSpace(data, end) == len(data)
		theirs = json.Valid(data)
	}
	if ours && !theirs {
		t.Errorf("%v: only we accept %x %q", s, data, data)
	}
	if theirs && !ours {
		switch fault(-end) {
		case faultText, faultKey, faultDepth, faultSurrogate:
		default:
			t.Errorf("%v: only they accept %x %q: %v", s, data, data, fault(-min(end, 0)))
		}
	}
}

func TestWellFormedness(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, s := range wamp.Serializers {
		for range 200_000 {
			data := make([]byte, 1+r.IntN(12))
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			if s == wamp.JSON {
				alphabet := `[]{},:"\u0dD8e+-.123 truefalsn` + "\n\x80"
				for i := range data {
					data[i] = alphabet[int(data[i])%len(alphabet)]
				}
			}
			agree(t, s, data)
		}
		eachRandom(t, 300, func(v any) {
			data, err := AppendValue(nil, s, v)
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				mutated := bytes.Clone(data)
				mutated[r.IntN(len(mutated))] = byte(r.Uint32())
				agree(t, s, mutated)
			}
		})
	}
}
