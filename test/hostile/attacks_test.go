package hostile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/stage"
)

// readers lists the ways for slow peers: one whose socket reports its free buffer space, and one without that.
var readers = []stage.Way{
	{Network: "tcp", Serializer: wamp.CBOR}, {Network: "tls", Serializer: wamp.JSON}, {Network: "unix", Serializer: wamp.MsgPack},
}

// A subscriber that does not read delays the publisher only briefly. All other subscribers get every event in order.
func TestSubscriberThatDoesNotRead(t *testing.T) {
	for _, w := range readers {
		t.Run(w.String(), func(t *testing.T) {
			before := mark()
			s := house.Scene(t, w, w.Realm())
			deaf := raw(t, w, stage.Simple)
			deaf.say(`[32,1,{},"deaf.topic"]`)
			deaf.hear("[33,1,") // and no more messages
			pub, sub := s.Join(stage.Simple), s.Join(stage.Simple)
			sub.Say(`[32,1,{},"deaf.topic"]`)
			sub.Hear(`[33,1,"*"]`)
			pad := strings.Repeat("x", 100_000)
			const full = `level=WARN msg="peer reads too slowly; dropping its oldest events`
			const most, more = 300, 20 // 30 MB are more than sockets and outbox ever hold
			for i, end := 0, most; i < end; i++ {
				pub.Say(fmt.Sprintf(`[16,%d,{"acknowledge":true},"deaf.topic",[%d,%q]]`, i+1, i, pad))
				pub.Hear(fmt.Sprintf(`[17,%d,"*"]`, i+1))
				sub.Hear(fmt.Sprintf(`[36,"*","*",{},[%d,%q]]`, i, pad))
				if end == most && strings.Contains(house.Stderr.Text()[before:], full) {
					end = i + more
				}
			}
			logged(t, before, full)
			unmoved(t, w.Realm())
			modest(t)
		})
	}
}

// A caller that does not read its results is disconnected. It does not block the callee.
func TestCallerThatDoesNotRead(t *testing.T) {
	for _, w := range readers {
		t.Run(w.String(), func(t *testing.T) {
			s := house.Scene(t, w, w.Realm())
			callee, watcher := s.Join(stage.Simple), s.Join(stage.Simple)
			callee.Say(`[64,1,{},"~.x"]`)
			callee.Hear(`[65,1,"*"]`)
			watcher.Say(`[32,1,{},"wamp.session.on_leave"]`)
			watcher.Hear(`[33,1,"*"]`)
			deaf := raw(t, w, stage.Simple)
			pad := strings.Repeat("x", 30_000)
			for i := 1; !watcher.Heard(); i++ {
				if i > 5000 {
					t.Fatal("it is not cut")
				}
				if _, err := deaf.Write(deaf.encode(fmt.Sprintf(`[48,%d,{},%q]`, i, s.Own()+".x"))); err != nil {
					break
				}
				kit.Eventually(t, "the callee is called, or the caller is cut", func() bool { return callee.Heard() || watcher.Heard() })
				if !callee.Heard() {
					break
				}
				callee.Hear(fmt.Sprintf(`[68,%d,"*",{}]`, i))
				callee.Say(fmt.Sprintf(`[70,%d,{},[%q]]`, i, pad))
			}
			watcher.Hear(`[36,"*","*",{},["*","*","guest"]]`)
			callee.Say(`[66,2,5]`) // the session stays open
			for text := ""; !strings.HasPrefix(text, "[8,66,2,"); {
				text, _ = callee.Next() // a last INVOCATION may precede it
			}
			unmoved(t, w.Realm())
			modest(t)
		})
	}
}

// A peer that sends PINGs and does not read the PONGs blocks only itself.
func TestPINGsWithoutReading(t *testing.T) {
	for _, w := range readers {
		t.Run(w.String(), func(t *testing.T) {
			deaf := raw(t, w, stage.Simple)
			ping := stage.Frame(1, make([]byte, 200<<10))
			written := make(chan struct{})
			go func() {
				defer close(written)
				for range 500 { // 100 MB; the router stops reading after a part of it
					if _, err := deaf.Write(ping); err != nil {
						return
					}
				}
			}()
			unmoved(t, w.Realm())
			modest(t)
			deaf.Close()
			<-written
		})
	}
}

// The resources of a session are bounded. A request beyond the bounds gets ERROR, and the session continues.
func TestLimits(t *testing.T) {
	house.Every(t, "of a session", func(s *stage.Scene) {
		p, callee := s.Join(stage.Simple), s.Join(stage.Simple)
		for i := range 21 {
			p.Say(fmt.Sprintf(`[32,%d,{},"~.%d"]`, i+1, i), fmt.Sprintf(`[64,%d,{},"~.%d"]`, i+101, i))
			if i < 20 {
				p.Hear(fmt.Sprintf(`[33,%d,"*"]`, i+1), fmt.Sprintf(`[65,%d,"*"]`, i+101))
			} else {
				p.Hear(fmt.Sprintf(`[8,32,%d,{},"wamp.error.unavailable",["*"]]`, i+1), fmt.Sprintf(`[8,64,%d,{},"wamp.error.unavailable",["*"]]`, i+101))
			}
		}
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		for i := range 21 {
			p.Say(fmt.Sprintf(`[48,%d,{},"~.x"]`, i+1))
			if i < 20 {
				callee.Hear(fmt.Sprintf(`[68,%d,"*",{}]`, i+1))
			} else {
				p.Hear(fmt.Sprintf(`[8,48,%d,{},"wamp.error.unavailable",["*"]]`, i+1))
			}
		}
		callee.Say(`[70,5,{}]`)
		p.Hear(`[50,5,{}]`)
		p.Say(`[48,99,{},"~.x"]`) // there is room again
		callee.Hear(`[68,21,"*",{}]`)
		for i := range 101 {
			p.Say(fmt.Sprintf(`[48,%d,{},"wamp.session.add_testament",["~.will",[],{}],{"publish_options":{"eligible":[]}}]`, i+200))
			if i < 100 {
				p.Hear(fmt.Sprintf(`[50,%d,{}]`, i+200))
			} else {
				p.Hear(fmt.Sprintf(`[8,48,%d,{},"wamp.error.unavailable",["*"]]`, i+200))
			}
		}
		unmoved(t, s.Realm)
	})
	t.Run("of a message", func(t *testing.T) { // beyond the limit announced in the handshake
		for _, w := range readers {
			deaf := raw(t, w, stage.Simple)
			deaf.Write(stage.Frame(0, make([]byte, 256<<10+1)))
			deaf.expectClosed()
			unmoved(t, w.Realm())
		}
	})
	t.Run("of what is retained", func(t *testing.T) {
		before := mark()
		w := stage.Way{Network: "tcp", Serializer: wamp.CBOR}
		p := house.Scene(t, w, w.Realm()).Join(stage.Simple)
		pad := strings.Repeat("x", 10_000)
		for i := range 100 { // a megabyte, and there is room for 64 KiB
			p.Say(fmt.Sprintf(`[16,%d,{"retain":true},"~.%d",[%q]]`, i+1, i, pad))
		}
		p.Sync()
		unmoved(t, w.Realm())
		modest(t)
		logged(t, before, `level=WARN msg="retained events have reached their limit`)
	})
}

// Floods of requests, valid or not, delay only the answers to the flooding session.
func TestFloods(t *testing.T) {
	for name, c := range map[string]struct {
		message string
		answer  string // a prefix of each answer; "": no answer
	}{
		"PUBLISH to nobody":       {`[16,%d,{},"flood.%d"]`, ""},
		"PUBLISH, refused":        {`[16,%d,{"acknowledge":true},"flood..%d"]`, `[8,16,`},
		"SUBSCRIBE, refused":      {`[32,%d,{},"flood..%d"]`, `[8,32,`},
		"SUBSCRIBE to the same":   {`[32,%d,{},"flood"]`, `[33,`},
		"REGISTER, refused":       {`[64,%d,{},"wamp.%d"]`, `[8,64,`},
		"CALL of nothing":         {`[48,%d,{},"flood.%d"]`, `[8,48,`},
		"CALL of meta procedures": {`[48,%d,{},"wamp.session.count"]`, `[50,`},
		"CANCEL of nothing":       {`[49,%d,{}]`, ""},
		"UNSUBSCRIBE of nothing":  {`[34,%d,%d]`, `[8,34,`},
		"EVENT_RECEIVED":          {`[337,%d]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := stage.Way{Network: "unix", Serializer: wamp.JSON}
			p := raw(t, w, stage.Simple)
			const n = 3000
			var flood bytes.Buffer
			for i := range n {
				text := c.message
				if strings.Count(text, "%d") == 2 {
					text = fmt.Sprintf(text, i+1, i+1)
				} else {
					text = fmt.Sprintf(text, i+1)
				}
				flood.Write(stage.Frame(0, []byte(text)))
			}
			go p.Write(flood.Bytes())
			if c.answer != "" {
				for range n {
					p.hear(c.answer)
				}
			}
			p.Close()
			unmoved(t, w.Realm())
		})
	}
	modest(t)
}

// Sessions that end, cleanly or not, leave no state behind.
func TestStorm(t *testing.T) {
	w := stage.Way{Network: "tcp", Serializer: wamp.MsgPack}
	s := house.Scene(t, w, w.Realm())
	p := s.Join(stage.Simple)
	p.Say(`[48,1,{},"wamp.session.count"]`)
	p.Hear(`[50,1,{},["$sessions"]]`)
	for i := range 300 {
		c := raw(t, w, stage.Full)
		c.say(`[32,1,{"match":"prefix"},"storm."]`, `[64,2,{"invoke":"random"},"storm.x"]`, `[48,3,{},"storm.x"]`, `[16,4,{},"storm.y"]`,
			`[48,5,{},"wamp.session.add_testament",["storm.will",[],{}]]`)
		switch i % 3 {
		case 0:
			c.hear("[50,5,")
			c.say(`[6,{},"wamp.close.normal"]`)
			c.hear("[6,") // the router leaves the connection to the peer, which may say HELLO again
		case 1:
			c.say(`[70,99,{}]`)
			c.expectClosed()
		}
		c.Close()
	}
	p.Await(`[48,2,{},"wamp.session.count"]`, `[50,2,{},["$sessions"]]`)
	p.Say(`[48,3,{},"wamp.registration.match",["storm.x"]]`, `[48,4,{},"wamp.subscription.match",["storm.y"]]`)
	p.Hear(`[50,3,{},[null]]`, `[50,4,{},[null]]`)
	unmoved(t, w.Realm())
	modest(t)
}

// A peer that guesses secrets does not keep others from joining.
func TestGuesses(t *testing.T) {
	w := stage.Way{Network: "tcp", Serializer: wamp.JSON}
	t.Run("all", func(t *testing.T) {
		for i := range 50 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				c := open(t, w)
				if err := stage.Handshake(c, w.Serializer); err != nil {
					t.Fatal(err)
				}
				c.say(strings.ReplaceAll(`[1,"@",{"roles":{"caller":{}},"authid":"bystander","authmethods":["ticket"]}]`, "@", w.Realm()))
				c.hear("[4,")
				c.say(fmt.Sprintf(`[5,"guess %d",{}]`, i))
				if got := c.hear("[3,"); !strings.Contains(got, "wamp.error.authentication_failed") {
					t.Errorf("heard %s", got)
				}
				c.expectClosed()
			})
		}
		t.Run("a right one", func(t *testing.T) {
			t.Parallel()
			house.Scene(t, w, w.Realm()).Login("bystander", stage.Simple)
		})
	})
	unmoved(t, w.Realm())
}

// The memory and time that one request costs the router are bounded.
func TestAmplification(t *testing.T) {
	w := stage.Way{Network: "unix", Serializer: wamp.CBOR}
	t.Run("arguments of meta procedures", func(t *testing.T) { // decoded, they would need many times their length
		t.Run("all", func(t *testing.T) {
			for i := range 4 {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					t.Parallel()
					c := raw(t, w, stage.Simple)
					call := `[48,%d,{},"wamp.session.count",[[` + strings.Repeat("{},", 100_000) + `{}]]]`
					for n := range 3 {
						c.say(fmt.Sprintf(call, n+1))
						if got := c.hear(fmt.Sprintf("[8,48,%d,", n+1)); !strings.Contains(got, "wamp.error.invalid_argument") {
							t.Errorf("heard %s", got)
						}
					}
				})
			}
		})
		unmoved(t, w.Realm())
		modest(t)
	})
	t.Run("long URIs and patterns", func(t *testing.T) {
		s := house.Scene(t, w, w.Realm())
		p := s.Join(stage.Simple)
		dots := strings.Repeat(".", 500)
		for i := range 10 {
			p.Say(fmt.Sprintf(`[32,%d,{"match":"wildcard"},"%s%s"]`, i+1, dots[i:], strings.Repeat("a.", i)))
			p.Hear(fmt.Sprintf(`[33,%d,"*"]`, i+1))
		}
		topic := strings.Repeat("a.", 500) + "a"
		var all []string
		for i := range 1000 {
			all = append(all, fmt.Sprintf(`[16,%d,{},%q]`, i+1, topic))
		}
		p.Say(all...)
		p.Sync()
		unmoved(t, w.Realm())
	})
	t.Run("long numbers", func(t *testing.T) {
		json := stage.Way{Network: "unix", Serializer: wamp.JSON}
		s := house.Scene(t, json, json.Realm())
		pub, sub := s.Join(stage.Simple), s.JoinBy(stage.Way{Network: "unix", Serializer: wamp.CBOR}, stage.Simple)
		sub.Say(`[32,1,{},"~.a"]`)
		sub.Hear(`[33,1,"*"]`)
		pub.Say(`[16,1,{},"~.a",[`+strings.Repeat("9", 100_000)+`]]`, `[16,2,{},"~.a",[0.`+strings.Repeat("9", 100_000)+`]]`, `[16,3,{},"~.a",["end"]]`)
		sub.Hear(`[36,"*","*",{},["#Infinity"]]`, `[36,"*","*",{},[1.0]]`, `[36,"*","*",{},["end"]]`)
		unmoved(t, json.Realm())
	})
}
