package hostile

import (
	"encoding/hex"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/stage"
)

// published returns a PUBLISH to "octets" with the octets as its only argument.
func published(s wamp.Serializer, argument string) []byte {
	switch s {
	case wamp.JSON:
		return []byte(`[16,1,{},"octets",[` + argument + `]]`)
	case wamp.MsgPack:
		return []byte("\x95\x10\x01\x80\xa6octets\x91" + argument)
	}
	return []byte("\x85\x10\x01\xa0\x66octets\x81" + argument)
}

// The router rejects input that is not a valid message, and never forwards it to another session.
func TestBrokenOctets(t *testing.T) {
	for serializer, c := range map[wamp.Serializer]struct{ messages, arguments map[string]string }{
		wamp.JSON: {
			map[string]string{
				"nothing": "", "white space": " \n", "half a list": `[16,1`, "two lists": `[16,1,{},"a.b"][16,2,{},"a.b"]`, "something behind": `[16,1,{},"a.b"]x`,
				"a byte order mark": "\xef\xbb\xbf" + `[16,1,{},"a.b"]`, "not UTF-8": "[16,1,{},\"a.\xff\"]", "UTF-16": "\xff\xfe[\x001\x00]\x00",
				"a comma too many": `[16,1,{},"a.b",]`, "no comma": `[16 1,{},"a.b"]`, "single quotes": `[16,1,{},'a.b']`, "a comment": `[16,1,{},"a.b"/**/]`,
				"a key that is no text": `[16,1,{1:2},"a.b"]`, "a key without a value": `[16,1,{"a"},"a.b"]`, "open text": `[16,1,{},"a.b`,
				"NUL": "[16,1,{},\"a.b\"]\x00", "only an open list": strings.Repeat("[", 100_000), "only open dicts": strings.Repeat(`{"a":`, 50_000),
			},
			map[string]string{
				"NaN": `NaN`, "Infinity": `-Infinity`, "hexadecimal": `0x10`, "leading zero": `01`, "plus": `+1`, "bare point": `1.`, "bare exponent": `1e`, "bare minus": `-`,
				"a control character": "\"\x01\"", "a bare newline": "\"\n\"", "half a surrogate pair": `"\ud800"`, "surrogates in the wrong order": `"\udc00\ud800"`,
				"an unknown escape": `"\x41"`, "a short escape": `"\u12"`, "a broken UTF-8 text": "\"\xc3\x28\"", "an overlong UTF-8 text": "\"\xc0\x80\"",
				"a surrogate in UTF-8": "\"\xed\xa0\x80\"", "UTF-8 beyond U+10FFFF": "\"\xf4\x90\x80\x80\"", "a word": `nil`, "a word in capitals": `True`, "nothing": `,`,
				"deep lists": strings.Repeat("[", 70) + strings.Repeat("]", 70), "deep dicts": strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70),
			},
		},
		wamp.MsgPack: {
			map[string]string{
				"nothing": "", "the octet that is never used": "\xc1", "half a list": "\x94\x10\x01", "two lists": "\x94\x10\x01\x80\xa3a.b\x94\x10\x02\x80\xa3a.b",
				"something behind": "\x94\x10\x01\x80\xa3a.b\x00", "a list of 2^32": "\xdd\xff\xff\xff\xff\x10", "a dict of 2^32": "\x94\x10\x01\xdf\xff\xff\xff\xff",
				"a text of 2^32": "\x94\x10\x01\x80\xdb\xff\xff\xff\xff", "a topic that is not UTF-8": "\x94\x10\x01\x80\xa3a.\xff",
				"a key that is a number": "\x94\x10\x01\x81\x01\x02\xa3a.b", "a key that is a list": "\x94\x10\x01\x81\x90\x02\xa3a.b", "an open dict": "\x94\x10\x01\x81\xa1a",
				"only open lists": strings.Repeat("\x91", 100_000), "only open dicts": strings.Repeat("\x81\xa1a", 50_000),
			},
			map[string]string{
				"never used": "\xc1", "a short text": "\xa5abc", "a short binary": "\xc4\x05abc", "a binary of 2^32": "\xc6\xff\xff\xff\xff", "a short float": "\xcb\x00",
				"a short integer": "\xcf\x00", "a short ext": "\xd8\x01\x00", "an ext of 2^32": "\xc9\xff\xff\xff\xff\x01", "not UTF-8": "\xa1\xff", "overlong UTF-8": "\xa2\xc0\x80",
				"a surrogate": "\xa3\xed\xa0\x80", "a dict with a number for a key": "\x81\x01\x02", "a dict with nil for a key": "\x81\xc0\x02", "a list that ends": "\x93\x01",
				"deep lists": strings.Repeat("\x91", 70) + "\xc0", "deep dicts": strings.Repeat("\x81\xa1a", 70) + "\xc0",
			},
		},
		wamp.CBOR: {
			map[string]string{
				"nothing": "", "a bare break": "\xff", "half a list": "\x84\x10\x01", "two lists": "\x84\x10\x01\xa0\x63a.b\x84\x10\x02\xa0\x63a.b",
				"something behind": "\x84\x10\x01\xa0\x63a.b\x00", "a list of 2^64": "\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x10", "a list of 2^32": "\x9a\xff\xff\xff\xff\x10",
				"a dict of 2^63": "\x84\x10\x01\xbb\x7f\xff\xff\xff\xff\xff\xff\xff", "a text of 2^63": "\x84\x10\x01\xa0\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
				"a topic that is not UTF-8": "\x84\x10\x01\xa0\x63a.\xff", "a key that is a number": "\x84\x10\x01\xa1\x01\x02\x63a.b", "an open dict": "\x84\x10\x01\xa1\x61a",
				"an open list without end": "\x9f\x10\x01\xa0\x63a.b", "only open lists": strings.Repeat("\x81", 100_000), "only lists without end": strings.Repeat("\x9f", 100_000),
				"only tags": strings.Repeat("\xc1", 100_000), "a reserved head": "\x84\x10\x1c\xa0\x63a.b",
			},
			map[string]string{
				"reserved head 28": "\x1c", "reserved head 29": "\x1d", "reserved head 30": "\x1e", "open integer": "\x1f", "reserved simple value": "\xf8\x10", "head 30 of simple": "\xfe",
				"break": "\xff", "a short text": "\x65abc", "a short binary": "\x45abc", "a binary of 2^64": "\x5b\xff\xff\xff\xff\xff\xff\xff\xff", "a short float": "\xfb\x00",
				"a short integer": "\x1b\x00", "a tag of nothing": "\xc1", "an open tag": "\xdf\x00", "not UTF-8": "\x61\xff", "overlong UTF-8": "\x62\xc0\x80", "a surrogate": "\x63\xed\xa0\x80",
				"a text of binaries": "\x7f\x41a\xff", "a binary of texts": "\x5f\x61a\xff", "a text in texts without end": "\x7f\x7f\x61a\xff\xff", "a character in two chunks": "\x7f\x61\xc3\x61\xa9\xff",
				"a dict with a number for a key": "\xa1\x01\x02", "an open dict with half a pair": "\xbf\x61a\xff", "a list without end that ends": "\x9f\x01",
				"deep lists": strings.Repeat("\x81", 70) + "\xf6", "deep dicts": strings.Repeat("\xa1\x61a", 70) + "\xf6", "deep tags": strings.Repeat("\xc1", 70) + "\x00",
				"deep lists without end": strings.Repeat("\x9f", 70) + strings.Repeat("\xff", 70),
			},
		},
	} {
		t.Run(serializer.String(), func(t *testing.T) {
			for _, network := range []string{"unix", "ws"} {
				t.Run(network, func(t *testing.T) {
					t.Parallel()
					w := stage.Way{Network: network, Serializer: serializer}
					s := house.Scene(t, w, w.Realm())
					sub := s.Join(stage.Simple)
					sub.Say(`[32,1,{"match":"prefix"},"octets"]`)
					sub.Hear(`[33,1,"*"]`)
					for name, octets := range c.messages {
						if network == "ws" && serializer == wamp.JSON && !validText(octets) {
							continue // that is the WebSocket's affair
						}
						abortedForOctets(t, w, name+": "+short(octets), []byte(octets))
					}
					for name, octets := range c.arguments {
						abortedForOctets(t, w, name+" as an argument: "+short(octets), published(serializer, octets))
					}
					sub.Silent()
					unmoved(t, w.Realm())
				})
			}
		})
	}
}

func validText(octets string) bool { return strings.ToValidUTF8(octets, "") == octets }

func short(octets string) string { return hex.EncodeToString([]byte(octets[:min(len(octets), 40)])) }

// The same input before HELLO.
func TestBrokenHello(t *testing.T) {
	for serializer, list := range map[wamp.Serializer][]string{
		wamp.JSON:    {"", "x", `[1,"r`, `[1,"r",{"roles":{"caller":{}}},]`, strings.Repeat("[", 16_000), "[1,\"\xff\",{}]"},
		wamp.MsgPack: {"", "\xc1", "\x93\x01\xa1", strings.Repeat("\x91", 16_000), "\xdd\xff\xff\xff\xff\x01", "\x93\x01\xa1r\xdf\xff\xff\xff\xff"},
		wamp.CBOR:    {"", "\xff", "\x83\x01\x61", strings.Repeat("\x81", 16_000), "\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x83\x01\x61r\xbb\x7f\xff\xff\xff\xff\xff\xff\xff"},
	} {
		for _, octets := range list {
			t.Run(serializer.String()+" "+short(octets), func(t *testing.T) {
				w := stage.Way{Network: "tcp", Serializer: serializer}
				p := house.Scene(t, w, w.Realm()).Connect()
				p.Raw([]byte(octets))
				p.Hear(violated)
				p.Closed()
				unmoved(t, w.Realm())
			})
		}
	}
}
