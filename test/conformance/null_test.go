package conformance

import (
	"fmt"
	"testing"

	"runnel/test/stage"
)

// The router accepts null for Arguments or ArgumentsKw as an absent element, except in a strict realm.
func TestNullPayload(t *testing.T) {
	shapes := []struct{ sent, heard string }{
		{`,null`, ``}, {`,null,null`, ``}, {`,["a"],null`, `,["a"]`}, {`,null,{"k":1}`, `,[],{"k":1}`},
	}
	house.Every(t, "in all messages", func(s *stage.Scene) {
		p, other := s.Join(stage.Full), s.Join(stage.Full)
		other.Say(`[32,1,{},"~.a"]`, `[64,2,{},"~.x"]`)
		other.Hear(`[33,1,"$sub"]`, `[65,2,"$reg"]`)
		for i, c := range shapes {
			p.Say(fmt.Sprintf(`[16,%d,{"acknowledge":true},"~.a"%s]`, 3*i+1, c.sent))
			other.Hear(`[36,"$sub","*",{}` + c.heard + `]`)
			p.Hear(fmt.Sprintf(`[17,%d,"*"]`, 3*i+1))
			p.Say(fmt.Sprintf(`[48,%d,{},"~.x"%s]`, 3*i+2, c.sent))
			other.Hear(fmt.Sprintf(`[68,%d,"$reg",{}%s]`, 2*i+1, c.heard))
			other.Say(fmt.Sprintf(`[70,%d,{}%s]`, 2*i+1, c.sent))
			p.Hear(fmt.Sprintf(`[50,%d,{}%s]`, 3*i+2, c.heard))
			p.Say(fmt.Sprintf(`[48,%d,{},"~.x"]`, 3*i+3))
			other.Hear(fmt.Sprintf(`[68,%d,"$reg",{}]`, 2*i+2))
			other.Say(fmt.Sprintf(`[8,68,%d,{},"com.error"%s]`, 2*i+2, c.sent))
			p.Hear(fmt.Sprintf(`[8,48,%d,{},"com.error"%s]`, 3*i+3, c.heard))
		}
		ask(p, `"wamp.session.count",[["nobody"]],null`, `,[0]`)
	})
	for _, c := range shapes {
		house.EveryStrict(t, c.sent, func(s *stage.Scene) {
			p := s.Join(stage.Full)
			p.Say(`[16,1,{},"~.a"` + c.sent + `]`)
			p.Hear(violated)
			p.Closed()
		})
	}
}

// An invalid URI is rejected in every message.
func TestBrokenURIs(t *testing.T) {
	const invalid = `[3,{"message":"*"},"wamp.error.invalid_uri"]`
	for _, uri := range []string{``, `a..b`, `a b`, `a\u001b[2J`, `.a`, `a.`, `a#b`} {
		house.EveryIn(t, "HELLO "+uri, uri, func(s *stage.Scene) {
			p := s.Connect()
			p.Say(`[1,"` + uri + `",{"roles":{"caller":{}}}]`)
			p.Hear(invalid)
			p.Closed()
		})
		house.Every(t, "GOODBYE "+uri, func(s *stage.Scene) {
			p := s.Join(stage.Simple)
			p.Say(`[6,{},"` + uri + `"]`)
			p.Hear(invalid)
			p.Closed()
		})
		house.Every(t, "ERROR "+uri, func(s *stage.Scene) {
			callee, caller := s.Join(stage.Full), s.Join(stage.Full)
			callee.Say(`[64,1,{},"~.x"]`)
			callee.Hear(`[65,1,"$reg"]`)
			caller.Say(`[48,1,{},"~.x"]`)
			callee.Hear(`[68,1,"$reg",{}]`)
			callee.Say(`[8,68,1,{},"` + uri + `",["secret"]]`)
			caller.Hear(`[8,48,1,{},"wamp.error.invalid_uri",["*"]]`)
			callee.Say(`[32,2,{},"~.a"]`) // it stays
			callee.Hear(`[33,2,"*"]`)
		})
	}
}
