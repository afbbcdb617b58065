package edge

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

func TestReflection(t *testing.T) {
	realm := openRealm()
	realm.Roles = append(realm.Roles, auth.NewRole("guest", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Call | auth.Subscribe}, {URI: "com.secret", Match: wamp.Prefix},
	}))
	tell(t, Options{}, realm, func(s *story) {
		author, reader := s.join(hello), s.join(hello)
		guest := s.connect(memory.Options{Authid: "guest", Role: "guest"})
		guest.say(hello)
		guest.hear(`[2,"*","*"]`)
		reader.say(`[32,1,{"match":"prefix"},"wamp.reflect."]`)
		reader.hear(`[33,1,"$sub"]`)
		for i, uri := range []string{"com.one", "com.plain"} {
			author.say(fmt.Sprintf(`[64,%d,{},%q]`, i+1, uri))
			author.hear(`[65,"*","*"]`)
		}
		author.say(`[32,3,{},"com.news"]`)
		author.hear(`[33,3,"*"]`)
		for _, uri := range []string{"com.add", "com.secret.x"} {
			author.say(`[48,1,{},"wamp.reflect.define",["` + uri + `",{"doc":"adds"}]]`)
			author.hear(`[50,1,{}]`)
			reader.hear(`[36,"$sub","*",{"topic":"wamp.reflect.on_define"},["` + uri + `","procedure",{"doc":"adds"}]]`)
		}
		author.say(`[48,1,{},"wamp.reflect.define",["com.topic","text"],{"kind":"topic"}]`)
		author.hear(`[50,1,{}]`)
		reader.hear(`[36,"$sub","*","*",["com.topic","topic","text"]]`)
		for _, c := range []struct{ call, answer string }{
			{`"wamp.reflect.describe",["com.add"]`, `[50,2,{},[{"doc":"adds"}]]`},
			{`"wamp.reflection.procedure.describe",["com.add"]`, `[50,2,{},[{"doc":"adds"}]]`},
			{`"wamp.reflection.topic.describe",["com.add"]`, `[50,2,{},[null]]`},
			{`"wamp.reflection.topic.describe",["com.topic"]`, `[50,2,{},["text"]]`},
			{`"wamp.reflect.describe",["com.secret.x"]`, `[50,2,{},[null]]`},
			{`"wamp.reflection.procedure.list"`, `[50,2,{},[["com.add","com.one","com.plain"]]]`},
			{`"wamp.reflection.topic.list"`, `[50,2,{},[["com.news","com.topic","wamp.reflect."]]]`},
			{`"wamp.reflection.error.list"`, `[50,2,{},[[]]]`},
			{`"wamp.reflect.define",["com.add","mine"]`, `[8,48,2,{},"wamp.error.not_authorized"]`},
			{`"wamp.reflect.define",["com.add","mine"],{"kind":"planet"}`, `[8,48,2,{},"wamp.error.invalid_argument",["*"]]`},
			{`"wamp.reflect.define",["wamp.add","mine"]`, `[8,48,2,{},"wamp.error.invalid_uri"]`},
		} {
			guest.say(`[48,2,{},` + c.call + `]`)
			guest.hear(c.answer)
		}
		reader.say(`[48,3,{},"wamp.reflect.define",["com.add","mine"]]`)
		reader.hear(`[8,48,3,{},"wamp.error.not_authorized",["another session has described it"]]`)
		author.say(`[48,4,{},"wamp.reflect.define",["com.add",null]]`)
		author.hear(`[50,4,{}]`)
		reader.hear(`[36,"$sub","*",{"topic":"wamp.reflect.on_undefine"},["com.add","procedure"]]`)
		author.conn.Close()
		reader.hear(`[36,"$sub","*",{"topic":"wamp.reflect.on_undefine"},"*"]`, `[36,"$sub","*",{"topic":"wamp.reflect.on_undefine"},"*"]`)
		guest.say(`[48,5,{},"wamp.reflection.procedure.list"]`)
		guest.hear(`[50,5,{},[[]]]`)
	})
}

func TestDescriptionsAreBounded(t *testing.T) {
	tell(t, Options{OutboxBytes: 16 << 20}, RealmOptions{}, func(s *story) {
		p, q := s.join(hello), s.join(hello)
		define := func(p *peer, uri string, octets int) {
			p.say(fmt.Sprintf(`[48,1,{},"wamp.reflect.define",[%q,%q]]`, uri, strings.Repeat("x", octets)))
		}
		const each = maxDescription - 100
		for n := range maxDescribed / (descriptionOverhead + each + len("com.00") + 5) {
			define(p, fmt.Sprint("com.", n), each)
			p.hear(`[50,1,{}]`)
		}
		define(q, "com.more", each)
		q.hear(`[8,48,1,{},"wamp.error.unavailable","*"]`)
		define(q, "com.more", 10)
		q.hear(`[50,1,{}]`)
		define(p, "com.0", each) // replaces the one before
		p.hear(`[50,1,{}]`)
		p.say(`[48,1,{},"wamp.reflect.define",["com.0",null]]`)
		p.hear(`[50,1,{}]`)
		define(q, "com.more", each)
		q.hear(`[50,1,{}]`)
		p.conn.Close()
		q.conn.Close()
		synctest.Wait()
		if r := &s.router.realm([]byte("realm1")).reflection; r.octets != 0 || len(r.known) != 0 {
			t.Errorf("%d octets are left of %d descriptions", r.octets, len(r.known))
		}
	})
}

func TestDescriptionsOfASessionAreBounded(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		for i := range maxDescriptions {
			p.say(fmt.Sprintf(`[48,1,{},"wamp.reflect.define",["com.%d","x"]]`, i))
			p.hear(`[50,1,{}]`)
		}
		p.say(`[48,1,{},"wamp.reflect.define",["com.more","x"]]`)
		p.hear(`[8,48,1,{},"wamp.error.unavailable","*"]`)
		p.say(`[48,1,{},"wamp.reflect.define",["com.0","changed"]]`)
		p.hear(`[50,1,{}]`)
	})
}

// The longest description is accepted, and the one that just fits into the realm.
func TestLongestDescriptions(t *testing.T) {
	raw := func(n int) int {
		payload, err := codec.NewPayload(wamp.CBOR, []any{strings.Repeat("x", n)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(payload.Raw)
	}
	longest := maxDescription - raw(maxDescription-8) + maxDescription - 8 // bytes of text
	for over := range 2 {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			p := s.join(hello)
			p.say(fmt.Sprintf(`[48,1,{},"wamp.reflect.define",["com.a",%q]]`, strings.Repeat("x", longest+over)))
			if over == 0 {
				p.hear(`[50,1,{}]`)
			} else {
				p.hear(`[8,48,1,{},"wamp.error.invalid_argument",["*"]]`)
			}

			r := &s.router.realm([]byte("realm1")).reflection
			r.mu.Lock()
			r.octets = maxDescribed - descriptionOverhead - len("com.b") - raw(100) + over
			r.mu.Unlock()
			p.say(fmt.Sprintf(`[48,2,{},"wamp.reflect.define",["com.b",%q]]`, strings.Repeat("x", 100)))
			if over == 0 {
				p.hear(`[50,2,{}]`)
			} else {
				p.hear(`[8,48,2,{},"wamp.error.unavailable",["*"]]`)
			}
		})
	}
}
