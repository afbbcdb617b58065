package edge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/durable"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// durableRealm is a realm on disk whose sessions may create durable subscriptions.
func durableRealm(t *testing.T, rules ...DurableRule) RealmOptions {
	role := auth.NewRole("guest", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Everything},
		{URI: "com.secret", Allow: auth.Publish},
	}).WithDurable()
	return RealmOptions{
		Name: "realm1", Anonymous: "guest", Roles: []*auth.Role{role}, Durable: rules, State: filepath.Join(t.TempDir(), "state"),
	}
}

// keeps reports that a publication is on disk.
func (p *peer) keeps(n int, topic string) {
	p.Helper()
	p.say(fmt.Sprintf(`[16,%d,{"acknowledge":true},"%s",[%d]]`, n, topic, n))
	p.hear(fmt.Sprintf(`[17,%d,"*"]`, n))
}

// event is an EVENT of a durable subscription as the stories expect it.
func event(n int) string {
	return fmt.Sprintf(`[36,"$s","$p%d",{"_confirm":true,"_position":"*","_time":"*"},[%d]]`, n, n)
}

func eventAgain(n int) string {
	return fmt.Sprintf(`[36,"$s","$p%d",{"_confirm":true,"_position":"*","_time":"*","redelivered":true},[%d]]`, n, n)
}

const durably = `[32,1,{"_durable":"d"},"com.t"]`

// Events that are published while the consumer is disconnected are delivered when it returns, also after a restart,
// until they are acknowledged.
func TestDurableSubscription(t *testing.T) {
	for _, speaks := range wamp.Serializers {
		t.Run(speaks.String(), func(t *testing.T) {
			realm := durableRealm(t)
			tell(t, Options{}, realm, func(s *story) {
				join := func() *peer { return s.joinAs(memory.Options{Serializer: speaks}, hello) }
				first := join()
				first.say(durably)
				first.hear(`[33,1,"$s"]`)
				sensor := s.join(hello)
				sensor.keeps(1, "com.t")
				first.hear(event(1))
				sensor.keeps(2, "com.t")
				first.hear(event(2))
				first.say(`[337,"$p1"]`)
				sensor.keeps(3, "com.other")
				first.silent()
				first.conn.Close()
				synctest.Wait()
				sensor.keeps(4, "com.t")
				sensor.say(`[16,5,{},"com.t",[5]]`)
				synctest.Wait()
				time.Sleep(2 * time.Second) // the router writes by and by

				realm.State = s.left(realm)
				s.restart(Options{}, realm)
				delete(s.kept, "s") // subscription ids are other ones after a restart
				second := join()
				second.say(`[32,1,{"_durable":"d","_from":"all"},"com.t"]`)
				second.hear(`[33,1,"$s"]`, event(2), event(4), event(5)) // a restart forgets sent events
				second.conn.Close()
				synctest.Wait()
				third := join()
				third.say(durably)
				third.hear(`[33,1,"$s"]`, eventAgain(2), eventAgain(4), eventAgain(5))
				third.say(`[48,1,{},"runnel.durable.ack",["$s",["$p2","$p4"]]]`)
				third.hear(`[50,1,{},[2]]`)
				third.say(`[48,1,{},"runnel.durable.ack",["$s"],{"position":[4,7]}]`)
				third.hear(`[50,1,{},[1]]`)
				third.say(`[34,2,"$s"]`)
				third.hear(`[35,2]`)
				third.say(durably)
				third.hear(`[33,1,"$s"]`)
				third.silent()
			})
		})
	}
}

// Sessions of one name share the events. When a session leaves, its events go to the others, in order.
func TestDurableSubscriptionIsShared(t *testing.T) {
	tell(t, Options{}, durableRealm(t), func(s *story) {
		a, b, sensor := s.join(hello), s.join(hello), s.join(hello)
		for _, p := range []*peer{a, b} {
			p.say(`[32,1,{"_durable":"d","_window":2},"com.t"]`)
			p.hear(`[33,1,"$s"]`)
		}
		for n := 1; n <= 6; n++ {
			sensor.keeps(n, "com.t")
		}
		a.hear(event(1), event(3))
		b.hear(event(2), event(4))
		a.silent() // its window is full
		a.conn.Close()
		synctest.Wait()
		b.say(`[337,"$p2"]`)
		b.say(`[337,"$p4"]`)
		b.hear(eventAgain(1), eventAgain(3))
		b.say(`[337,"$p1"]`)
		b.hear(event(5))
		b.say(`[337,"$p3"]`)
		b.hear(event(6))
	})
}

// An event that is rejected, or not acknowledged in time, is delivered again.
func TestDurableEventsComeAgain(t *testing.T) {
	tell(t, Options{}, durableRealm(t), func(s *story) {
		p, sensor := s.join(hello), s.join(hello)
		p.say(`[32,1,{"_durable":"d","_ack_wait":5000},"com.t"]`)
		p.hear(`[33,1,"$s"]`)
		sensor.keeps(1, "com.t")
		sensor.keeps(2, "com.t")
		p.hear(event(1), event(2))
		p.say(`[337,"$p2"]`)
		p.silent()
		time.Sleep(6 * time.Second)
		p.hear(eventAgain(1))
		p.say(`[8,36,"$p1",{},"com.error.busy"]`)
		time.Sleep(2 * time.Second)
		p.hear(eventAgain(1))
		p.say(`[337,"$p1"]`)
		time.Sleep(time.Minute)
		p.silent()
	})
}

// With _ack = "sent" an event is done once it was sent.
func TestDurableSent(t *testing.T) {
	tell(t, Options{}, durableRealm(t), func(s *story) {
		p, sensor := s.join(hello), s.join(hello)
		p.say(`[32,1,{"_durable":"d","_ack":"sent","_window":1},"com.t"]`)
		p.hear(`[33,1,"$s"]`)
		for n := 1; n <= 3; n++ {
			sensor.keeps(n, "com.t")
			p.hear(fmt.Sprintf(`[36,"$s","*",{"_confirm":false,"_position":"*","_time":"*"},[%d]]`, n))
		}
		p.conn.Close()
		synctest.Wait()
		again := s.join(hello)
		again.say(durably)
		again.hear(`[33,1,"$s"]`)
		again.silent()
	})
}

// Beyond a bound the oldest events are dropped, and the consumer gets a gap.
func TestDurableBounds(t *testing.T) {
	for name, c := range map[string]struct {
		rule  DurableRule
		pause time.Duration // after each event
		wait  time.Duration
		gap   string
		left  int // the first event that is kept
	}{
		"count": {DurableRule{MaxEvents: 3}, 0, 2 * time.Second, `"events":7,"first":1,"last":7,"reason":"count"`, 8},
		"size":  {DurableRule{MaxSize: 150}, 0, 2 * time.Second, `"events":"*","first":1,"last":"*","reason":"size"`, 0},
		"age":   {DurableRule{MaxAge: time.Hour}, 0, 2 * time.Hour, `"events":10,"first":1,"last":10,"reason":"age"`, 11},
		"busy":  {DurableRule{MaxEvents: 3}, time.Second / 2, 0, `"events":"*","first":1,"last":"*","reason":"count"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Name, c.rule.URI = "d", "com.t"
			realm := durableRealm(t, c.rule)
			tell(t, Options{}, realm, func(s *story) {
				sensor := s.join(hello)
				for n := 1; n <= 10; n++ {
					sensor.keeps(n, "com.t")
					time.Sleep(c.pause)
				}
				time.Sleep(c.wait)
				realm.State = s.left(realm)
				s.restart(Options{}, realm)
				p := s.join(hello)
				p.say(durably)
				p.hear(`[33,1,"$s"]`, `[36,"$s","$g",{"_confirm":true,"_gap":{`+c.gap+`},"_position":"*","_time":"*"}]`)
				for n := c.left; n <= 10 && n > 0; n++ {
					p.hear(event(n))
				}
				if c.left > 0 {
					p.say(`[337,"$g"]`)
					p.silent()
				}
			})
		})
	}
}

// Bad options and names get errors with a remedy.
func TestDurableErrors(t *testing.T) {
	tell(t, Options{}, durableRealm(t), func(s *story) {
		p := s.join(hello)
		p.say(durably)
		p.hear(`[33,1,"$s"]`)
		for _, options := range []string{
			`{"_durable":""}`, `{"_durable":"a b"}`, `{"_durable":7}`, `{"_durable":"e","_from":"yesterday"}`, `{"_durable":"e","_from":-1}`,
			`{"_durable":"e","_ack":"never"}`, `{"_durable":"e","_window":0}`, `{"_durable":"e","_ack_wait":"1s"}`, `{"_from":"all"}`,
			`{"_durable":"d","match":"prefix"}`,
		} {
			p.say(`[32,2,` + options + `,"com.t"]`)
			p.hear(`[8,32,2,{},"wamp.error.invalid_argument",["*"]]`)
		}
		p.say(`[32,2,{"_durable":"e","_from":123456},"com.t"]`)
		p.hear(`[8,32,2,{},"wamp.error.unavailable",["publication 123456 is not kept; use all or a time"]]`)
		p.say(`[32,2,{"_durable":"e"},"com.secret"]`)
		p.hear(`[8,32,2,{},"wamp.error.not_authorized"]`)
		p.say(`[48,1,{},"runnel.durable.ack",[77,1]]`)
		p.hear(`[8,48,1,{},"wamp.error.no_such_subscription"]`)
		p.say(`[48,1,{},"runnel.durable.ack",["$s","x"]]`)
		p.hear(`[8,48,1,{},"wamp.error.invalid_argument",["*"]]`)
	})
	realm := openRealm()
	realm.State = filepath.Join(t.TempDir(), "state")
	tell(t, Options{}, realm, func(s *story) {
		p := s.join(hello)
		p.say(durably)
		p.hear(`[8,32,1,{},"wamp.error.not_authorized",["*"]]`)
	})
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		p.say(durably)
		p.hear(`[8,32,1,{},"wamp.error.unavailable",["*"]]`)
	})
}

// Rights are those at the time of the delivery.
func TestDurableRights(t *testing.T) {
	tell(t, Options{}, durableRealm(t), func(s *story) {
		p, sensor := s.join(hello), s.join(hello)
		p.say(`[32,1,{"_durable":"all","match":"prefix"},"com."]`)
		p.hear(`[33,1,"$s"]`)
		sensor.keeps(1, "com.secret")
		sensor.keeps(2, "com.open")
		p.hear(`[36,"$s","$p",{"_confirm":true,"_position":"*","_time":"*","topic":"com.open"},[2]]`)
		p.say(`[337,"$p"]`)
		p.say(`[48,1,{},"runnel.durable.ls"]`)
		p.hear(`[50,1,{},[[{"acknowledged":1,"barred":0,"created":"*","declared":false,"delivered":1,"dropped":0,"events":0,"expired":0,"match":"prefix","name":"all",` +
			`"bytes":0,"oldest":0,"owner":"anonymous (guest)","position":2,"redelivered":0,"sessions":1,"under_way":0,"uri":"com."}]]]`)
	})
}

// An operator sees the backlogs, resets and removes subscriptions.
func TestDurableProcedures(t *testing.T) {
	tell(t, Options{}, durableRealm(t, DurableRule{Name: "kept", URI: "com.", Match: wamp.Prefix}), func(s *story) {
		p, sensor := s.join(hello), s.join(hello)
		for n := 1; n <= 3; n++ {
			sensor.keeps(n, "com.t")
		}
		call := func(procedure, args, want string) {
			s.Helper()
			p.say(`[48,1,{},"runnel.durable.` + procedure + `",[` + args + `]]`)
			p.hear(want)
		}
		call("peek", `"kept",1`, `[50,1,{},[[{"args":[1],"kwargs":"*","position":1,"publication":"*","time":"*","topic":"com.t"}]]]`)
		call("peek", `"other"`, `[8,48,1,{},"wamp.error.invalid_argument",["the realm has no durable subscription \"other\""]]`)
		call("reset", `"kept","now"`, `[50,1,{},[0]]`)
		call("reset", `"kept","all"`, `[50,1,{},[3]]`)
		call("reset", `"kept","soon"`, `[8,48,1,{},"wamp.error.invalid_argument",["*"]]`)
		call("drop", `"kept"`, `[8,48,1,{},"wamp.error.invalid_argument",["*"]]`)
		call("nothing", ``, `[8,48,1,{},"wamp.error.no_such_procedure",["*"]]`)
		p.say(durably)
		p.hear(`[33,1,"$s"]`)
		sensor.keeps(4, "com.t")
		p.hear(event(4))
		call("drop", `"d"`, `[50,1,{},[1]]`)
		sensor.keeps(5, "com.t")
		p.silent()
	})
}

// left returns a copy of the realm's directory as it is now, as after a crash.
func (s *story) left(realm RealmOptions) string {
	s.Helper()
	synctest.Wait()
	return copyOf(s.T, realm.State)
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left")
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return left
}

// A link that follows the meta API learns that a durable subscription needs events, with or without a consumer.
func TestDurableIsWanted(t *testing.T) {
	tell(t, Options{}, durableRealm(t), func(s *story) {
		link, p := s.join(hello), s.join(hello)
		link.say(`[32,1,{"match":"prefix"},"wamp.subscription."]`)
		link.hear(`[33,1,"$w"]`)
		p.say(durably)
		link.hear(`[36,"$w","*",{"topic":"wamp.subscription.on_create"},["$a",{"created":"*","id":"$t","match":"exact","uri":"com.t"}]]`,
			`[36,"$w","*",{"topic":"wamp.subscription.on_subscribe"},["$a","$t"]]`)
		p.hear(`[33,1,"$s"]`)
		p.conn.Close()
		link.silent()
		link.say(`[48,1,{},"wamp.subscription.list",[],{"_overlaps":[["com.","prefix"]],"_members":true}]`)
		link.hear(`[50,1,{},["*",[{"created":"*","history":true,"id":"$t","match":"exact","members":[],"uri":"com.t"}]]]`)
		link.say(`[48,2,{},"runnel.durable.drop",["d"]]`)
		link.hear(`[36,"$w","*",{"topic":"wamp.subscription.on_unsubscribe"},["*","$t"]]`,
			`[36,"$w","*",{"topic":"wamp.subscription.on_delete"},["*","$t"]]`, `[50,2,{},[0]]`)
	})
}

// A session that subscribes while an operator removes the subscription gets another one, not a seat in the removed one.
func TestDurableRemovedMeanwhile(t *testing.T) {
	tell(t, Options{}, durableRealm(t), func(s *story) {
		p := s.join(hello)
		p.say(durably)
		p.hear(`[33,1,"$s"]`)
		m := s.router.realm([]byte("realm1"))
		d := m.durables().All()[0]
		p.say(`[48,1,{},"runnel.durable.drop",["d"]]`)
		p.hear(`[50,1,{},[0]]`)
		late := m.sessions()[0]
		place := &seat{session: late, uri: "com.t", role: late.role(), subscription: d.ID(), courier: new(courier)}
		if err := m.attachCourier(new(turn), place, d, nil, 2); err != errOutdated {
			t.Errorf("%v", err)
		}
		p.say(durably)
		p.hear(`[33,1,"$again"]`)
		p.keeps(1, "com.t")
	})
}

// A consumer that does not read delays neither publishers nor other consumers. Its events wait on disk.
func TestDurableSlowConsumer(t *testing.T) {
	realm := durableRealm(t, DurableRule{Name: "slow", URI: "com.t", Window: durable.MaxWindow}, DurableRule{Name: "quick", URI: "com.t"})
	tell(t, Options{}, realm, func(s *story) {
		slow, quick, sensor := s.deaf(memory.Options{}), s.join(hello), s.join(hello)
		slow.say(hello)
		slow.say(`[32,1,{"_durable":"slow"},"com.t"]`)
		quick.say(`[32,1,{"_durable":"quick","_ack":"sent"},"com.t"]`)
		quick.hear(`[33,1,"$s"]`)
		const n = 600
		value := strings.Repeat("x", 5000)
		for range n {
			sensor.publish("", "com.t", value)
			quick.hear(`[36,"$s","*","*","*"]`)
		}
		for _, st := range s.router.realm([]byte("realm1")).durableStates() {
			if st.Name == "slow" && (st.Events != n || st.Sessions != 1 || st.UnderWay == 0 || st.UnderWay == n) || st.Name == "quick" && st.Events != 0 {
				t.Errorf("%+v", st)
			}
		}
	})
}
