package edge

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/journal"
	"runnel/edge/wamp"
)

// numbered publishes events with the numbers of a range, as their first arguments.
func (p *peer) numbered(topic string, from, to int) {
	p.Helper()
	for n := from; n <= to; n++ {
		p.publish("", topic, fmt.Sprint(n))
	}
}

// finds checks the numbers of the events in the history of a topic.
func (s *story) finds(uri string, match wamp.Match, from, to int) {
	s.Helper()
	var want []string
	for n := from; n <= to; n++ {
		want = append(want, fmt.Sprint(n))
	}
	p := s.join(hello)
	p.findsHistory("sub", uri, match)
	p.past(`{}`, want...)
	p.conn.Close()
	delete(s.kept, "sub")
	synctest.Wait()
}

// archived returns how many events the histories' own files have.
func archived(t *testing.T, realm RealmOptions, names ...string) (n int) {
	t.Helper()
	for _, name := range names {
		_, found, err := journal.Open(filepath.Join(realm.State, "history", name), 1<<20, func([]byte) {})
		if err != nil {
			t.Fatal(err)
		}
		n += found.Records
	}
	return n
}

// A history whose topic a durable subscription covers does not write to disk. After a crash, it is filled from the log.
func TestHistorySharesTheLog(t *testing.T) {
	rules := []DurableRule{{Name: "d", URI: "com.", Match: wamp.Prefix}, {Name: "e", URI: "com.t"}}
	for name, durables := range map[string][]DurableRule{"same topic": rules[1:], "covered": rules[:1], "both": rules} {
		t.Run(name, func(t *testing.T) {
			realm := durableRealm(t, durables...)
			realm.History = []HistoryRule{{URI: "com.t", Events: 5}, {URI: "com.", Match: wamp.Prefix, Events: 5}}
			if name == "same topic" {
				realm.History = realm.History[:1]
			}
			tell(t, Options{}, realm, func(s *story) {
				sensor := s.join(hello)
				sensor.numbered("com.t", 1, 4)
				sensor.say(`[16,80,{"acknowledge":true,"eligible":[1]},"com.t",["for sessions"]]`)
				sensor.hear(`[17,80,"*"]`)
				sensor.numbered("com.t", 5, 8)
				time.Sleep(2 * time.Second)
				realm.State = s.left(realm)
				if n := archived(t, realm, "exact-com.t", "prefix-com."); n != 0 {
					t.Errorf("the histories have %d events in their own files", n)
				}
				for range 2 {
					s.restart(Options{}, realm)
					for _, h := range realm.History {
						s.finds(h.URI, h.Match, 4, 8)
					}
				}
				s.join(hello).numbered("com.t", 9, 9)
				s.finds("com.t", wamp.Exact, 5, 9)
			})
		})
	}
}

// Details of an event are the same before and after a restart that fills the history from the log.
func TestSharedHistoryKeepsDetails(t *testing.T) {
	realm := durableRealm(t, DurableRule{Name: "d", URI: "com.t"})
	realm.History = []HistoryRule{{URI: "com.t"}}
	tell(t, Options{}, realm, func(s *story) {
		sensor := s.join(helloAll)
		sensor.say(`[16,1,{"acknowledge":true,"disclose_me":true,"ppt_scheme":"x_y","_ttl":3600000,"exclude_authrole":["nobody"]},"com.t",["\u0000AQID"],{"k":[1,null]}]`)
		sensor.hear(`[17,1,"$first"]`)
		time.Sleep(time.Minute)
		for range 2 {
			p := s.join(hello)
			p.findsHistory("sub", "com.t", wamp.Exact)
			p.say(`[48,2,{},"wamp.subscription.get_events",["$sub"]]`)
			p.hear(`[50,2,{},[{"timestamp":"2000-01-01T00:00:00.000Z","subscription":"$sub","publication":"$first","details":{
				"publisher":"*","publisher_authid":"*","publisher_authrole":"guest","_ttl":"*","ppt_scheme":"x_y"},
				"args":["\u0000AQID"],"kwargs":{"k":[1,null]}}]]`)
			s.restart(Options{}, realm)
			delete(s.kept, "sub")
		}
		time.Sleep(time.Hour)
		s.finds("com.t", wamp.Exact, 1, 0)
	})
}

// No event is lost when durable subscriptions and histories are added and removed by a reload, or while the router is
// down.
func TestSharingComesAndGoes(t *testing.T) {
	realm := durableRealm(t)
	history, durables := []HistoryRule{{URI: "com.t"}}, []DurableRule{{Name: "d", URI: "com.t"}}
	realm.History = history
	tell(t, Options{}, realm, func(s *story) {
		sensor, n := s.join(hello), 0
		more := func() {
			sensor.numbered("com.t", n+1, n+10)
			n += 10
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		update := func() {
			if err := s.router.UpdateRealm(realm); err != nil {
				t.Fatal(err)
			}
		}
		again := func() {
			realm.State = s.left(realm)
			s.restart(Options{}, realm)
			sensor = s.join(hello)
			s.finds("com.t", wamp.Exact, 1, n)
		}
		more()
		realm.Durable = durables
		update() // on
		more()
		again()
		if got := archived(t, realm, "exact-com.t"); got != 10 {
			t.Errorf("%d events are in the history's own files, of 10", got)
		}
		realm.Durable = nil
		update() // off
		for _, d := range s.router.realms["realm1"].durables().All() {
			turn := &turn{}
			if err := s.router.realms["realm1"].removeDurable(turn, d); err != nil {
				t.Error(err)
			}
		}
		more()
		s.finds("com.t", wamp.Exact, 1, n)
		again()
		realm.Durable = durables
		again() // on, by restart
		more()
		realm.Durable = nil
		again() // off, by restart; the subscription stays
		more()
		realm.History = nil
		update()
		realm.History = history
		update()
		s.finds("com.t", wamp.Exact, 1, n)
		if got := archived(t, realm, "exact-com.t"); got != n {
			t.Errorf("%d events are in the files of a history that was removed, of %d", got, n)
		}
		more()
		again()
	})
}

// A history that is new has the events that the log keeps for durable subscriptions already.
func TestNewHistoryIsFilled(t *testing.T) {
	realm := durableRealm(t, DurableRule{Name: "d", URI: "com.", Match: wamp.Prefix})
	tell(t, Options{}, realm, func(s *story) {
		s.join(hello).numbered("com.t", 1, 9)
		realm.History = []HistoryRule{{URI: "com.t", Events: 8}}
		if err := s.router.UpdateRealm(realm); err != nil {
			t.Fatal(err)
		}
		s.finds("com.t", wamp.Exact, 2, 9)
	})
}

// A small log drops events that a history still has; the history keeps them in its own files then.
func TestHistoryOutlivesTheLog(t *testing.T) {
	realm := durableRealm(t, DurableRule{Name: "d", URI: "com.", Match: wamp.Prefix})
	realm.History, realm.DurableSize = []HistoryRule{{URI: "com.t", Events: 5}}, 1<<20
	tell(t, Options{}, realm, func(s *story) {
		sensor := s.join(hello)
		long := string(slices.Repeat([]byte("x"), 30_000))
		for n := range 7 {
			sensor.numbered("com.t", n+1, n+1)
			for range 10 {
				sensor.publish("", "com.other", long)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		s.finds("com.t", wamp.Exact, 3, 7)
		log := sizeBelow(t, filepath.Join(realm.State, "durable"))
		realm.State = s.left(realm)
		if n := archived(t, realm, "exact-com.t"); n == 0 || n >= 7 || log > 1<<20+128<<10 {
			t.Errorf("%d events are in the history's own files, and the log has %d bytes", n, log)
		}
		s.restart(Options{}, realm)
		s.finds("com.t", wamp.Exact, 3, 7)
	})
}
