package edge

import (
	"fmt"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// A call that ends while its answer is transcoded, and whose record the next call gets, disturbs neither.
func TestCallEndsDuringAnswer(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		callee, caller := s.join(hello), s.joinAs(memory.Options{Serializer: wamp.JSON}, hello)
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"$reg"]`)
		caller.say(`[48,1,{},"com.x"]`)
		long := "[0" + strings.Repeat(",1", 10_000) + "]"
		for i := 1; i <= 20; i++ {
			callee.hear(fmt.Sprintf(`[68,%d,"$reg",{}]`, i))
			callee.say(fmt.Sprintf(`[70,%d,{},%s]`, i, long))
			caller.sayAll(fmt.Sprintf(`[49,%d,{"mode":"skip"}]`, i), fmt.Sprintf(`[48,%d,{},"com.x"]`, i+1))
			result, canceled := fmt.Sprintf(`[50,%d,{},`, i), fmt.Sprintf(`[8,48,%d,{},"wamp.error.canceled"`, i)
			if got := <-caller.heard; !strings.HasPrefix(got, result) && !strings.HasPrefix(got, canceled) {
				t.Fatalf("call %d ended with %.100s", i, got)
			}
		}
	})
}
