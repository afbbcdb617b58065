package edge

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"runnel/transport/memory"
)

func TestProgressiveInvocations(t *testing.T) {
	each(t, func(s *story, caller, callee *peer) {
		callee.say(`[64,1,{"match":"prefix"},"com."]`)
		callee.hear(`[65,1,"$reg"]`)
		other := s.join(hello)
		caller.say(`[48,1,{"progress":true,"receive_progress":true,"disclose_me":true},"com.up",["a"]]`)
		details := `"receive_progress":true,"procedure":"com.up","caller":"*","caller_authid":"*","caller_authrole":"all"`
		callee.hear(`[68,1,"$reg",{"progress":true,` + details + `},["a"]]`)
		other.say(`[48,1,{},"com.other"]`)
		callee.hear(`[68,2,"$reg",{"procedure":"com.other"}]`)
		callee.say(`[70,1,{"progress":true},["so far"]]`)
		caller.hear(`[50,1,{"progress":true},["so far"]]`)
		caller.say(`[48,1,{"progress":true,"disclose_me":false},"com.up",["\u0000AQID"],{"k":1}]`) // the options apply to all chunks
		callee.hear(`[68,1,"$reg",{"progress":true,` + details + `},["\u0000AQID"],{"k":1}]`)
		caller.say(`[48,1,{},"com.up",["end"]]`)
		callee.hear(`[68,1,"$reg",{` + details + `},["end"]]`)
		callee.say(`[70,1,{},["done"]]`)
		caller.hear(`[50,1,{},["done"]]`)
		caller.say(`[48,2,{"progress":true},"com.up"]`)
		callee.hear(`[68,3,"$reg",{"procedure":"com.up","progress":true}]`)
		callee.say(`[70,3,{},["enough"]]`) // before the last chunk
		caller.hear(`[50,2,{},["enough"]]`)
		caller.say(`[48,2,{"progress":true},"com.up",["late"]]`)
		caller.say(`[48,2,{},"com.up",["late"]]`)
		callee.silent()
		caller.silent()
		caller.say(`[48,3,{},"com.up"]`)
		callee.hear(`[68,4,"$reg",{"procedure":"com.up"}]`)
	})
}

func TestBrokenProgressiveInvocations(t *testing.T) {
	start := `[48,1,{"progress":true},"com.x"]`
	for _, c := range []struct{ name, callerHello, calleeHello, first, then, answer string }{
		{"not announced", hello, helloAll, "", start, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
		{"the callee does not know it", helloAll, hello, "", start, `[8,48,1,{},"wamp.error.feature_not_supported",["*"]]`},
		{"another procedure", helloAll, helloAll, start, `[48,1,{},"com.y"]`, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
		{"after the last chunk", helloAll, helloAll, `[48,1,{},"com.x"]`, start, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				caller, callee := s.join(c.callerHello), s.join(c.calleeHello)
				callee.say(`[64,1,{},"com.x"]`)
				callee.hear(`[65,1,"*"]`)
				if c.first != "" {
					caller.say(c.first)
					callee.hear(`[68,1,"*","*"]`)
				}
				caller.say(c.then)
				caller.hear(c.answer)
			})
		})
	}
}

// A call ends if its callee cannot get a chunk: the caller gets one error, and the callee INTERRUPT instead of arguments with a gap.
func TestChunkIsTooLong(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		callee := s.limited(memory.Options{}, 2000)
		callee.listen()
		callee.say(helloAll)
		callee.hear(`[2,"*","*"]`)
		callee.say(`[64,1,{},"com.up"]`)
		callee.hear(`[65,1,"*"]`)
		caller := s.join(helloAll)
		caller.say(`[48,1,{"progress":true},"com.up",["a"]]`)
		callee.hear(`[68,1,"*",{"progress":true},["a"]]`)
		caller.say(`[48,1,{"progress":true},"com.up",["` + strings.Repeat("x", 3000) + `"]]`)
		caller.hear(`[8,48,1,{},"wamp.error.payload_size_exceeded",["*"]]`)
		callee.hear(`[69,1,{"mode":"killnowait"}]`)
		caller.say(`[48,1,{},"com.up",["end"]]`)
		callee.silent()
		callee.say(`[70,1,{},["half of it"]]`) // before INTERRUPT has arrived
		caller.silent()
	})
}

// A callee that does not keep up with the chunks of a call is not disconnected. The call ends.
func TestChunksForACongestedCallee(t *testing.T) {
	for name, size := range map[string]int{"many short chunks": 100, "few long ones": 7 << 10} {
		tell(t, Options{OutboxBytes: 4 << 10}, RealmOptions{}, func(s *story) {
			callee := s.deaf(memory.Options{Buffer: 1024})
			callee.say(helloAll)
			callee.say(`[64,1,{},"com.up"]`)
			synctest.Wait()
			caller := s.join(helloAll)
			chunks := []string{`[48,1,{"progress":true},"com.up"]`}
			for range 40_000 / size {
				chunks = append(chunks, fmt.Sprintf(`[48,1,{"progress":true},"com.up",["%s"]]`, strings.Repeat("x", size)))
			}
			caller.sayAll(chunks...)
			caller.hear(`[8,48,1,{},"wamp.error.unavailable",["the callee does not keep up with the parts of the arguments"]]`)
			caller.silent()
			if len(callee.ended) > 0 {
				t.Errorf("%s: the callee was disconnected", name)
			}
			callee.listen()
			kinds := map[string]int{}
			for synctest.Wait(); len(callee.heard) > 0; synctest.Wait() {
				m, _ := decode(t, <-callee.heard).([]any)
				kinds[fmt.Sprint(m[0])]++
			}
			if kinds["68"] < 2 || kinds["68"] >= len(chunks) || kinds["69"] != 1 {
				t.Errorf("%s: the callee gets %v", name, kinds)
			}
		})
	}
}

// In a strict realm request ids count up, except for further chunks of a call.
func TestStrictProgressiveInvocations(t *testing.T) {
	strict := openRealm()
	strict.Strict = true
	tell(t, Options{}, strict, func(s *story) {
		caller, callee := s.join(helloAll), s.join(helloAll)
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"*"]`)
		caller.say(`[48,1,{"progress":true},"com.x"]`)
		caller.say(`[48,2,{},"com.x"]`)
		caller.say(`[48,1,{},"com.x"]`)
		callee.hear(`[68,1,"*",{"progress":true}]`, `[68,2,"*",{}]`, `[68,1,"*",{}]`)
		callee.say(`[70,1,{}]`)
		caller.hear(`[50,1,{}]`)
		caller.say(`[48,3,{"progress":true},"com.x"]`)
		callee.hear(`[68,3,"*",{"progress":true}]`)
		callee.say(`[70,3,{}]`)
		caller.hear(`[50,3,{}]`)
		caller.say(`[48,3,{},"com.x"]`)
		caller.silent()
		caller.say(`[48,3,{},"com.x"]`)
		caller.hear(`[3,{"message":"CALL.Request is 3, and 4 was next"},"wamp.error.protocol_violation"]`)
	})
}

func TestCancelProgressiveInvocation(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		caller, callee := s.join(helloAll), s.join(helloAll)
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"*"]`)
		caller.say(`[48,1,{"progress":true},"com.x"]`)
		callee.hear(`[68,1,"*",{"progress":true}]`)
		caller.say(`[49,1,{}]`)
		caller.hear(`[8,48,1,{},"wamp.error.canceled"]`)
		callee.hear(`[69,1,{"mode":"killnowait"}]`)
		caller.say(`[48,1,{},"com.x"]`)
		callee.silent()
		caller.silent()
	})
}
