package conformance

import (
	"fmt"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/say"
	"runnel/test/stage"
)

const violated = `[3,{"message":"*"},"wamp.error.protocol_violation"]`

func TestWelcome(t *testing.T) {
	house.Every(t, "details", func(s *stage.Scene) {
		p := s.Connect()
		p.Say(stage.Simple)
		p.Hear(`[2,"$id",{"agent":"*","realm":"@","authid":"*","authrole":"guest","authmethod":"anonymous","authprovider":"static","_node":"*","_durable":"*",
			"roles":{"broker":{"features":"*","reflection":true},"dealer":{"features":"*","reflection":true}}}]`)
		p.Say(`[6,{},"wamp.close.close_realm"]`)
		p.Hear(`[6,{},"wamp.close.goodbye_and_out"]`)
		p.Parted()
	})
	house.Every(t, "unknown attributes are ignored", func(s *stage.Scene) {
		p := s.Connect()
		p.Say(`[1,"@",{"roles":{"caller":{"features":{"time_travel":true,"call_timeout":true},"future":1}},"agent":"x","resume_session":7,
			"_own":{"a":[1]},"future":null,"authextra":{"a":1},"transport":{"auth":null}}]`)
		p.Hear(`[2,"*","*"]`)
	})
}

// Session ids are drawn at random, uniformly, from [1, 2^53].
func TestSessionIDs(t *testing.T) {
	s := house.Scene(t, stage.Way{Network: "unix", Serializer: wamp.CBOR}, stage.Strict)
	const sessions = 64
	seen := map[uint64]bool{}
	var above [4]int
	for range sessions {
		p := s.Join(stage.Simple)
		if seen[p.ID] {
			t.Errorf("session %d twice", p.ID)
		}
		seen[p.ID] = true
		above[min(p.ID>>51, 3)]++
		p.Goodbye()
	}
	for i, n := range above {
		if n == 0 { // one in 10^8 if they are uniform
			t.Errorf("of %d session ids none is in quarter %d of the range", sessions, i+1)
		}
	}
}

func TestHelloRefused(t *testing.T) {
	for name, c := range map[string]struct{ say, reason string }{
		"a request first":          {`[32,1,{},"~.a"]`, "wamp.error.protocol_violation"},
		"GOODBYE first":            {`[6,{},"wamp.close.normal"]`, "wamp.error.protocol_violation"},
		"ERROR first":              {`[8,68,1,{},"com.error"]`, "wamp.error.protocol_violation"},
		"AUTHENTICATE first":       {`[5,"secret",{}]`, "wamp.error.protocol_violation"},
		"a router's message":       {`[2,1,{}]`, "wamp.error.protocol_violation"},
		"no roles":                 {`[1,"@",{}]`, "wamp.error.protocol_violation"},
		"empty roles":              {`[1,"@",{"roles":{}}]`, "wamp.error.protocol_violation"},
		"a router's role":          {`[1,"@",{"roles":{"broker":{}}}]`, "wamp.error.protocol_violation"},
		"no such realm":            {`[1,"stage.nowhere",{"roles":{"caller":{}}}]`, "wamp.error.no_such_realm"},
		"a method that is not":     {`[1,"@",{"roles":{"caller":{}},"authmethods":["kerberos"]}]`, "wamp.error.no_matching_auth_method"},
		"methods that are no list": {`[1,"@",{"roles":{"caller":{}},"authmethods":"ticket"}]`, "wamp.error.protocol_violation"},
	} {
		house.Every(t, name, func(s *stage.Scene) {
			p := s.Connect()
			p.Say(c.say)
			p.Hear(`[3,{"message":"*"},"` + c.reason + `"]`)
			p.Closed()
		})
	}
}

// The router never answers an ABORT: it closes the connection.
func TestAbort(t *testing.T) {
	house.Every(t, "in a session", func(s *stage.Scene) {
		p := s.Join(stage.Simple)
		p.Say(`[3,{"message":"enough"},"com.my.reason",[1],{"k":2}]`)
		p.Closed()
	})
	house.Every(t, "instead of AUTHENTICATE", func(s *stage.Scene) {
		p := s.Connect()
		p.Say(`[1,"@",{"roles":{"caller":{}},"authid":"ann","authmethods":["ticket"]}]`)
		p.Hear(`[4,"ticket",{}]`)
		p.Say(`[3,{"message":"no ticket at hand"},"com.my.reason"]`)
		p.Closed()
	})
	house.Every(t, "instead of HELLO", func(s *stage.Scene) {
		p := s.Connect()
		p.Say(`[3,{},"com.my.reason"]`)
		p.Closed()
	})
}

// A protocol violation ends the session and its connection. Package hostile tests more violations over fewer transports.
func TestViolations(t *testing.T) {
	for name, say := range map[string]string{
		"a second HELLO": stage.Full, "WELCOME": `[2,1,{}]`, "CHALLENGE": `[4,"ticket",{}]`, "AUTHENTICATE": `[5,"ann",{}]`, "EVENT": `[36,1,1,{}]`,
		"ERROR for CALL": `[8,48,1,{},"com.error"]`, "an empty list": `[]`, "an unknown code": `[99,1,{}]`, "no list": `{"a":1}`, "too short": `[32,9,{}]`,
		"true for an id": `[34,9,true]`, "1 for true": `[16,9,{"acknowledge":1},"~.a"]`,
		"YIELD for an INVOCATION to come": `[70,2,{}]`, "ERROR for an INVOCATION to come": `[8,68,2,{},"com.error"]`,
	} {
		house.Every(t, name, func(s *stage.Scene) {
			caller, p := under(s, stage.Full, stage.Full, `{}`)
			p.Say(say)
			p.Hear(violated)
			p.Closed()
			caller.Hear(`[8,48,7,{},"wamp.error.canceled",["*"]]`) // no state of the session remains
		})
	}
	for serializer, octets := range map[wamp.Serializer]map[string]string{
		wamp.JSON:    {"cut short": `[16,1,{}`, "a key that is no text": `[16,1,{1:2},"a.b"]`, "not UTF-8": "[16,1,{},\"a.\xff\"]"},
		wamp.MsgPack: {"cut short": "\x94\x10\x01\x80", "a key that is no text": "\x94\x10\x01\x81\x01\x02\xa3a.b", "not UTF-8": "\x94\x10\x01\x80\xa3a.\xff"},
		wamp.CBOR:    {"cut short": "\x84\x10\x01\xa0", "a key that is no text": "\x84\x10\x01\xa1\x01\x02\x63a.b", "not UTF-8": "\x84\x10\x01\xa0\x63a.\xff"},
	} {
		for name, message := range octets {
			house.Every(t, name+" in "+serializer.String(), func(s *stage.Scene) {
				if s.Way.Serializer != serializer {
					s.Skip("it speaks another one")
				}
				if name == "not UTF-8" && serializer == wamp.JSON && strings.HasPrefix(s.Way.Network, "ws") {
					s.Skip("WebSocket has a code of its own for that")
				}
				p := s.Join(stage.Simple)
				p.Raw([]byte(message))
				p.Hear(violated)
				p.Closed()
			})
		}
	}
}

func TestGoodbye(t *testing.T) {
	for _, reason := range []string{"wamp.close.normal", "wamp.close.close_realm", "com.my.reason"} {
		house.Every(t, reason, func(s *stage.Scene) {
			p := s.Join(stage.Simple)
			p.Say(`[32,1,{},"~.a"]`, `[6,{"message":"bye"},"`+reason+`"]`)
			p.Hear(`[33,1,"*"]`, `[6,{},"wamp.close.goodbye_and_out"]`)
			p.Parted()
		})
	}
	// Messages before GOODBYE take effect, messages after it do not.
	house.Every(t, "nothing counts after it", func(s *stage.Scene) {
		watcher, p := s.Join(stage.Simple), s.Join(stage.Simple)
		watcher.Say(`[32,1,{},"~.a"]`)
		watcher.Hear(`[33,1,"$sub"]`)
		p.Say(`[16,1,{},"~.a",["before"]]`, `[6,{},"wamp.close.normal"]`, `[16,2,{},"~.a",["after"]]`)
		p.Hear(`[6,{},"wamp.close.goodbye_and_out"]`)
		p.Closed()
		watcher.Hear(`[36,"$sub","*",{},["before"]]`)
		watcher.Silent()
	})
	// After it has sent GOODBYE, the router ignores all messages but GOODBYE, and does not answer.
	house.Every(t, "from the router", func(s *stage.Scene) {
		admin, p, watcher := s.Join(stage.Simple), s.Join(stage.Simple).Named("p"), s.Join(stage.Simple)
		watcher.Say(`[32,1,{},"~.a"]`)
		watcher.Hear(`[33,1,"$sub"]`)
		admin.Say(`[48,1,{},"wamp.session.kill",["$p"]]`)
		admin.Hear(`[50,1,{}]`)
		p.Hear(`[6,{},"wamp.close.killed"]`)
		p.Say(`[16,1,{"acknowledge":true},"~.a"]`, `[48,2,{},"~.nothing"]`, `[1,"@",{}]`, `[6,{},"wamp.close.goodbye_and_out"]`)
		p.Closed()
		watcher.Silent()
	})
}

// After GOODBYE the transport may carry another session, which is new in every respect.
func TestAnotherSession(t *testing.T) {
	house.Every(t, "on the same transport", func(s *stage.Scene) {
		watcher, p := s.Join(stage.Full), s.Join(stage.Full)
		watcher.Say(`[32,1,{},"~.a"]`)
		watcher.Hear(`[33,1,"$sub"]`)
		first := p.ID
		p.Say(`[32,1,{},"~.a"]`, `[64,2,{},"~.x"]`, `[6,{},"wamp.close.close_realm"]`)
		p.Hear(`[33,1,"$sub"]`, `[65,2,"*"]`, `[6,{},"wamp.close.goodbye_and_out"]`)
		p.Say(strings.Replace(stage.Full, `{"roles"`, `{"authid":"bob","authmethods":["ticket"],"roles"`, 1))
		p.Hear(`[4,"ticket",{}]`)
		p.Say(`[5,"bob",{}]`)
		p.Welcomed()
		if p.ID == first {
			s.Errorf("session %d again", first)
		}
		p.Say(`[34,1,"$sub"]`, `[48,2,{},"~.x"]`, `[16,3,{"acknowledge":true,"disclose_me":true},"~.a"]`)
		p.Hear(`[8,34,1,{},"wamp.error.no_such_subscription"]`, `[8,48,2,{},"wamp.error.no_such_procedure",["*"]]`, `[17,3,"*"]`)
		watcher.Hear(`[36,"$sub","*",{"publisher":"*","publisher_authid":"bob","publisher_authrole":"staff"}]`)
		p.Silent()
		p.Say(`[6,{},"wamp.close.close_realm"]`, stage.Simple, `[6,{},"wamp.close.close_realm"]`) // all at once
		p.Hear(`[6,{},"wamp.close.goodbye_and_out"]`)
		p.Welcomed()
		p.Hear(`[6,{},"wamp.close.goodbye_and_out"]`)
		p.Say(strings.Replace(stage.Full, `{"roles"`, `{"authid":"bob","authmethods":["ticket"],"roles"`, 1))
		p.Hear(`[4,"ticket",{}]`)
		p.Say(`[5,"guess",{}]`)
		p.Hear(`[3,"*","wamp.error.authentication_failed"]`)
		p.Closed()
	})
}

// Request ids of clients count 1, 2, 3 ...; a strict realm enforces this.
func TestRequestIDs(t *testing.T) {
	house.EveryStrict(t, "in sequence", func(s *stage.Scene) {
		p := s.Join(stage.Simple)
		p.Say(`[32,1,{},"~.a"]`, `[16,2,{},"~.a"]`, `[64,3,{},"~.x"]`, `[48,4,{},"~.x"]`)
		p.Hear(`[33,1,"$sub"]`, `[65,3,"$reg"]`, `[68,1,"$reg",{}]`)
		p.Say(`[70,1,{}]`, `[49,4,{}]`, `[34,5,"$sub"]`, `[66,6,"$reg"]`, `[32,7,{},"~.b"]`)
		p.Hear(`[50,4,{}]`, `[35,5]`, `[67,6]`, `[33,7,"*"]`)
	})
	for name, say := range map[string]string{
		"gap": `[32,3,{},"~.b"]`, "repeat": `[32,1,{},"~.b"]`, "gap in PUBLISH": `[16,3,{},"~.b"]`, "gap in CALL": `[48,3,{},"~.b"]`,
		"gap in REGISTER": `[64,3,{},"~.b"]`, "gap in UNSUBSCRIBE": `[34,3,"$sub"]`, "gap in UNREGISTER": `[66,3,5]`,
		"repeat in PUBLISH": `[16,1,{},"~.b"]`, "repeat in CALL": `[48,1,{},"~.b"]`, "repeat in REGISTER": `[64,1,{},"~.b"]`,
		"repeat in UNSUBSCRIBE": `[34,1,"$sub"]`, "repeat in UNREGISTER": `[66,1,5]`,
	} {
		house.EveryStrict(t, name, func(s *stage.Scene) {
			p := s.Join(stage.Simple)
			p.Say(`[32,1,{},"~.a"]`)
			p.Hear(`[33,1,"$sub"]`)
			p.Say(say)
			p.Hear(violated)
			p.Closed()
		})
	}
	house.EveryStrict(t, "not from 1", func(s *stage.Scene) {
		p := s.Join(stage.Simple)
		p.Say(`[32,2,{},"~.a"]`)
		p.Hear(violated)
		p.Closed()
	})
	house.Every(t, "lenient", func(s *stage.Scene) {
		p := s.Join(stage.Simple)
		p.Say(`[32,77,{},"~.a"]`, `[32,77,{},"~.b"]`, `[32,5,{},"~.c"]`)
		p.Hear(`[33,77,"*"]`, `[33,77,"*"]`, `[33,5,"*"]`)
	})
	// 2^53 is a valid id and is not rounded by any serializer. A higher number, 0, a negative number and a float are
	// invalid ids.
	house.Every(t, "the largest", func(s *stage.Scene) {
		p := s.Join(stage.Simple)
		p.Say(`[32,9007199254740992,{},"~.a"]`, `[32,9007199254740991,{},"~.b"]`)
		p.Hear(`[33,9007199254740992,"*"]`, `[33,9007199254740991,"*"]`)
	})
	for _, id := range []string{"0", "-1", "9007199254740993", "18446744073709551615", "1.0", "1.5", `"1"`, "true", "null", "[1]"} {
		house.Every(t, "not "+id, func(s *stage.Scene) {
			p := s.Join(stage.Simple)
			p.Say(`[32,` + id + `,{},"~.a"]`)
			p.Hear(violated)
			p.Closed()
		})
	}
}

// INVOCATION.Request counts 1, 2, 3 ... for each callee, independently of the caller.
func TestInvocationIDs(t *testing.T) {
	house.Every(t, "per callee", func(s *stage.Scene) {
		callee, other, a, b := s.Join(stage.Simple), s.Join(stage.Simple), s.Join(stage.Simple), s.Join(stage.Simple)
		callee.Say(`[64,1,{},"~.x"]`)
		other.Say(`[64,1,{},"~.y"]`)
		callee.Hear(`[65,1,"*"]`)
		other.Hear(`[65,1,"*"]`)
		a.Say(`[48,100,{},"~.x"]`)
		callee.Hear(`[68,1,"*",{}]`)
		b.Say(`[48,100,{},"~.x"]`)
		callee.Hear(`[68,2,"*",{}]`)
		b.Say(`[48,101,{},"~.y"]`)
		other.Hear(`[68,1,"*",{}]`)
		a.Say(`[48,101,{},"~.x"]`)
		callee.Hear(`[68,3,"*",{}]`)
		callee.Say(`[70,2,{},["b"]]`, `[70,3,{},["a 101"]]`, `[70,1,{},["a 100"]]`)
		b.Hear(`[50,100,{},["b"]]`)
		a.Hear(`[50,101,{},["a 101"]]`, `[50,100,{},["a 100"]]`)
	})
}

// Codes beyond 255 are extensions. The router accepts the one that the specification's own tests use; others are
// unknown.
func TestExtensionMessages(t *testing.T) {
	house.Every(t, "EVENT_RECEIVED", func(s *stage.Scene) {
		p := s.Join(stage.Full)
		p.Say(`[337,4429313566]`)
		p.Silent()
	})
	for _, say := range []string{`[256,1,{}]`, `[1023]`, `[300,"a"]`, `[7,1]`, `[255,1]`, `[1024,1]`, `[4294967296]`} {
		house.Every(t, say, func(s *stage.Scene) {
			p := s.Join(stage.Full)
			p.Say(say)
			p.Hear(violated)
			p.Closed()
		})
	}
}

// The router's features are those of docs/protocol.md; see protocol_test.go for the table.
func announcedFeatures(t *testing.T) map[string][]string {
	t.Helper()
	s := house.Scene(t, stage.Way{Network: "unix", Serializer: wamp.JSON}, stage.Strict)
	p := s.Connect()
	p.Say(stage.Simple)
	text, _ := p.Next()
	v, err := say.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var welcome []any = v.([]any)
	if fmt.Sprint(welcome[0]) != "2" {
		t.Fatalf("heard %s", text)
	}
	features := map[string][]string{}
	for role, details := range welcome[2].(map[string]any)["roles"].(map[string]any) {
		for feature, on := range details.(map[string]any)["features"].(map[string]any) {
			if on == true {
				features[role] = append(features[role], feature)
			}
		}
	}
	return features
}

// Messages may contain all white space and escapes that JSON allows.
func TestJSONText(t *testing.T) {
	for _, network := range []string{"tcp", "ws", "serial"} {
		t.Run(network, func(t *testing.T) {
			w := stage.Way{Network: network, Serializer: wamp.JSON}
			p := house.Scene(t, w, w.Realm()).Join(stage.Simple)
			p.Say("\n[ 32 ,\t1 , {\r\n} , \"json\\u002etext\" ] ")
			p.Hear(`[33,1,"$sub"]`)
			p.Say("[16,2,{\"exclude\\u005fme\": false},\"\\u006a\\u0073on.text\",[\"\\ud83d\\ude00\\/\"]]")
			p.Hear(`[36,"$sub","*",{},["😀/"]]`)
		})
	}
}
