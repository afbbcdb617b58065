package edge

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// After GOODBYE another session may begin on the connection. It is new in every respect.
func TestAnotherSession(t *testing.T) {
	for _, speaks := range wamp.Serializers {
		realm := guarded(t, "all")
		realm.Strict = true
		tell(t, Options{}, realm, func(s *story) {
			watcher := s.join(hello)
			watcher.say(`[32,1,{},"wamp.session.on_leave"]`)
			watcher.hear(`[33,1,"$leave"]`)
			watcher.say(`[32,2,{},"com.a"]`)
			watcher.hear(`[33,2,"$a"]`)
			p := s.connect(memory.Options{Serializer: speaks})
			p.say(hello)
			p.hear(`[2,"$one","*"]`)
			p.say(`[32,1,{},"com.a"]`)
			p.hear(`[33,1,"$a"]`)
			p.say(`[64,2,{},"com.x"]`)
			p.hear(`[65,2,"*"]`)
			p.say(`[48,3,{},"wamp.session.add_testament",["com.a",["will"],{}]]`)
			p.hear(`[50,3,{}]`)
			p.say(`[6,{},"wamp.close.close_realm"]`)
			p.hear(`[6,{},"wamp.close.goodbye_and_out"]`)
			watcher.hear(`[36,"$a","*",{},["will"]]`, `[36,"$leave","*",{},["$one","*","all"]]`)

			p.say(helloAs("pump-7", `["ticket"]`)) // the former identity does not matter
			p.hear(`[4,"ticket",{}]`)
			p.say(`[5,"secret",{}]`)
			p.hear(`[2,"$two",{"roles":"*","agent":"*","realm":"realm1","authid":"pump-7","authrole":"sensor","authmethod":"ticket","authprovider":"static"}]`)
			if s.kept["one"] == s.kept["two"] {
				t.Error("it is the same session")
			}
			p.say(`[34,1,"$a"]`) // ids start from 1 again, and no state remains
			p.hear(`[8,34,1,{},"wamp.error.no_such_subscription"]`)
			watcher.say(`[16,3,{},"com.a"]`)
			watcher.say(`[48,4,{},"com.x"]`)
			watcher.hear(`[8,48,4,{},"wamp.error.no_such_procedure",["*"]]`)
			p.silent()
			p.say(`[6,{},"wamp.close.close_realm"]`)
			p.hear(`[6,{},"wamp.close.goodbye_and_out"]`)
			watcher.hear(`[36,"$leave","*",{},["$two","pump-7","sensor"]]`)

			p.say(helloAs("pump-7", `["ticket"]`))
			p.hear(`[4,"ticket",{}]`)
			p.say(`[5,"guess",{}]`)
			p.hear(`[3,"*","wamp.error.authentication_failed"]`)
			p.closed()
		})
	}
}

// GOODBYE and HELLO may arrive in one batch, repeatedly.
func TestManySessionsInOneBatch(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.connect(memory.Options{})
		const n = 50
		var texts []string
		for range n {
			texts = append(texts, hello, `[32,1,{},"com.a"]`, `[6,{},"wamp.close.normal"]`)
		}
		p.sayAll(texts...)
		for range n {
			p.hear(`[2,"*","*"]`, `[33,1,"*"]`, `[6,{},"wamp.close.goodbye_and_out"]`)
		}
		synctest.Wait()
		if status := s.router.Status(); status.Realms[0].Sessions != 0 || status.Realms[0].Subscriptions != 0 {
			t.Errorf("%+v", status)
		}
		p.conn.Close()
		if err := p.closed(); err != nil {
			t.Error(err)
		}
	})
}

// After GOODBYE only HELLO is answered, and its length is bounded as before.
func TestAfterGoodbye(t *testing.T) {
	for _, say := range []string{`[16,1,{},"com.a"]`, `[6,{},"wamp.close.normal"]`, `[1]`, `[]`} {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			p, c := s.enable()
			p.say(hello)
			p.hear(`[2,"*","*"]`)
			p.sayAll(`[6,{},"wamp.close.normal"]`)
			p.hear(`[6,{},"wamp.close.goodbye_and_out"]`)
			synctest.Wait()
			if got := fmt.Sprint(c.limits); got != fmt.Sprint([]int{maxHandshakeRead, 0, maxHandshakeRead}) {
				t.Errorf("limits %s", got)
			}
			p.say(say)
			if say == `[1]` { // a HELLO, though broken
				p.hear(`[3,"*","wamp.error.protocol_violation"]`)
			}
			p.conn.Close()
			p.closed()
		})
	}
}

// A session that was killed, or whose router is closing, is the last one.
func TestKilledSessionIsTheLast(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		admin, p := s.join(hello), s.connect(memory.Options{})
		p.say(hello)
		p.hear(`[2,"$p","*"]`)
		admin.say(`[48,1,{},"wamp.session.kill",["$p"]]`)
		p.hear(`[6,{},"wamp.close.killed"]`)
		p.sayAll(`[6,{},"wamp.close.goodbye_and_out"]`)
		p.closed()
	})
}

// A kill after the peer's GOODBYE has no effect, least of all on the next session.
func TestKillIsLate(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		old := s.router.realm([]byte("realm1")).sessions()[0]
		p.say(`[6,{},"wamp.close.normal"]`)
		p.hear(`[6,{},"wamp.close.goodbye_and_out"]`)
		synctest.Wait()
		old.kill(wamp.CloseKilled, "")
		p.say(hello)
		p.hear(`[2,"*","*"]`)
		time.Sleep(time.Minute)
		p.say(`[32,1,{},"com.a"]`)
		p.hear(`[33,1,"*"]`)
	})
}

// A HELLO that arrives too late, or whose peer has not read the answers to the previous session, begins no session.
func TestNoOtherSession(t *testing.T) {
	for name, c := range map[string]struct {
		buffer int
		late   time.Duration
	}{
		"too late":             {0, nextHelloTimeout + closeGrace/2},
		"answers are not read": {64, 0},
	} {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			p := s.deaf(memory.Options{Buffer: c.buffer})
			if c.buffer == 0 {
				p, _ = s.enable() // it stays open for reading
			}
			p.sayAll(hello, `[6,{},"wamp.close.normal"]`)
			synctest.Wait()
			time.Sleep(c.late)
			watcher := s.join(hello)
			watcher.say(`[32,1,{},"wamp.session.on_join"]`)
			watcher.hear(`[33,1,"*"]`)
			p.say(hello)
			<-p.ended
			if watcher.silent(); s.router.Status().Realms[0].Sessions != 1 {
				t.Errorf("%s: %+v", name, s.router.Status().Realms[0])
			}
		})
	}
}
