package edge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"runnel/edge/codec"
	"runnel/edge/dedup"
	"runnel/edge/wamp"
)

// sends is a PUBLISH with an origin.
func sends(request int, node string, epoch, sequence int) string {
	return fmt.Sprintf(`[16,%d,{"acknowledge":true,"_origin":["%s",%d,%d]},"com.t",["%s %d %d"]]`, request, node, epoch, sequence, node, epoch, sequence)
}

func TestOnceOnly(t *testing.T) {
	tell(t, Options{}, forwarding(), func(s *story) {
		gateway, other, watcher := s.gateway("gw-1"), s.gateway("gw-2"), s.join(hello)
		watcher.say(`[32,1,{},"com.t"]`)
		watcher.hear(`[33,1,"$s"]`)
		request := 0
		send := func(from *peer, node string, epoch, sequence int, routed bool) {
			s.Helper()
			request++
			from.say(sends(request, node, epoch, sequence))
			from.hear(fmt.Sprintf(`[17,%d,"*"]`, request))
			if routed {
				watcher.hear(fmt.Sprintf(`[36,"$s","*",{},["%s %d %d"]]`, node, epoch, sequence))
			} else {
				watcher.silent()
			}
		}
		send(gateway, "a", 1, 1, true)
		send(gateway, "a", 1, 2, true)
		send(gateway, "a", 1, 1, false)
		send(gateway, "a", 1, 2, false)
		send(gateway, "a", 2, 1, true) // another epoch
		send(gateway, "b", 1, 1, true) // another node
		send(other, "a", 1, 1, true)   // another authid
		send(gateway, "a", 1, 9, true) // a gap
		send(gateway, "a", 1, 5, true) // the gap is filled
		send(gateway, "a", 1, 5, false)
		send(s.gateway("gw-1"), "a", 1, 9, false) // in another session

		// Without acknowledge, or from a session that may not forward, an origin is ignored.
		for range 2 {
			gateway.say(`[16,99,{"_origin":["a",1,1]},"com.t"]`)
			watcher.hear(`[36,"$s","*",{}]`)
			stranger := s.join(hello)
			stranger.say(sends(1, "a", 1, 1))
			stranger.hear(`[17,1,"*"]`)
			watcher.hear(`[36,"$s","*",{},"*"]`)
		}
		for i, origin := range []string{`5`, `[]`, `["a",1]`, `["",1,1]`, `["a",-1,1]`, `["a",1,0]`, `["a",1,"x"]`, `[1,1,1]`, `["a",1,1,1]`,
			`["a",1,18446744073709551615]`, fmt.Sprintf(`["%0256d",1,1]`, 1)} {
			gateway.say(fmt.Sprintf(`[16,%d,{"acknowledge":true,"_origin":%s},"com.t"]`, 200+i, origin))
			gateway.hear(fmt.Sprintf(`[8,16,%d,{},"wamp.error.invalid_argument","*"]`, 200+i))
		}
		watcher.silent()
		s.nothingWithheld()
	})
}

// An origin is found after other options, and names a node of up to 255 bytes.
func TestReadOrigin(t *testing.T) {
	for length, ok := range map[int]bool{1: true, maxNode: true, maxNode + 1: false} {
		var b codec.Builder
		b.Reset(wamp.CBOR, nil)
		b.Bool("acknowledge", true)
		b.Any("_origin", []any{strings.Repeat("n", length), 7, 9})
		key, sequence, err := readOrigin(b.Dict(), false)
		if (err == nil) != ok || ok && (len(key.Node) != length || key.Epoch != 7 || sequence != 9) {
			t.Errorf("a node of %d bytes: %v", length, err)
		}
	}
}

// Publications that wait to be recorded or confirmed are bounded, in a session and in a realm.
func TestOnceOnlyIsBounded(t *testing.T) {
	tell(t, Options{MaxCalls: 1}, forwarding(), func(s *story) {
		gateway, part := s.gateway("gw-1"), s.internal(hello)
		part.say(asking)
		part.hear(`[33,1,"$s"]`)
		gateway.say(sends(1, "a", 1, 1))
		part.hear(`[36,"$s","$p","*","*"]`)
		gateway.say(sends(2, "a", 1, 2))
		gateway.hear(`[8,16,2,{},"wamp.error.unavailable",["*"]]`)
		part.silent()
		part.say(`[337,"$p"]`)
		gateway.hear(`[17,1,"$p"]`)
	})
	s := seated(t, wamp.CBOR)[0]
	for count, full := range map[int]bool{maxWithheld - 1: false, maxWithheld: true} {
		if err := (&acknowledgements{count: count}).full(s); (err != nil) != full {
			t.Errorf("%d in the realm: %v", count, err)
		}
	}
}

func TestOnceOnlyOverARestart(t *testing.T) {
	realm := forwarding()
	realm.State = t.TempDir()
	for life := range 4 {
		tell(t, Options{}, realm, func(s *story) {
			gateway, watcher := s.gateway("gw-1"), s.join(hello)
			watcher.say(`[32,1,{},"com.t"]`)
			watcher.hear(`[33,1,"$s"]`)
			for sequence := range 3 * (life + 1) {
				gateway.say(sends(sequence+1, "a", 1, sequence+1))
				gateway.hear(fmt.Sprintf(`[17,%d,"*"]`, sequence+1))
				if sequence >= 3*life {
					watcher.hear(fmt.Sprintf(`[36,"$s","*",{},["a 1 %d"]]`, sequence+1))
				}
			}
			watcher.silent()
			gateway.say(sends(77, fmt.Sprint("node ", life), 1, 1000)) // a gap across a restart
			gateway.hear(`[17,77,"*"]`)
			watcher.hear(`[36,"$s","*",{},"*"]`)
			if life > 0 {
				gateway.say(sends(78, fmt.Sprint("node ", life-1), 1, 1000))
				gateway.say(sends(79, fmt.Sprint("node ", life-1), 1, 999))
				gateway.hear(`[17,78,"*"]`, `[17,79,"*"]`)
				watcher.hear(fmt.Sprintf(`[36,"$s","*",{},["node %d 1 999"]]`, life-1))
			}
		})
	}
}

// PUBLISHED is sent after the record is written, so it survives a kill: another router starts with a copy of the files.
func TestOnceOnlyIsOnRecordBeforePublished(t *testing.T) {
	realm := forwarding()
	realm.State = t.TempDir()
	copied := t.TempDir()
	tell(t, Options{}, realm, func(s *story) {
		gateway := s.gateway("gw-1")
		for sequence := range 50 {
			gateway.say(sends(sequence+1, "a", 1, sequence+1))
		}
		for range 50 {
			gateway.hear(`[17,"*","*"]`)
		}
		if err := os.CopyFS(copied, os.DirFS(realm.State)); err != nil {
			s.Fatal(err)
		}
	})
	realm.State = copied
	tell(t, Options{}, realm, func(s *story) {
		gateway, watcher := s.gateway("gw-1"), s.join(hello)
		watcher.say(`[32,1,{},"com.t"]`)
		watcher.hear(`[33,1,"$s"]`)
		for sequence := range 50 {
			gateway.say(sends(sequence+1, "a", 1, sequence+1))
			gateway.hear(`[17,"*","*"]`)
		}
		watcher.silent()
	})
}

// A disk that cannot be written does not delay publications. The status reports it, and the data is written once the
// disk works again.
func TestOnceOnlyWithoutADisk(t *testing.T) {
	realm := forwarding()
	realm.State = t.TempDir()
	origins := filepath.Join(realm.State, "origins")
	tell(t, Options{}, realm, func(s *story) {
		gateway := s.gateway("gw-1")
		if err := os.WriteFile(origins, nil, 0o600); err != nil { // in place of the directory
			s.Fatal(err)
		}
		for sequence := range 2 {
			gateway.say(sends(sequence+1, "a", 1, sequence+1))
			gateway.hear(fmt.Sprintf(`[17,%d,"*"]`, sequence+1))
		}
		if trouble := s.router.Status().Realms[0].Trouble; trouble == "" {
			s.Error("the status tells of no trouble")
		}
		if err := os.Remove(origins); err != nil {
			s.Fatal(err)
		}
		gateway.say(sends(3, "a", 1, 3))
		gateway.hear(`[17,3,"*"]`)
		synctest.Wait()
		if trouble := s.router.Status().Realms[0].Trouble; trouble != "" {
			s.Errorf("the status still tells of %s", trouble)
		}
	})
	tell(t, Options{}, realm, func(s *story) {
		gateway, watcher := s.gateway("gw-1"), s.join(hello)
		watcher.say(`[32,1,{},"com.t"]`)
		watcher.hear(`[33,1,"$s"]`)
		for sequence := range 3 {
			gateway.say(sends(sequence+1, "a", 1, sequence+1))
			gateway.hear(fmt.Sprintf(`[17,%d,"*"]`, sequence+1))
		}
		watcher.silent() // all three are recorded
	})
}

// A failed publication may be repeated. The answer to a pending publication goes to the session that sent it last.
func TestOnceOnlyWaitsForConfirmation(t *testing.T) {
	realm := forwarding()
	realm.State = t.TempDir()
	tell(t, Options{}, realm, func(s *story) {
		gateway := s.gateway("gw-1")
		part := s.internal(hello)
		part.say(asking)
		part.hear(`[33,1,"$s"]`)
		gateway.say(sends(1, "a", 1, 1))
		part.hear(`[36,"$s","$p",{"_confirm":true,"_origin":["a",1,1,"gw-1"]},"*"]`)

		again := s.gateway("gw-1")
		again.say(sends(5, "a", 1, 1))
		gateway.hear(`[8,16,1,{},"wamp.error.unavailable",["the publication was sent again"]]`)
		part.silent()
		gateway.conn.Close()
		part.say(`[8,36,"$p",{},"com.error.full"]`)
		again.hear(`[8,16,5,{},"com.error.full"]`)

		again.say(sends(6, "a", 1, 1)) // routed again, for it has failed
		part.hear(`[36,"$s","$q",{"_confirm":true,"_origin":["a",1,1,"gw-1"]},"*"]`)
		again.conn.Close() // first no session asks for the outcome, then one does
		synctest.Wait()
		last := s.gateway("gw-1")
		last.say(sends(7, "a", 1, 1))
		last.silent()
		part.say(`[337,"$q"]`)
		last.hear(`[17,7,"$q"]`)
		last.say(sends(8, "a", 1, 1))
		last.hear(`[17,8,"*"]`)
		part.silent()

		last.say(sends(9, "a", 1, 2))
		part.hear(`[36,"$s","$r",{"_confirm":true,"_origin":["a",1,2,"gw-1"]},"*"]`)
		last.conn.Close()
		synctest.Wait()
		part.say(`[337,"$r"]`) // no session gets the answer, but the event is routed
		synctest.Wait()
		s.nothingWithheld()
		s.gateway("gw-1").say(sends(1, "a", 1, 2))
		part.silent()
	})
}

// A link of the router's own process learns the origin with its owner, and passes it on in another router. There, the event is
// the same whether it comes by the link or from the gateway itself.
func TestOnceOnlyAcrossRouters(t *testing.T) {
	tell(t, Options{}, forwarding(), func(s *story) {
		gateway, link, watcher := s.gateway("gw-1"), s.internal(hello), s.join(hello)
		link.say(`[32,1,{"_retain":true},"com.t"]`)
		link.hear(`[33,1,"$s"]`)
		watcher.say(`[32,1,{},"com.t"]`)
		watcher.hear(`[33,1,"$w"]`)
		gateway.say(sends(1, "a", 1, 1))
		gateway.hear(`[17,1,"*"]`)
		link.hear(`[36,"$s","*",{"_origin":["a",1,1,"gw-1"]},"*"]`)
		watcher.hear(`[36,"$w","*",{},"*"]`)
		link.say(`[16,2,{"acknowledge":true,"_origin":["a",1,1,"gw-1"]},"com.t"]`)
		link.hear(`[17,2,"*"]`)
		watcher.silent()
		link.say(`[16,3,{"acknowledge":true,"_origin":["a",1,2,"gw-1"]},"com.t"]`)
		link.hear(`[17,3,"*"]`)
		watcher.hear(`[36,"$w","*",{}]`)
		gateway.say(sends(2, "a", 1, 2))
		gateway.hear(`[17,2,"*"]`)
		watcher.silent()
		link.silent()
		slow := s.internal(hello)
		slow.say(`[32,1,{"_confirm":true},"com.t"]`)
		slow.hear(`[33,1,"$c"]`)
		gateway.say(sends(3, "a", 1, 3))
		slow.hear(`[36,"$c","$p","*","*"]`)
		link.hear(`[36,"$s","*","*","*"]`)
		watcher.hear(`[36,"$w","*","*","*"]`)
		link.say(`[16,4,{"acknowledge":true,"_origin":["a",1,3,"gw-1"]},"com.t"]`)
		link.hear(`[8,16,4,{},"wamp.error.unavailable",["the publication is in progress"]]`)
		slow.say(`[337,"$p"]`)
		gateway.hear(`[17,3,"$p"]`)
		slow.conn.Close()
		for n := range 100 { // a link may pass on the events of many nodes
			link.say(fmt.Sprintf(`[16,%d,{"acknowledge":true,"_origin":["n%d",1,1,"gw-2"]},"com.u"]`, 5+n, n))
			link.hear(fmt.Sprintf(`[17,%d,"*"]`, 5+n))
		}
		link.say(`[16,105,{"acknowledge":true,"_origin":["n0",1,1,"gw-2"]},"com.t"]`)
		link.hear(`[17,105,"*"]`)
		watcher.silent()
	})
}

// Only a link of the router's own process may name the owner of a numbering. After a restart the router reads the
// origins of stored events. A forged origin would make it take the owner's events for repetitions.
func TestOwnerIsNotForged(t *testing.T) {
	realm := forwarding()
	realm.State, realm.Durable = filepath.Join(t.TempDir(), "state"), []DurableRule{{Name: "d", URI: "com.t"}}
	tell(t, Options{}, realm, func(s *story) {
		const forged = `"_origin":["a",1,7,"gw-1"]`
		for _, forger := range []*peer{s.join(hello), s.gateway("gw-2")} {
			forger.sayAll(`[16,1,{`+forged+`},"com.t"]`, `[16,2,{"acknowledge":true,`+forged+`},"com.t"]`)
			forger.hear(`[8,16,2,{},"wamp.error.invalid_argument",["option \"_origin\" must be [node, epoch, sequence]"]]`)
			forger.say(`[48,3,{},"wamp.session.add_testament",["com.t",[],{}],{"publish_options":{` + forged + `}}]`)
			forger.hear(`[8,48,3,{},"wamp.error.invalid_argument",["option \"_origin\" must be [node, epoch, sequence]"]]`)
			forger.conn.Close()
		}
		s.restart(Options{}, realm)
		gateway, watcher := s.gateway("gw-1"), s.join(hello)
		watcher.say(`[32,1,{},"com.t"]`)
		watcher.hear(`[33,1,"$s"]`)
		gateway.say(sends(1, "a", 1, 7))
		watcher.hear(`[36,"$s","*",{},["a 1 7"]]`)
		gateway.hear(`[17,1,"*"]`)
	})
}

// A gateway that was disconnected resends the events of its last session. While the router still routes an event of
// that session, later events of the new session wait, so that all arrive in order. Events of other gateways do not
// wait.
func TestOnceOnlyInOrder(t *testing.T) {
	tell(t, Options{}, forwarding(), func(s *story) {
		gateway, other, watcher := s.gateway("gw-1"), s.gateway("gw-2"), s.join(hello)
		watcher.say(`[32,1,{},"com.t"]`)
		watcher.hear(`[33,1,"$s"]`)
		m := s.router.realm([]byte("realm1"))
		m.mu.Lock()
		var last *session
		for _, member := range m.members {
			if member.authid == "gw-1" {
				last = member
			}
		}
		m.mu.Unlock()
		m.acknowledgements.mu.Lock()
		old, _, err := m.acknowledgements.routed.Begin(&last.numberings, dedup.Key{Authid: "gw-1", Node: "a", Epoch: 1}, 1)
		m.acknowledgements.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		gateway.say(sends(1, "a", 1, 2))
		other.say(sends(1, "a", 1, 2))
		other.hear(`[17,1,"*"]`)
		watcher.hear(`[36,"$s","*",{},["a 1 2"]]`)
		gateway.silent()
		watcher.silent()
		m.acknowledgements.mu.Lock()
		old.Sent()
		old.Done(true)
		m.acknowledgements.turn.Broadcast()
		m.acknowledgements.mu.Unlock()
		gateway.hear(`[17,1,"*"]`)
		watcher.hear(`[36,"$s","*",{},["a 1 2"]]`)
		gateway.say(sends(2, "a", 1, 1))
		gateway.hear(`[17,2,"*"]`)
		watcher.silent()
		s.nothingWithheld()
	})
}

// Two sessions of a gateway send the same events at the same time. The subscriber gets each once and in order.
func TestOnceOnlyFromTwoSessions(t *testing.T) {
	for range 5 {
		tell(t, Options{}, forwarding(), func(s *story) {
			old, next, watcher := s.gateway("gw-1"), s.gateway("gw-1"), s.join(hello)
			watcher.say(`[32,1,{},"com.t"]`)
			watcher.hear(`[33,1,"$s"]`)
			const n = 300
			var list []string
			for i := range n {
				list = append(list, sends(i+1, "a", 1, i+1))
			}
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				old.sayAll(list...)
			}()
			next.sayAll(list...)
			<-sent
			synctest.Wait()
			for i := range n {
				watcher.hear(fmt.Sprintf(`[36,"$s","*",{},["a 1 %d"]]`, i+1))
			}
			watcher.silent()
		})
	}
}
