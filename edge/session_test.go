package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/logbook"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

func TestWelcome(t *testing.T) {
	tell(t, Options{Agent: "runnel/test"}, RealmOptions{}, func(s *story) {
		p := s.connect(memory.Options{})
		p.say(hello)
		p.hear(`[2,"$id",{"agent":"runnel/test","realm":"realm1","authid":"*","authrole":"all","authmethod":"anonymous",
			"authprovider":"static","roles":"*"}]`)
		p.say(`[6,{},"wamp.close.close_realm"]`)
		p.hear(`[6,{},"wamp.close.goodbye_and_out"]`)
		if err := p.closed(); err != nil {
			t.Errorf("a session closed in good order ends with %v", err)
		}
	})
}

func TestRefusedHello(t *testing.T) {
	for _, c := range []struct{ name, say, reason string }{
		{"not HELLO", `[32,1,{},"com.a"]`, "wamp.error.protocol_violation"},
		{"GOODBYE before the session", `[6,{},"wamp.close.normal"]`, "wamp.error.protocol_violation"},
		{"no roles", `[1,"realm1",{}]`, "wamp.error.protocol_violation"},
		{"empty roles", `[1,"realm1",{"roles":{}}]`, "wamp.error.protocol_violation"},
		{"a router's role", `[1,"realm1",{"roles":{"broker":{}}}]`, "wamp.error.protocol_violation"},
		{"no such realm", `[1,"realm2",{"roles":{"caller":{}}}]`, "wamp.error.no_such_realm"},
		{"a method that is not offered", `[1,"realm1",{"roles":{"caller":{}},"authmethods":["scram"]}]`, "wamp.error.no_matching_auth_method"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				p := s.connect(memory.Options{})
				p.say(c.say)
				p.hear(`[3,{"message":"*"},"` + c.reason + `"]`)
				if p.closed() == nil {
					t.Error("Serve returns nil")
				}
			})
		})
	}
}

func TestGarbageInsteadOfHello(t *testing.T) {
	for _, serializer := range wamp.Serializers {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			p := s.connect(memory.Options{Serializer: serializer})
			p.raw([]byte{0xc1, 0xff, 0x00})
			p.hear(`[3,{"message":"*"},"wamp.error.protocol_violation"]`)
			p.closed()
		})
	}
}

func TestLongHello(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.connect(memory.Options{})
		p.say(`[1,"realm1",{"roles":{"caller":{}},"x":"` + strings.Repeat("x", maxHandshake) + `"}]`)
		p.hear(`[3,{"message":"HELLO is longer than 16384 bytes"},"wamp.error.protocol_violation"]`)
		p.closed()
	})
	for octets, ok := range map[int]bool{maxHandshake: true, maxHandshake + 1: false} {
		if err := checkLength(wamp.Hello, make([]byte, octets)); (err == nil) != ok {
			t.Errorf("HELLO of %d bytes: %v", octets, err)
		}
	}
}

// A router that refuses connections keeps its sessions.
func TestRefuse(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		s.router.Refuse()
		if err := s.connect(memory.Options{}).closed(); err == nil {
			t.Error("Serve returns nil")
		}
		p.say(`[32,1,{},"com.a"]`)
		p.hear(`[33,1,"*"]`)
	})
}

// The status counts each message of a session, whatever its type.
func TestMessagesAreCounted(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		before := s.router.Status()
		p.sayAll(`[32,1,{},"com.a"]`, `[16,2,{"exclude_me":false},"com.a"]`, `[48,3,{},"com.x"]`)
		p.hear(`[33,1,"*"]`, `[36,"*","*",{}]`, `[8,48,3,{},"wamp.error.no_such_procedure",["*"]]`)
		synctest.Wait()
		if after := s.router.Status(); after.Messages-before.Messages != 3 || after.Publications-before.Publications != 1 || after.Events-before.Events != 1 {
			t.Errorf("from %+v to %+v", before, after)
		}
	})
}

func TestSilentPeerIsClosed(t *testing.T) {
	tell(t, Options{HelloTimeout: 3 * time.Second}, RealmOptions{}, func(s *story) {
		start := time.Now()
		p := s.connect(memory.Options{})
		p.hear(`[3,{"message":"no HELLO within 3s"},"wamp.error.timeout"]`)
		p.closed()
		if after := time.Since(start); after != 3*time.Second {
			t.Errorf("closed after %v", after)
		}
	})
}

func TestViolations(t *testing.T) {
	for _, say := range []string{
		hello,                     // a second HELLO
		`[2,1,{}]`,                // WELCOME from a client
		`[4,"ticket",{}]`,         // CHALLENGE from a client
		`[36,1,1,{}]`,             // EVENT from a client
		`[8,48,1,{},"com.error"]`, // ERROR for another type than INVOCATION
		`[70,1,{}]`,               // YIELD for an unknown INVOCATION
		`[8,68,1,{},"com.error"]`, // the same with ERROR
		`[49,1,{"mode":"fast"}]`,  // CANCEL with an unknown mode
	} {
		t.Run(say, func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				other, p := s.join(hello), s.join(hello)
				p.say(say)
				p.hear(`[3,{"message":"*"},"wamp.error.protocol_violation"]`)
				if err := p.closed(); err == nil || !strings.Contains(err.Error(), "protocol violation") {
					t.Errorf("Serve returns %v", err)
				}
				other.say(`[32,1,{},"com.a"]`)
				other.hear(`[33,1,"*"]`)
			})
		})
	}
}

// An event that a session published before its violation reaches the subscribers, even if the session has sent more since.
func TestMessagesBeforeAViolation(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		other, p := s.join(hello), s.join(hello)
		other.say(`[32,1,{},"com.a"]`)
		other.hear(`[33,1,"$sub"]`)
		p.sayAll(`[16,1,{},"com.a",["before"]]`, hello, `[16,2,{},"com.a",["after"]]`)
		other.hear(`[36,"$sub","*",{},["before"]]`)
		other.silent()
		p.hear(`[3,{"message":"*"},"wamp.error.protocol_violation"]`)
	})
}

func TestBrokenPayloadIsRefusedAtItsSender(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		sub, pub := s.join(hello), s.join(hello)
		sub.say(`[32,1,{},"com.a"]`)
		sub.hear(`[33,1,"*"]`)
		// [16, 1, {}, "com.a", [<array of 200 that ends here>
		pub.raw([]byte{0x85, 0x10, 0x01, 0xa0, 0x65, 'c', 'o', 'm', '.', 'a', 0x81, 0x98, 200})
		pub.hear(`[3,{"message":"*"},"wamp.error.protocol_violation"]`)
		pub.closed()
		sub.silent()
	})
}

func TestStrictSequence(t *testing.T) {
	strict := openRealm()
	strict.Strict = true
	tell(t, Options{}, strict, func(s *story) {
		p := s.join(hello)
		p.say(`[32,1,{},"com.a"]`)
		p.say(`[32,2,{},"com.b"]`)
		p.hear(`[33,1,"*"]`, `[33,2,"*"]`)
		p.say(`[32,4,{},"com.c"]`)
		p.hear(`[3,{"message":"SUBSCRIBE.Request is 4, and 3 was next"},"wamp.error.protocol_violation"]`)
		p.closed()
		p = s.join(hello)
		p.say(`[32,1,{},"com.Big"]`)
		p.hear(`[8,32,1,{},"wamp.error.invalid_uri"]`)
	})
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		p.say(`[32,77,{},"com.a"]`)
		p.hear(`[33,77,"*"]`)
	})
}

func TestShutdown(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		polite, rude, silent := s.join(hello), s.join(hello), s.connect(memory.Options{})
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			done <- s.router.Close(ctx)
		}()
		polite.hear(`[6,{},"wamp.close.system_shutdown"]`)
		polite.say(`[48,1,{},"com.nothing"]`) // ignored after GOODBYE
		polite.say(`[6,{},"wamp.close.goodbye_and_out"]`)
		polite.closed()
		rude.hear(`[6,{},"wamp.close.system_shutdown"]`)
		silent.closed()
		start := time.Now()
		rude.closed()
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("Close returns %v after %v", err, time.Since(start))
		}
		late := s.connect(memory.Options{})
		if err := late.closed(); err != wamp.CloseShutdown {
			t.Errorf("a late connection ends with %v", err)
		}
	})
}

func TestFixedIdentity(t *testing.T) {
	realm := openRealm()
	realm.Anonymous = ""
	realm.Roles = append(realm.Roles, auth.NewRole("sensor", []auth.Permission{{URI: "com.sensor.", Match: wamp.Prefix, Allow: auth.Publish}}))
	tell(t, Options{}, realm, func(s *story) {
		p := s.connect(memory.Options{})
		p.say(hello)
		p.hear(`[3,{"message":"*"},"wamp.error.authentication_required"]`)
		p.closed()

		p = s.connect(memory.Options{Authid: "pump-7", Role: "sensor", Realm: "realm1"})
		p.say(hello)
		p.hear(`[2,"*",{"agent":"runnel","realm":"realm1","authid":"pump-7","authrole":"sensor","authmethod":"transport","authprovider":"static","roles":"*"}]`)
		p.say(`[32,1,{},"com.sensor.a"]`)
		p.hear(`[8,32,1,{},"wamp.error.not_authorized"]`)
		p.say(`[16,2,{"acknowledge":true},"com.sensor.a"]`)
		p.hear(`[17,2,"*"]`)

		p = s.connect(memory.Options{Authid: "pump-7", Role: "sensor", Realm: "realm2"})
		p.say(hello)
		p.hear(`[3,{"message":"*"},"wamp.error.not_authorized"]`)
		p.closed()
		p = s.connect(memory.Options{Authid: "pump-7", Role: "pilot"})
		p.say(hello)
		p.hear(`[3,{"message":"*"},"wamp.error.no_such_role"]`)
		p.closed()
	})
}

func TestLimits(t *testing.T) {
	tell(t, Options{MaxSessions: 2, MaxSubscriptions: 1, MaxRegistrations: 1, MaxCalls: 1}, RealmOptions{}, func(s *story) {
		a, b := s.join(hello), s.join(hello)
		c := s.connect(memory.Options{})
		c.hear(`[3,{"message":"*"},"wamp.error.unavailable"]`)
		c.closed()
		a.say(`[32,1,{},"com.a"]`)
		a.hear(`[33,1,"$sub"]`)
		a.say(`[32,2,{},"com.b"]`)
		a.hear(`[8,32,2,{},"wamp.error.unavailable",["*"]]`)
		a.say(`[32,3,{},"com.a"]`) // one too many
		a.hear(`[33,3,"$sub"]`)
		a.say(`[64,4,{},"com.a"]`)
		a.hear(`[65,4,"*"]`)
		a.say(`[64,5,{},"com.b"]`)
		a.hear(`[8,64,5,{},"wamp.error.unavailable",["*"]]`)
		b.say(`[48,1,{},"com.a"]`)
		b.say(`[48,2,{},"com.a"]`)
		b.hear(`[8,48,2,{},"wamp.error.unavailable",["*"]]`)
		a.hear(`[68,1,"*",{}]`)
	})
}

// The tables of sessions, subscriptions and registrations are empty when all sessions have ended, in whatever way.
func TestNothingIsLeftBehind(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		for i := range 3 {
			p := s.join(hello)
			for _, match := range []string{"exact", "prefix", "wildcard"} {
				p.say(fmt.Sprintf(`[32,1,{"match":%q},"com.a.b"]`, match))
				p.say(fmt.Sprintf(`[64,2,{"match":%q},"com.a.b"]`, match))
				p.hear(`[33,1,"*"]`, `[65,2,"*"]`)
			}
			switch i {
			case 0:
				p.conn.Close()
				<-p.ended
			case 1:
				p.say(`[6,{},"wamp.close.normal"]`)
				p.hear(`[6,"*","*"]`)
				p.closed()
			case 2:
				p.say(`[70,9,{}]`)
				p.hear(`[3,"*","*"]`)
				p.closed()
			}
		}
		s.router.Close(context.Background())
		for _, m := range s.router.Status().Realms {
			if m.Sessions+m.Subscriptions+m.Registrations > 0 {
				t.Errorf("left over: %+v", m)
			}
		}
	})
}

// A session of one command is logged at the debug level.
func TestBriefSessions(t *testing.T) {
	for hello, want := range map[string]slog.Level{
		`[1,"realm1",{"roles":{"caller":{}},"_brief":true}]`: slog.LevelDebug, `[1,"realm1",{"roles":{"caller":{}},"_brief":false}]`: slog.LevelInfo, hello: slog.LevelInfo,
	} {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			s.join(hello)
			for _, member := range s.router.realm([]byte("realm1")).sessions() {
				if level, _ := member.logLevel(logbook.Joins); level != want {
					t.Errorf("%s: %v", hello, level)
				}
				if level, _ := member.logLevel(logbook.Breaches); level != slog.LevelInfo {
					t.Errorf("%s: a breach at %v", hello, level)
				}
			}
		})
	}
}
