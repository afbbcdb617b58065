package hostile

import (
	"encoding/json"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/say"
	"runnel/test/stage"
)

// overSome runs a case over every third way. The case's name selects the ways, so that each way gets a share of the rules.
// The conformance suite runs the valid cases over all ways.
func overSome(t *testing.T, name string, plot func(s *stage.Scene)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		for i, w := range stage.Ways() {
			if (i+len(name))%3 != 0 {
				continue
			}
			t.Run(w.String(), func(t *testing.T) {
				t.Parallel()
				plot(house.Scene(t, w, w.Realm()))
			})
		}
	})
}

const violated = `[3,{"message":"*"},"wamp.error.protocol_violation"]`

// breach is a violation of one rule by a peer in a session.
type breach struct {
	hello string   // default: stage.Full
	calls []string // said before, without a fault: calls of another peer's procedure
	say   string
}

// After ABORT, the router processes no message sent together with the violation, and the session leaves no state behind.
func TestBreachesInASession(t *testing.T) {
	for name, b := range map[string]breach{
		"a second HELLO":                       {say: stage.Full},
		"WELCOME":                              {say: `[2,1,{}]`},
		"CHALLENGE":                            {say: `[4,"ticket",{}]`},
		"AUTHENTICATE":                         {say: `[5,"secret",{}]`},
		"PUBLISHED":                            {say: `[17,1,1]`},
		"SUBSCRIBED":                           {say: `[33,1,1]`},
		"UNSUBSCRIBED":                         {say: `[35,1]`},
		"UNSUBSCRIBED as if revoked":           {say: `[35,0,{"subscription":1}]`},
		"EVENT":                                {say: `[36,1,1,{}]`},
		"RESULT":                               {say: `[50,1,{}]`},
		"REGISTERED":                           {say: `[65,1,1]`},
		"UNREGISTERED":                         {say: `[67,1]`},
		"INVOCATION":                           {say: `[68,1,1,{}]`},
		"INTERRUPT":                            {say: `[69,1,{}]`},
		"ERROR for PUBLISH":                    {say: `[8,16,1,{},"com.error"]`},
		"ERROR for SUBSCRIBE":                  {say: `[8,32,1,{},"com.error"]`},
		"ERROR for CALL":                       {say: `[8,48,1,{},"com.error"]`},
		"ERROR for CANCEL":                     {say: `[8,49,1,{},"com.error"]`},
		"ERROR for REGISTER":                   {say: `[8,64,1,{},"com.error"]`},
		"ERROR for INTERRUPT":                  {say: `[8,69,1,{},"com.error"]`},
		"ERROR for nothing":                    {say: `[8,0,1,{},"com.error"]`},
		"ERROR for an INVOCATION that was not": {say: `[8,68,1,{},"com.error"]`},
		"YIELD for an INVOCATION that was not": {say: `[70,1,{}]`},
		"progressive YIELD for none":           {say: `[70,7,{"progress":true}]`},
		"an empty list":                        {say: `[]`},
		"no list":                              {say: `{"type":16}`},
		"a bare text":                          {say: `"PUBLISH"`},
		"a bare number":                        {say: `16`},
		"null":                                 {say: `null`},
		"no type":                              {say: `[{},1]`},
		"a type that is a text":                {say: `["16",1,{},"~.a"]`},
		"a type that is a float":               {say: `[16.0,1,{},"~.a"]`},
		"a type that is negative":              {say: `[-16,1,{},"~.a"]`},
		"a type that is huge":                  {say: `[18446744073709551615,1,{},"~.a"]`},
		"a list in a list":                     {say: `[[16,1,{},"~.a"]]`},
		"type 0":                               {say: `[0]`},
		"an unknown type":                      {say: `[99,1,{}]`},
		"an unknown extension":                 {say: `[1000,1,{}]`},
		"CALL in a call under way":             {calls: []string{`[48,7,{},"~.x"]`}, say: `[48,7,{},"~.x"]`},
		"CANCEL in a mode that is not":         {say: `[49,1,{"mode":"softly"}]`},
		"CANCEL in a mode of a wrong type":     {say: `[49,1,{"mode":7}]`},
		"progressive CALL, not announced":      {hello: stage.Simple, say: `[48,1,{"progress":true},"~.x"]`},
		"passthru PUBLISH, not announced":      {hello: stage.Simple, say: `[16,1,{"ppt_scheme":"mqtt"},"~.a",["\u0000AQID"]]`},
		"passthru CALL, not announced":         {hello: stage.Simple, say: `[48,1,{"ppt_scheme":"mqtt"},"~.a",["\u0000AQID"]]`},
		"a chunk of another procedure":         {calls: []string{`[48,7,{"progress":true},"~.x"]`}, say: `[48,7,{},"~.y"]`},
		"a chunk after the last":               {calls: []string{`[48,7,{"progress":true},"~.x"]`, `[48,7,{},"~.x"]`}, say: `[48,7,{"progress":true},"~.x"]`},
		"acknowledge is a number":              {say: `[16,1,{"acknowledge":1},"~.a"]`},
		"exclude_me is a text":                 {say: `[16,1,{"exclude_me":"no"},"~.a"]`},
		"exclude is no list":                   {say: `[16,1,{"exclude":7},"~.a"]`},
		"eligible holds texts":                 {say: `[16,1,{"eligible":["ann"]},"~.a"]`},
		"eligible_authid holds ids":            {say: `[16,1,{"eligible_authid":[1]},"~.a"]`},
		"retain is a number":                   {say: `[16,1,{"retain":1},"~.a"]`},
		"get_retained is a number":             {say: `[32,1,{"get_retained":1},"~.a"]`},
		"an unknown match":                     {say: `[32,1,{"match":"regex"},"~.a"]`},
		"match is a number":                    {say: `[64,1,{"match":1},"~.a"]`},
		"invoke is a list":                     {say: `[64,1,{"invoke":[]},"~.a"]`},
		"receive_progress is a number":         {say: `[48,1,{"receive_progress":1},"~.a"]`},
		"progress is a number":                 {say: `[70,1,{"progress":1}]`},
		"disclose_me is null in a list":        {say: `[48,1,{"disclose_me":[null]},"~.a"]`},
		"Arguments is a dict":                  {say: `[16,1,{},"~.a",{}]`},
		"Arguments is a text":                  {say: `[48,1,{},"~.a","x"]`},
		"ArgumentsKw is a list":                {say: `[48,1,{},"~.a",[],[]]`},
		"something behind ArgumentsKw":         {say: `[16,1,{},"~.a",[],{},1]`},
		"Options are a list":                   {say: `[16,1,[],"~.a"]`},
		"Options are null":                     {say: `[32,1,null,"~.a"]`},
		"the topic is a number":                {say: `[32,1,{},7]`},
		"the topic is missing":                 {say: `[32,1,{}]`},
		"the request is missing":               {say: `[16,{},"~.a"]`},
		"the request is a text":                {say: `[16,"1",{},"~.a"]`},
		"the subscription is 0":                {say: `[34,1,0]`},
		"the registration is a dict":           {say: `[66,1,{}]`},
		"the URI is a binary":                  {say: `[32,1,{},"\u0000AQID"]`},
		"GOODBYE without a reason":             {say: `[6,{}]`},
		"GOODBYE with a number":                {say: `[6,{},7]`},
		"EVENT_RECEIVED of a text":             {say: `[337,"x"]`},
		"HELLO of nobody":                      {say: `[1]`},
	} {
		if b.hello == "" {
			b.hello = stage.Full
		}
		overSome(t, name, func(s *stage.Scene) {
			if name == "the URI is a binary" && s.Way.Serializer == wamp.JSON {
				s.Skip("it is a text there")
			}
			p, friend := s.Join(b.hello).Named("p"), s.Join(stage.Full)
			friend.Say(`[32,1,{},"~.after"]`, `[32,2,{},"wamp.session.on_leave"]`, `[64,3,{},"~.x"]`)
			friend.Hear(`[33,1,"*"]`, `[33,2,"$left"]`, `[65,3,"*"]`)
			p.Say(`[64,90,{},"~.offered"]`)
			p.Hear(`[65,90,"*"]`)
			for _, call := range b.calls {
				p.Say(call)
				friend.Hear(`[68,1,"*","*"]`)
			}
			p.Throw(b.say, `[16,91,{"exclude_me":false},"~.after"]`)
			p.Hear(violated)
			if b.calls != nil {
				friend.Hear(`[69,1,{"mode":"killnowait"}]`)
			}
			friend.Hear(`[36,"$left","*",{},["$p","*","guest"]]`) // and no event of messages sent with the breach
			friend.Say(`[34,4,"$left"]`)
			friend.Hear(`[35,4]`)
			p.Closed()
			friend.Say(`[48,5,{},"~.offered"]`)
			friend.Hear(`[8,48,5,{},"wamp.error.no_such_procedure",["*"]]`)
			unmoved(t, s.Realm)
		})
	}
}

func TestBreachesBeforeASession(t *testing.T) {
	for name, c := range map[string]struct{ say, answer string }{
		"GOODBYE":                 {`[6,{},"wamp.close.normal"]`, violated},
		"ERROR":                   {`[8,68,1,{},"com.error"]`, violated},
		"PUBLISH":                 {`[16,1,{},"~.a"]`, violated},
		"PUBLISHED":               {`[17,1,1]`, violated},
		"SUBSCRIBE":               {`[32,1,{},"~.a"]`, violated},
		"SUBSCRIBED":              {`[33,1,1]`, violated},
		"UNSUBSCRIBE":             {`[34,1,1]`, violated},
		"UNSUBSCRIBED":            {`[35,1]`, violated},
		"EVENT":                   {`[36,1,1,{}]`, violated},
		"CALL":                    {`[48,1,{},"wamp.session.count"]`, violated},
		"CANCEL":                  {`[49,1,{}]`, violated},
		"RESULT":                  {`[50,1,{}]`, violated},
		"REGISTER":                {`[64,1,{},"~.a"]`, violated},
		"REGISTERED":              {`[65,1,1]`, violated},
		"UNREGISTER":              {`[66,1,1]`, violated},
		"UNREGISTERED":            {`[67,1]`, violated},
		"INVOCATION":              {`[68,1,1,{}]`, violated},
		"INTERRUPT":               {`[69,1,{}]`, violated},
		"YIELD":                   {`[70,1,{}]`, violated},
		"WELCOME":                 {`[2,1,{}]`, violated},
		"CHALLENGE":               {`[4,"ticket",{}]`, violated},
		"AUTHENTICATE":            {`[5,"x",{}]`, violated},
		"EVENT_RECEIVED":          {`[337,1]`, violated},
		"an unknown type":         {`[99]`, violated},
		"an empty list":           {`[]`, violated},
		"no list":                 {`"HELLO"`, violated},
		"no realm":                {`[1,{"roles":{"caller":{}}}]`, violated},
		"a realm that is a text":  {`[1,"",{"roles":{"caller":{}}}]`, `[3,{"message":"*"},"wamp.error.invalid_uri"]`},
		"a realm that is none":    {`[1,"stage",{"roles":{"caller":{}}}]`, `[3,{"message":"*"},"wamp.error.no_such_realm"]`},
		"details that are a list": {`[1,"@",[]]`, violated},
		"no roles":                {`[1,"@",{}]`, violated},
		"roles that are a list":   {`[1,"@",{"roles":["caller"]}]`, violated},
		"no role in roles":        {`[1,"@",{"roles":{}}]`, violated},
		"a router's role":         {`[1,"@",{"roles":{"caller":{},"dealer":{}}}]`, violated},
		"a role that is a text":   {`[1,"@",{"roles":{"caller":"yes"}}]`, violated},
		"methods that are a text": {`[1,"@",{"roles":{"caller":{}},"authmethods":"ticket"}]`, violated},
		"a method that is 1":      {`[1,"@",{"roles":{"caller":{}},"authmethods":[1]}]`, violated},
		"long HELLO":              {`[1,"@",{"roles":{"caller":{}},"x":"` + strings.Repeat("x", 17<<10) + `"}]`, violated},
		"wide HELLO":              {`[1,"@",{"roles":{"caller":{}},"x":[` + strings.Repeat("{},", 5000) + `{}]}]`, violated}, // too many values before it is known who the peer is
	} {
		overSome(t, name, func(s *stage.Scene) {
			p := s.Connect()
			p.Say(c.say)
			p.Hear(c.answer)
			if c.answer[1] == '3' {
				p.Closed()
			}
			unmoved(t, s.Realm)
		})
	}
}

// mutations lists the values that replace an element.
var mutations = []string{`0`, `1`, `-1`, `1.5`, `9007199254740993`, `""`, `"x"`, `[]`, `[1]`, `{}`, `{"a":1}`, `null`, `true`}

// legal lists the mutations that are valid values for each kind of element.
var legal = map[rune]string{
	'i': `1`, 's': `"" "x"`, 'u': `"" "x"`, 'd': `{} {"a":1}`, 't': ``,
	'l': `[] [1] null`, 'k': `{} {"a":1} null`, // null is read as absent where the realm is not strict
}

// Each element of each message of a client is replaced by each kind of value. Values that the protocol does not allow end the
// session with ABORT; all others do not.
func TestMutatedMessages(t *testing.T) {
	for _, m := range []struct{ name, text, kinds string }{
		{"GOODBYE", `[6,{},"com.bye"]`, "du"},
		{"PUBLISH", `[16,1,{},"mutated.a",[1],{"k":1}]`, "idulk"},
		{"SUBSCRIBE", `[32,1,{},"mutated.a"]`, "idu"},
		{"UNSUBSCRIBE", `[34,1,1]`, "ii"},
		{"CALL", `[48,1,{},"mutated.x",[1],{"k":1}]`, "idulk"},
		{"CANCEL", `[49,1,{}]`, "id"},
		{"REGISTER", `[64,1,{},"mutated.x"]`, "idu"},
		{"UNREGISTER", `[66,1,1]`, "ii"},
		{"ERROR", `[8,68,1,{},"com.error",[1],{"k":1}]`, "tidulk"},
		{"YIELD", `[70,1,{},[1],{"k":1}]`, "idlk"},
		{"EVENT_RECEIVED", `[337,1]`, "i"},
	} {
		t.Run(m.name, func(t *testing.T) {
			for _, serializer := range wamp.Serializers {
				t.Run(serializer.String(), func(t *testing.T) {
					t.Parallel()
					w := stage.Way{Network: "unix", Serializer: serializer}
					for i, kind := range m.kinds {
						for _, value := range mutations {
							if !isLegal(kind, value) {
								abortedFor(t, w, replaced(t, m.text, i+1, value))
							}
						}
					}
					for n := 1; n < len(m.kinds)-optional(m.kinds)+1; n++ {
						abortedFor(t, w, shortened(t, m.text, n))
					}
					abortedFor(t, w, replaced(t, m.text, len(m.kinds)+2, `{}`))
					unmoved(t, w.Realm())
				})
			}
		})
	}
}

func isLegal(kind rune, value string) bool {
	for _, each := range strings.Fields(legal[kind]) {
		if each == value {
			return true
		}
	}
	return false
}

// optional returns how many elements at the end of a message may be missing.
func optional(kinds string) int { return len(kinds) - len(strings.TrimRight(kinds, "lk")) }

// replaced returns the message with another value for an element. An index beyond the end appends elements.
func replaced(t *testing.T, text string, at int, value string) string {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	for len(list) <= at {
		list = append(list, json.RawMessage("{}"))
	}
	list[at] = json.RawMessage(value)
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func shortened(t *testing.T, text string, n int) string {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(list[:n])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// abortedFor checks that a session that sends the text ends with ABORT.
func abortedFor(t *testing.T, w stage.Way, text string) {
	t.Helper()
	data, err := say.Names{}.Encode(w.Serializer, text)
	if err != nil {
		t.Fatal(err)
	}
	abortedForOctets(t, w, text, data)
}

func abortedForOctets(t *testing.T, w stage.Way, what string, data []byte) {
	t.Helper()
	s := house.Scene(t, w, w.Realm())
	p := s.Join(stage.Full)
	p.Raw(data)
	text, open := p.Next()
	if ok, _ := s.Names.Match(violated, text); !open || !ok {
		t.Errorf("after %s the router says %s (open: %v)", what, text, open)
		return
	}
	p.Closed()
}
