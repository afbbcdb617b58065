package edge

import "testing"

func TestPassthru(t *testing.T) {
	ppt := `"ppt_scheme":"wamp","ppt_serializer":"cbor","ppt_cipher":"xsalsa20poly1305","ppt_keyid":"k1"`
	each(t, func(s *story, a, b *peer) {
		b.say(`[32,1,{},"com.a"]`)
		b.say(`[64,2,{},"com.x"]`)
		b.hear(`[33,1,"*"]`, `[65,2,"*"]`)
		a.say(`[16,1,{` + ppt + `,"_own":1},"com.a",["\u0000AQID"]]`)
		b.hear(`[36,"*","*",{` + ppt + `},["\u0000AQID"]]`)
		a.say(`[48,2,{` + ppt + `},"com.x",["\u0000AQID"]]`)
		b.hear(`[68,1,"*",{` + ppt + `},["\u0000AQID"]]`)
		b.say(`[70,1,{` + ppt + `},["\u0000AQID"]]`)
		a.hear(`[50,2,{` + ppt + `},["\u0000AQID"]]`)
		a.say(`[48,3,{` + ppt + `},"com.x",["\u0000AQID"]]`)
		b.hear(`[68,2,"*","*",["\u0000AQID"]]`)
		b.say(`[8,68,2,{` + ppt + `},"com.error",["\u0000AQID"]]`)
		a.hear(`[8,48,3,{` + ppt + `},"com.error",["\u0000AQID"]]`)
	})
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		violated := `[3,{"message":"*"},"wamp.error.protocol_violation"]`
		p := s.join(hello)
		p.say(`[16,1,{` + ppt + `},"com.a",["\u0000AQID"]]`)
		p.hear(violated)
		p = s.join(hello)
		p.say(`[48,1,{` + ppt + `},"com.a",["\u0000AQID"]]`)
		p.hear(violated)
		callee, plain, knows := s.join(hello), s.join(hello), s.join(helloAll)
		callee.say(`[64,2,{},"com.x"]`)
		callee.hear(`[65,2,"*"]`)
		knows.say(`[64,2,{},"com.y"]`)
		knows.hear(`[65,2,"*"]`)
		knows.say(`[48,1,{` + ppt + `},"com.x",["\u0000AQID"]]`)
		knows.hear(`[8,48,1,{},"wamp.error.feature_not_supported",["*"]]`)
		plain.say(`[48,1,{},"com.y"]`)
		knows.hear(`[68,1,"*",{}]`)
		knows.say(`[70,1,{` + ppt + `},["\u0000AQID"]]`)
		plain.hear(`[8,48,1,{},"wamp.error.feature_not_supported",["*"]]`)
		plain.say(`[48,2,{},"com.x"]`)
		callee.hear(`[68,1,"*",{}]`)
		callee.say(`[70,1,{` + ppt + `},["\u0000AQID"]]`)
		callee.hear(violated)
	})
}
