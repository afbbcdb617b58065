package edge

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"runnel/edge/wamp"
	"runnel/test/say"
	"runnel/transport/memory"
)

const asking = `[32,1,{"_confirm":true},"com.t"]`

func TestPublishedWaitsForConfirmation(t *testing.T) {
	for _, speaks := range wamp.Serializers {
		t.Run(speaks.String(), func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				part, other, sensor := s.internalAs(memory.Options{Serializer: speaks}, hello), s.join(hello), s.join(hello)
				part.say(asking)
				part.hear(`[33,1,"$s"]`)
				other.say(`[32,1,{},"com.t"]`)
				other.hear(`[33,1,"$s"]`)

				sensor.say(`[16,1,{"acknowledge":true},"com.t",["x"]]`)
				part.hear(`[36,"$s","$one",{"_confirm":true},["x"]]`)
				other.hear(`[36,"$s","$one",{},["x"]]`)
				sensor.say(`[16,2,{"acknowledge":true},"com.t",["y"]]`)
				part.hear(`[36,"$s","$two",{"_confirm":true},["y"]]`)
				other.hear(`[36,"$s","$two",{},["y"]]`)
				sensor.silent()

				part.say(`[337,"$two"]`)
				sensor.hear(`[17,2,"$two"]`)
				part.say(`[8,36,"$one",{},"com.error.full",["no room"]]`)
				sensor.hear(`[8,16,1,{},"com.error.full",["no room"]]`)
				part.sayAll(`[337,"$one"]`, `[337,"$two"]`, `[337,77]`, `[8,36,"$two",{},"com.late"]`) // all said
				sensor.silent()

				sensor.say(`[16,3,{},"com.t",["z"]]`) // it asks for no acknowledgement
				part.hear(`[36,"$s","*",{},["z"]]`)
				sensor.say(`[16,3,{"acknowledge":true},"com.other"]`) // no subscriber confirms it
				sensor.hear(`[17,3,"*"]`)
			})
		})
	}
}

func TestPublishedWaitsForAllConfirmations(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		a, b, sensor := s.internal(hello), s.internal(hello), s.join(hello)
		a.say(`[32,1,{"_confirm":true,"match":"prefix"},"com."]`)
		a.hear(`[33,1,"$ap"]`)
		a.say(`[32,2,{},"com.t"]`) // first without, then with
		a.hear(`[33,2,"$at"]`)
		a.say(`[32,3,{"_confirm":true},"com.t"]`)
		a.hear(`[33,3,"$at"]`)
		b.say(asking)
		b.hear(`[33,1,"$at"]`)

		sensor.say(`[16,1,{"acknowledge":true},"com.t"]`)
		a.hear(`[36,"$at","$p",{"_confirm":true}]`, `[36,"$ap","$p",{"topic":"com.t","_confirm":true}]`)
		b.hear(`[36,"$at","$p",{"_confirm":true}]`)
		for _, answer := range []*peer{a, b, a} {
			sensor.silent()
			answer.say(`[337,"$p"]`)
		}
		sensor.hear(`[17,1,"$p"]`)

		// An ERROR takes effect at once, and later answers are ignored.
		sensor.say(`[16,2,{"acknowledge":true},"com.t"]`)
		a.hear(`[36,"$at","$p2",{"_confirm":true}]`, `[36,"$ap","$p2","*"]`)
		b.hear(`[36,"$at","$p2",{"_confirm":true}]`)
		a.say(`[8,36,"$p2",{},"com.error"]`)
		sensor.hear(`[8,16,2,{},"com.error"]`)
		b.say(`[337,"$p2"]`)
		a.say(`[337,"$p2"]`)
		sensor.silent()

		// A session that has unsubscribed is not asked.
		b.say(`[34,2,"$at"]`)
		b.hear(`[35,2]`)
		a.sayAll(`[34,4,"$at"]`, `[34,5,"$ap"]`)
		a.hear(`[35,4]`, `[35,5]`)
		sensor.say(`[16,3,{"acknowledge":true},"com.t"]`)
		sensor.hear(`[17,3,"*"]`)
		if n := s.router.realm([]byte("realm1")).confirming.Load(); n != 0 {
			s.Errorf("%d seats are said to confirm", n)
		}
	})
}

func TestConfirmingSubscriberLeaves(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		part, sensor := s.internal(hello), s.join(hello)
		part.say(asking)
		part.hear(`[33,1,"$s"]`)
		sensor.sayAll(`[16,1,{"acknowledge":true},"com.t"]`, `[16,2,{"acknowledge":true},"com.t"]`)
		part.hear(`[36,"$s","$p","*"]`, `[36,"$s","*","*"]`)
		part.say(`[337,"$p"]`)
		sensor.hear(`[17,1,"$p"]`)
		part.conn.Close()
		sensor.hear(`[8,16,2,{},"wamp.error.unavailable",["a subscriber that had to confirm the event has left"]]`)
		sensor.say(`[16,3,{"acknowledge":true},"com.t"]`)
		sensor.hear(`[17,3,"*"]`)
		s.nothingWithheld()
	})
}

// nothingWithheld checks that no acknowledgement waits.
func (s *story) nothingWithheld() {
	s.Helper()
	a := &s.router.realm([]byte("realm1")).acknowledgements
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count != 0 {
		s.Errorf("%d acknowledgements are withheld", a.count)
	}
}

func TestPublisherLeavesBeforeConfirmation(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		part, sensor := s.internal(hello), s.join(hello)
		part.say(asking)
		part.hear(`[33,1,"$s"]`)
		sensor.say(`[16,1,{"acknowledge":true},"com.t"]`)
		part.hear(`[36,"$s","$p","*"]`)
		sensor.conn.Close()
		synctest.Wait()
		s.nothingWithheld()
		part.say(`[337,"$p"]`)
		part.silent()
	})
}

func TestConfirmationIsForThisProcessOnly(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		stranger, sensor := s.join(hello), s.join(hello)
		stranger.say(asking)
		stranger.hear(`[33,1,"$s"]`)
		sensor.say(`[16,1,{"acknowledge":true},"com.t"]`)
		stranger.hear(`[36,"$s","$p",{}]`)
		sensor.hear(`[17,1,"$p"]`)
		stranger.say(`[337,"$p"]`)
		stranger.silent()
		stranger.say(`[8,36,"$p",{},"com.error"]`)
		stranger.hear(`[3,"*","wamp.error.protocol_violation"]`)
	})
}

func TestWithheldAcknowledgementsAreBounded(t *testing.T) {
	tell(t, Options{MaxCalls: 2}, RealmOptions{}, func(s *story) {
		part, sensor, another := s.internal(hello), s.join(hello), s.join(hello)
		part.say(asking)
		part.hear(`[33,1,"$s"]`)
		for i := 1; i <= 2; i++ {
			sensor.say(fmt.Sprintf(`[16,%d,{"acknowledge":true},"com.t"]`, i))
			part.hear(fmt.Sprintf(`[36,"$s","$p%d","*"]`, i))
		}
		sensor.say(`[16,3,{"acknowledge":true},"com.t"]`)
		sensor.hear(`[8,16,3,{},"wamp.error.unavailable",["too many publications wait for their confirmation"]]`)
		part.silent()
		another.say(`[16,1,{"acknowledge":true},"com.t"]`)
		part.hear(`[36,"$s","$q","*"]`)
		part.say(`[337,"$p1"]`)
		sensor.hear(`[17,1,"$p1"]`)
		sensor.say(`[16,4,{"acknowledge":true},"com.t"]`)
		part.hear(`[36,"$s","$r","*"]`)
	})
}

// If a confirming subscriber does not read, the publisher gets an ERROR.
func TestConfirmingSubscriberStalls(t *testing.T) {
	tell(t, Options{OutboxBytes: 4 << 10}, RealmOptions{}, func(s *story) {
		part := s.serve(memory.Internal(memory.Options{Buffer: 1 << 10}))
		sensor := s.join(hello)
		part.say(hello)
		part.say(asking)
		synctest.Wait()
		const all = 40
		for i := 1; i <= all; i++ {
			sensor.say(fmt.Sprintf(`[16,%d,{"acknowledge":true},"com.t",["%0500d"]]`, i, i))
		}
		refused := 0
		for len(sensor.heard) > 0 || refused == 0 {
			sensor.hear(`[8,16,"*",{},"wamp.error.unavailable","*"]`)
			refused++
			synctest.Wait()
		}
		part.listen()
		part.hear(`[2,"*","*"]`, `[33,1,"$s"]`)
		for range all - refused {
			part.hear(`[36,"$s","$p",{"_confirm":true},"*"]`)
			part.say(`[337,"$p"]`)
			delete(s.kept, "p")
			sensor.hear(`[17,"*","*"]`)
		}
		part.silent()
		sensor.silent()
		s.nothingWithheld()
	})
}

// A publication that is too long for a confirming subscriber fails with an ERROR.
func TestConfirmingSubscriberCannotTakeTheEvent(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		ours, theirs := memory.Internal(memory.Options{})
		theirs.Transport().Limit = 500
		part := s.serve(ours, theirs)
		part.listen()
		part.say(hello)
		sensor := s.join(hello)
		part.say(asking)
		synctest.Wait()
		sensor.say(fmt.Sprintf(`[16,1,{"acknowledge":true},"com.t",["%0600d"]]`, 1))
		sensor.hear(`[8,16,1,{},"wamp.error.payload_size_exceeded","*"]`)
		s.nothingWithheld()
	})
}

// Publishers and confirmers join and leave concurrently. Each publication is answered once.
func TestConfirmationRaces(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		const each = 300
		stop := make(chan struct{})
		var parts, sensors sync.WaitGroup
		for range 2 {
			parts.Go(func() { confirmUntil(s, stop) })
		}
		for i := range 2 {
			sensors.Go(func() {
				publishAll(s, each, fmt.Sprintf(`[16,%%d,{"acknowledge":true,"_origin":["n%d",1,%%d]},"com.t"]`, i))
			})
			sensors.Go(func() { publishAll(s, each, `[16,%d,{"acknowledge":true},"com.t",[%d]]`) })
		}
		sensors.Wait()
		close(stop)
		parts.Wait()
		synctest.Wait()
		s.nothingWithheld()
	})
}

// rush is a peer of a test with several goroutines: names are not kept.
func (s *story) rush() *peer {
	p := s.serve(memory.Internal(memory.Options{}))
	p.listen()
	p.story = &story{T: s.T, router: s.router, kept: say.Names{}}
	p.say(hello)
	<-p.heard
	return p
}

// confirmUntil joins and confirms, refuses and leaves in turn.
func confirmUntil(s *story, stop <-chan struct{}) {
	for {
		p := s.rush()
		p.say(asking)
		for n := 0; n < 40; n++ {
			select {
			case text := <-p.heard:
				var message []any
				if err := json.Unmarshal([]byte(text), &message); err != nil {
					s.Error(err)
				}
				if message[0] != 36.0 {
					continue
				}
				answer := `[337,%.0f]`
				if n%7 == 0 {
					answer = `[8,36,%.0f,{},"com.error"]`
				}
				p.say(fmt.Sprintf(answer, message[2]))
			case <-stop:
				p.conn.Close()
				return
			}
		}
		p.conn.Close()
	}
}

// publishAll publishes so often and waits for as many answers.
func publishAll(s *story, count int, form string) {
	p := s.rush()
	for i := 1; i <= count; i++ {
		p.say(fmt.Sprintf(form, i, i))
	}
	answered := map[any]bool{}
	for range count {
		var message []any
		if err := json.Unmarshal([]byte(<-p.heard), &message); err != nil {
			s.Error(err)
		}
		request := message[1]
		if message[0] == 8.0 {
			request = message[2]
		}
		if answered[request] {
			s.Errorf("request %v is answered twice", request)
		}
		answered[request] = true
	}
	p.conn.Close()
}

// A subscriber within this process may ask which events are retained. The events that it must confirm carry that flag.
func TestRetainedEventsAreMarked(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		stranger, sensor := s.join(hello), s.join(hello)
		for i, option := range []string{`"_confirm":true`, `"_retain":true`, `"_retain":false`} {
			part := s.internal(hello)
			part.say(`[32,1,{` + option + `},"com.t"]`)
			part.hear(`[33,1,"$s"]`)
			stranger.say(`[32,1,{` + option + `},"com.t"]`)
			stranger.hear(`[33,1,"$s"]`)
			before := s.router.Status().Events
			for retain, want := range map[bool]string{true: `"_retain":true`, false: ``} {
				if i == 2 {
					want = ``
				}
				sensor.say(fmt.Sprintf(`[16,1,{"retain":%v},"com.t",["x"]]`, retain))
				part.hear(`[36,"$s","*",{` + want + `},["x"]]`)
				stranger.hear(`[36,"$s","*",{},["x"]]`)
			}
			synctest.Wait()
			if events := s.router.Status().Events - before; events != 4 {
				t.Errorf("%s: %d events are counted", option, events)
			}
			part.conn.Close()
			<-part.ended
		}
	})
}
