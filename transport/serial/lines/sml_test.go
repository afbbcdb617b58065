package lines

import (
	"encoding/binary"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"runnel/transport/serial/sml"
)

// smlOf returns a telegram with one message, which has a value: an octet string of a length below 14.
func smlOf(value string) string {
	unhex := func(digits string) string {
		b, _ := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		return string(b)
	}
	body := unhex("76 0274 6200 6200 72 630701 77 01 0237 01 01 71 77 070100600505ff 01 01 01 01") + string(rune(len(value)+1)) + value + unhex("01 01 01 63 0000 00")
	fill := -len(body) & 3
	body = strings.ReplaceAll(body+strings.Repeat("\x00", fill), sml.Escape, sml.Escape+sml.Escape)
	b := []byte(sml.Begin + body + sml.End + string(rune(fill)))
	return string(binary.LittleEndian.AppendUint16(b, checks["crc16-x25"].compute(b)))
}

// Telegrams with SML are found between others, however the bytes are split. A telegram with a wrong CRC, a truncated
// one, and one with an unknown escape sequence are dropped. Data that looks like an end does not end a telegram.
func TestSML(t *testing.T) {
	good, escaped := smlOf("EMH"), smlOf("\x1b\x1b\x1b\x1b\x1a\x00\x00\x00")
	wrong := good[:len(good)-1] + string(good[len(good)-1]^1)
	stream := good[10:] + escaped + wrong + good[:20] + good + "noise\x1b\x1b" + good + sml.Begin + sml.Escape + "\x02\x00\x00\x00" + escaped
	for _, size := range []int{1, 3, 7, len(stream)} {
		var chunks []string
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		var telegrams []string
		for _, f := range framed(t, smlTelegram, chunks...) {
			if f.err == "" {
				telegrams = append(telegrams, f.text)
			}
		}
		if want := []string{escaped, good, good, escaped}; !reflect.DeepEqual(telegrams, want) {
			t.Errorf("in pieces of %d: %x\nwant %x", size, telegrams, want)
		}
	}
	for telegram, want := range map[string]any{good: "EMH", escaped: "1b1b1b1b1a000000"} {
		e, err := parser(t, Config{Format: SML, Time: TimeNone}).Parse([]byte(telegram), noon)
		if wanted := (fields{"server": "7", "1-0:96.5.5": want}); err != nil || !reflect.DeepEqual(e.Kwargs, wanted) {
			t.Errorf("%v, %v, want %v", e.Kwargs, err, wanted)
		}
	}
	if _, err := New(Config{Format: SML, Topic: "com.example", Telegram: &Telegram{Length: 5}}); err == nil || !strings.Contains(err.Error(), "sml has telegrams of its own") {
		t.Error(err)
	}
}
