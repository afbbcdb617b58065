package sml

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// octet returns an octet string.
func octet(text string) string {
	n := len(text) + 1
	if n > 15 {
		return string([]byte{0x80 | byte((n+1)>>4), byte((n + 1) & 15)}) + text
	}
	return string([]byte{byte(n)}) + text
}

// of returns a list.
func of(elements ...string) string {
	if len(elements) > 15 {
		return string([]byte{0xf0 | byte(len(elements)>>4), byte(len(elements) & 15)}) + strings.Join(elements, "")
	}
	return string([]byte{0x70 | byte(len(elements))}) + strings.Join(elements, "")
}

const none = "\x01"

// message returns a message with a tag.
func message(tag uint16, body string) string {
	return of(octet("t1"), "\x62\x00", "\x62\x00", of("\x63"+string(binary.BigEndian.AppendUint16(nil, tag)), body), "\x63\x12\x34", "\x00")
}

// entry returns a value with its code, unit and scaler.
func entry(code, unit, scaler, value string) string {
	return of(octet(code), none, none, unit, scaler, value, none)
}

// file wraps messages into the escape sequences of a telegram.
func file(messages ...string) []byte {
	body := strings.Join(messages, "")
	fill := -len(body) & 3
	escaped := strings.ReplaceAll(body+strings.Repeat("\x00", fill), Escape, Escape+Escape)
	return binary.LittleEndian.AppendUint16([]byte(Begin+escaped+End+string(rune(fill))), 0) // the CRC is verified elsewhere
}

// response is the message with a meter's values.
func response(server string, entries ...string) string {
	return message(getListResponse, of(none, octet(server), none, of("\x62\x01", "\x65\x00\x01\x02\x03"), of(entries...), none, none))
}

const server = "\x0a\x01EMH\x00\x00\x12\xd6\x87"

func TestRead(t *testing.T) {
	const power, wh, watt, tenth = "\x01\x00\x10\x07\x00\xff", "\x62\x1e", "\x62\x1b", "\x52\xff"
	open, closing := message(0x0101, of(none, none, octet("r"), octet(server), none, none)), message(0x0201, of(none))
	for _, c := range []struct {
		name, entry string
		want        Entry
	}{
		{"tenths of Wh", entry("\x01\x00\x01\x08\x00\xff", wh, tenth, "\x59\x00\x00\x00\x00\x00\xbc\x61\x4e"), Entry{"1-0:1.8.0", 1234567.8, "Wh"}},
		{"a short negative number", entry(power, watt, tenth, "\x53\xfb\x2e"), Entry{"1-0:16.7.0", -123.4, "W"}},
		{"three bytes", entry(power, watt, "\x52\x00", "\x54\xff\xff\xfe"), Entry{"1-0:16.7.0", int64(-2), "W"}},
		{"a positive power", entry(power, watt, "\x52\x03", "\x62\x07"), Entry{"1-0:16.7.0", 7000.0, "W"}},
		{"no scaler", entry(power, watt, none, "\x65\xff\xff\xff\xff"), Entry{"1-0:16.7.0", int64(4294967295), "W"}},
		{"64 bits", entry(power, none, none, "\x69\xff\xff\xff\xff\xff\xff\xff\xff"), Entry{"1-0:16.7.0", uint64(math.MaxUint64), ""}},
		{"64 bits in tenths", entry(power, none, tenth, "\x69\xff\xff\xff\xff\xff\xff\xff\xff"), Entry{"1-0:16.7.0", 1844674407370955161.5, ""}},
		{"group F", entry("\x01\x00\x60\x32\x01\x01", none, none, octet("EMH")), Entry{"1-0:96.50.1*1", "EMH", ""}},
		{"an identity", entry("\x01\x00\x60\x01\x00\xff", none, none, octet(server)), Entry{"1-0:96.1.0", "1EMH0001234567", ""}},
		{"a key", entry("\x81\x81\xc7\x82\x05\xff", none, none, octet("\xfe\xa5\x00")), Entry{"129-129:199.130.5", "fea500", ""}},
		{"a long key", entry("\x81\x81\xc7\x82\x05\xff", none, none, octet(strings.Repeat("\xfe", 48))), Entry{"129-129:199.130.5", strings.Repeat("fe", 48), ""}},
		{"a boolean", entry("\x01\x00\x60\x03\x0a\xff", none, none, "\x42\x01"), Entry{"1-0:96.3.10", true, ""}},
		{"a status and a time", of(octet(power), "\x65\x00\x1c\x81\x04", of("\x62\x01", "\x65\x00\x00\x00\x01"), watt, tenth, "\x52\x05", octet("signed")), Entry{"1-0:16.7.0", 0.5, "W"}},
		{"zero", entry(power, watt, none, "\x62\x00"), Entry{"1-0:16.7.0", int64(0), "W"}},
		{"false", entry("\x01\x00\x60\x03\x0a\xff", none, none, "\x42\x00"), Entry{"1-0:96.3.10", false, ""}},
		{"a scaler without a sign", entry(power, watt, "\x62\x03", "\x62\x07"), Entry{"1-0:16.7.0", int64(7), "W"}},
		{"an unknown unit", entry(power, "\x62\xc8", none, "\x62\x05"), Entry{"1-0:16.7.0", int64(5), ""}},
		{"data like the escape sequence", entry("\x01\x00\x60\x05\x05\xff", none, none, octet("\x1b\x1b\x1b\x1b\x1a\x00")), Entry{"1-0:96.5.5", "1b1b1b1b1a00", ""}},
		{"five escapes", entry("\x01\x00\x60\x05\x05\xff", none, none, octet(strings.Repeat("\x1b", 23))), Entry{"1-0:96.5.5", strings.Repeat("1b", 23), ""}},
	} {
		m, err := Read(file(open, response(server, c.entry), closing))
		if err != nil || m.Server != "1EMH0001234567" || len(m.Entries) != 1 || !reflect.DeepEqual(m.Entries[0], c.want) {
			t.Errorf("%s: %+v, %v, want %+v", c.name, m, err, c.want)
		}
	}
	many := strings.Split(strings.Repeat(entry(power, watt, tenth, "\x52\x05")+"|", 20), "|")[:20]
	if m, err := Read(file(response("7", many...), response("8", many...))); err != nil || len(m.Entries) != 40 || m.Server != "7" {
		t.Errorf("%+v, %v", m, err)
	}
	one := response("7", many[0])
	if m, err := Read(file("\x00\x00\x00", one, "\x00\x00\x00\x00", one)); err != nil || len(m.Entries) != 2 {
		t.Errorf("zeros between messages: %+v, %v", m, err)
	}
	left := response("7", entry(power, none, none, none), entry(power, none, none, of("\x62\x01", "\x62\x02")), entry("x", none, none, "\x62\x01"),
		entry(power, none, none, "\x41"), entry(power, none, none, "\x6a123456789"), entry(power, none, none, "\x62\x09"))
	if m, err := Read(file(left)); err != nil || len(m.Entries) != 1 || m.Entries[0].Value != int64(9) {
		t.Errorf("values that have no meaning: %+v, %v", m, err)
	}
}

// The identity of a meter is formatted as it is printed on it; other octet strings are text.
func TestIdentity(t *testing.T) {
	for b, want := range map[string]string{
		"\x0a\x01EMH\x00\x00\x12\xd6\x87": "1EMH0001234567", "\x09\x09AZA\xff\x00\x00\x00\x01": "9AZAFF00000001", "\x0a\x01EMH\x00\xff\xff\xff\xff": "1EMH004294967295",
		"\x08\x01EMH\x00\x00\x12\xd6\x87": "0801454d48000012d687", "\x0b\x01EMH\x00\x00\x12\xd6\x87": "0b01454d48000012d687",
		"\x0a\x0aEMH\x00\x00\x12\xd6\x87": "0a0a454d48000012d687", "\x0a\x01EmH\x00\x00\x12\xd6\x87": "0a01456d48000012d687",
		"\x0a\x01EMH\x00\x00\x12\xd6": "0a01454d48000012d6", "\x0a\x01EMH\x00\x00\x12\xd6\x87\x00": "0a01454d48000012d68700", " ~": " ~", "\x7f": "7f", "\x1f": "1f", "": "",
	} {
		if got := identity([]byte(b)); got != want {
			t.Errorf("%x: %q, want %q", b, got, want)
		}
	}
}

// A telegram that is not one, is cut off, or claims more than it holds is an error, whatever its length says.
func TestInvalid(t *testing.T) {
	value := entry("\x01\x00\x10\x07\x00\xff", none, none, "\x62\x05")
	good := response(server, value)
	whole := file(good)
	body := whole[len(Begin) : len(whole)-len(End)-Trailer-int(whole[len(whole)-Trailer])]
	for n := 1; n < len(body); n++ {
		if m, err := Read(file(string(body[:n]))); !errors.Is(err, errCut) {
			t.Fatalf("%x: %+v, %v", body[:n], m, err)
		}
	}
	other := message(0x0101, of(none, octet("x")))
	for n := 1; n < len(other); n++ {
		if m, err := Read(file(good, other[:n])); !errors.Is(err, errCut) {
			t.Fatalf("%x: %+v, %v", other[:n], m, err)
		}
	}
	elements := func(n int) []string { return slices.Repeat([]string{none}, n) }
	for i := range entryLength {
		content, entry := elements(listLength), elements(entryLength)
		content[4] = of(value)
		content[i], entry[i] = "\x11", "\x11"
		for name, bad := range map[string]string{"content": message(getListResponse, of(content...)), "value": response(server, of(entry...), value)} {
			if m, err := Read(file(bad, good)); !errors.Is(err, errElement) {
				t.Errorf("an invalid element %d of a %s: %+v, %v", i, name, m, err)
			}
		}
	}
	empty := []byte(Begin + End + "\x00\x00\x00")
	for name, c := range map[string]struct {
		telegram []byte
		want     error // nil: no value
	}{
		"nothing":                 {nil, errTransport},
		"no beginning":            {whole[1:], errTransport},
		"too short":               {empty[:len(empty)-1], errTransport},
		"too many to fill":        {append(bytes.Clone(whole[:len(whole)-Trailer]), 4, 0, 0), errTransport},
		"more to fill than there": {[]byte(Begin + End + "\x01\x00\x00"), errTransport},
		"no message":              {empty, nil},
		"only zeros":              {file("\x00\x00\x00\x00"), nil},
		"no values":               {file(message(0x0101, of(none))), nil},
		"another list":            {file(of("\x62\x01")), errMessage},
		"no list":                 {file(good, octet("x")), errMessage},
		"a short body":            {file(good, of(none, none, none, of("\x62\x01"), none, "\x00")), errMessage},
		"a short content":         {file(good, message(getListResponse, of(none, none, none))), errMessage},
		"no values but a text":    {file(good, message(getListResponse, of(none, none, none, none, octet("x"), none, none))), errMessage},
		"a short value":           {file(good, response(server, of(octet("x"), none))), errMessage},
		"no end":                  {file(strings.TrimSuffix(good, "\x00") + "\x01"), errMessage},
		"a giant list":            {file("\xff\x8f\x8f\x8f\x8f\x8f\x8f\x0f"), errElement},
		"a long list":             {file("\xff\x8f\x0f"), errCut},
		"a giant string":          {file("\x76\x8f\x8f\x8f\x8f\x8f\x0f"), errElement},
		"a length with a type":    {file("\x76\x81\x15" + strings.Repeat("x", 20)), errElement},
		"an unknown type":         {file("\x76\x11xxxxxxxx"), errElement},
		"the last unknown type":   {file("\x76\x34xxxxxxxx"), errElement},
		"a length of zero":        {file("\x76\x80\x00xxxxxxxx"), errElement},
		"nested lists":            {file("\x76" + strings.Repeat("\x71", 4000)), errCut},
	} {
		m, err := Read(c.telegram)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || c.want == nil && !strings.HasPrefix(err.Error(), "no value") {
			t.Errorf("%s: %+v, %v; want %v", name, m, err, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(response(server, entry("\x01\x00\x10\x07\x00\xff", "\x62\x1b", "\x52\xff", "\x53\xfb\x2e"))))
	f.Add(file(message(0x0101, of(none, "\x42\x01", of(of(of(none)))))))
	f.Fuzz(func(t *testing.T, telegram []byte) {
		for _, b := range [][]byte{telegram, file(string(telegram))} {
			m, err := Read(b)
			if err == nil && len(m.Entries) == 0 || len(m.Entries) > len(b)/entryLength {
				t.Errorf("%x: %d entries, %v", b, len(m.Entries), err)
			}
			for _, e := range m.Entries {
				if n, ok := e.Value.(float64); ok && (math.IsNaN(n) || math.IsInf(n, 0)) {
					t.Errorf("%x: %v", b, e)
				}
			}
		}
	})
}
