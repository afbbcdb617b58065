package conformance

import (
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/test/stage"
)

func TestEventRetention(t *testing.T) {
	house.Every(t, "the latest", func(s *stage.Scene) {
		pub, sub := s.Login("ann", stage.Full).Named("ann"), s.Join(stage.Full)
		pub.Say(`[16,1,{"retain":true},"~.a",["old"]]`, `[16,2,{"retain":true,"disclose_me":true},"~.a",["new"],{"k":"\u0000AQID"}]`,
			`[16,3,{},"~.a",["not kept"]]`, `[16,4,{"retain":false},"~.a",["nor this"]]`, `[16,5,{"acknowledge":true,"retain":true},"~.b",["b"]]`)
		pub.Hear(`[17,5,"$b"]`)
		sub.Say(`[32,1,{},"~.a"]`, `[32,2,{"get_retained":false},"~.a"]`)
		sub.Hear(`[33,1,"$sub"]`, `[33,2,"$sub"]`)
		sub.Silent() // not asked for
		sub.Say(`[32,3,{"get_retained":true},"~.a"]`)
		sub.Hear(`[33,3,"$sub"]`,
			`[36,"$sub","*",{"retained":true,"publisher":"$ann","publisher_authid":"ann","publisher_authrole":"guest"},["new"],{"k":"\u0000AQID"}]`)
		sub.Say(`[32,4,{"get_retained":true},"~.b"]`)
		sub.Hear(`[33,4,"$other"]`, `[36,"$other","$b",{"retained":true},["b"]]`)
		pub.Say(`[16,6,{"retain":true},"~.a",["live"]]`) // present subscribers get it like any other event
		sub.Hear(`[36,"$sub","*",{},["live"]]`)
	})
	house.Every(t, "patterns", func(s *stage.Scene) { // one for each topic
		pub, sub := s.Join(stage.Full), s.Join(stage.Full)
		pub.Say(`[16,1,{"retain":true},"~.a",[1]]`, `[16,2,{"retain":true},"~.a.leaf",[2]]`, `[16,3,{"retain":true},"~.b.leaf",[3]]`)
		pub.Sync()
		sub.Say(`[32,1,{"get_retained":true,"match":"prefix"},"~.a"]`)
		sub.Hear(`[33,1,"$prefix"]`)
		sub.HearAnyOrder(`[36,"$prefix","*",{"retained":true,"topic":"~.a"},[1]]`, `[36,"$prefix","*",{"retained":true,"topic":"~.a.leaf"},[2]]`)
		sub.Say(`[32,2,{"get_retained":true,"match":"wildcard"},"~..leaf"]`)
		sub.Hear(`[33,2,"$wildcard"]`)
		sub.HearAnyOrder(`[36,"$wildcard","*",{"retained":true,"topic":"~.a.leaf"},[2]]`, `[36,"$wildcard","*",{"retained":true,"topic":"~.b.leaf"},[3]]`)
		sub.Silent()
	})
	house.Every(t, "cleared", func(s *stage.Scene) {
		pub, sub := s.Join(stage.Full), s.Join(stage.Full)
		pub.Say(`[16,1,{"retain":true},"~.a",[1]]`, `[16,2,{"retain":true},"~.a"]`)
		pub.Sync()
		sub.Say(`[32,1,{"get_retained":true},"~.a"]`)
		sub.Hear(`[33,1,"*"]`)
		sub.Silent()
	})
	house.Every(t, "time to live", func(s *stage.Scene) {
		pub, sub := s.Join(stage.Full), s.Join(stage.Full)
		pub.Say(`[16,1,{"retain":true,"_ttl":30},"~.short",[1]]`, `[16,2,{"retain":true,"_ttl":600000},"~.long",[2]]`)
		pub.Sync()
		for end := time.Now().Add(kit.Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			sub.Say(`[32,1,{"get_retained":true},"~.short"]`)
			sub.Hear(`[33,1,"$short"]`)
			sub.Sync()
			if !sub.Heard() {
				break
			}
			sub.Hear(`[36,"$short","*",{"_ttl":"*","retained":true},[1]]`)
		}
		sub.Say(`[32,2,{"get_retained":true},"~.long"]`)
		sub.Hear(`[33,2,"*"]`, `[36,"*","*",{"_ttl":"*","retained":true},[2]]`)
	})
	// A late subscriber gets the most recent event that it would have received when it was published.
	house.Every(t, "rights", func(s *stage.Scene) {
		pub := s.Join(stage.Full)
		pub.Say(`[16,1,{"retain":true},"~.a",["all"]]`, `[16,2,{"retain":true,"eligible_authrole":["staff"]},"~.a",["staff"]]`,
			`[16,3,{"retain":true,"exclude_authid":["ann"],"exclude_authrole":["staff"]},"~.a",["neither"]]`, `[16,4,{"retain":true,"eligible":[]},"~.a",["nobody"]]`)
		pub.Sync()
		for _, c := range []struct{ authid, want string }{{"ann", "all"}, {"bob", "staff"}, {"eve", "neither"}} {
			p := s.Login(c.authid, stage.Full)
			p.Say(`[32,1,{"get_retained":true},"~.a"]`)
			p.Hear(`[33,1,"*"]`, `[36,"*","*",{"retained":true},["`+c.want+`"]]`)
			p.Silent()
		}
		pub.Say(`[32,1,{"get_retained":true},"~.a"]`) // exclude_me counts for the publisher
		pub.Hear(`[33,1,"*"]`)
		pub.Silent()
	})
	house.Every(t, "rights to a part of a pattern", func(s *stage.Scene) {
		bob, ann := s.Login("bob", stage.Full), s.Login("ann", stage.Full)
		bob.Say(`[16,1,{"retain":true},"closed.~.a",["no"]]`, `[16,2,{"retain":true},"public.~.a",["yes"]]`)
		bob.Sync()
		ann.Say(`[32,1,{"get_retained":true,"match":"wildcard"},".~."]`)
		ann.Hear(`[33,1,"$sub"]`, `[36,"$sub","*",{"retained":true,"topic":"public.~.a"},["yes"]]`)
		ann.Silent()
		bob.Say(`[32,3,{"get_retained":true,"match":"wildcard"},".~."]`, `[16,4,{"retain":true,"exclude_me":false},"closed.~.a"]`)
		bob.Hear(`[33,3,"$sub"]`, `[36,"$sub","*",{"topic":"closed.~.a"}]`)
	})
	house.Every(t, "outlives its publisher", func(s *stage.Scene) {
		pub, sub := s.Join(stage.Full), s.Join(stage.Full)
		pub.Say(`[16,1,{"retain":true},"~.a",[1]]`)
		pub.Goodbye()
		sub.Say(`[32,1,{"get_retained":true},"~.a"]`)
		sub.Hear(`[33,1,"*"]`, `[36,"*","*",{"retained":true},[1]]`)
	})
}
