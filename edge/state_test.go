package edge

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/journal"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// restart closes the router, as at a shutdown, and opens another one with the given realm.
func (s *story) restart(opts Options, realm RealmOptions) {
	s.Helper()
	s.stop()
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s.router = NewRouter(opts)
	if err := s.router.AddRealm(realm); err != nil {
		s.Fatal(err)
	}
}

func (s *story) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.router.Close(ctx)
	s.served.Wait()
}

// crash opens another router on the present content of the disk.
func (s *story) crash(realm RealmOptions) {
	s.Helper()
	synctest.Wait()
	left := filepath.Join(s.TempDir(), "left")
	if err := os.CopyFS(left, os.DirFS(realm.State)); err != nil {
		s.Fatal(err)
	}
	realm.State = left
	s.restart(Options{}, realm)
}

// keptRealm is the realm of these stories.
func keptRealm(t *testing.T, rules ...HistoryRule) RealmOptions {
	realm := withHistory(rules...)
	realm.State = filepath.Join(t.TempDir(), "state")
	return realm
}

// retains subscribes with get_retained and compares the first arguments of the events, by topic.
func (p *peer) retains(want ...string) {
	p.Helper()
	p.say(`[32,80,{"match":"prefix","get_retained":true},"com."]`)
	p.hear(`[33,80,"*"]`)
	for _, w := range want {
		topic, arg, _ := strings.Cut(w, "=")
		limit := ""
		if topic == "com.expires" {
			limit = `"_ttl":"*",`
		}
		p.hear(`[36,"*","*",{` + limit + `"retained":true,"topic":"` + topic + `"},["` + arg + `"]]`)
	}
	p.silent()
}

// publish publishes and waits for PUBLISHED.
func (p *peer) publish(options, topic, arg string) {
	p.Helper()
	if options != "" {
		options = "," + options
	}
	p.say(fmt.Sprintf(`[16,70,{"acknowledge":true%s},%q,[%q]]`, options, topic, arg))
	p.hear(`[17,70,"*"]`)
}

func TestStateSurvives(t *testing.T) {
	for _, serializer := range wamp.Serializers {
		t.Run(serializer.String(), func(t *testing.T) {
			realm := keptRealm(t, HistoryRule{URI: "com.", Match: wamp.Prefix})
			trust := 3
			realm.Roles = append(realm.Roles, auth.NewRole("trusted", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything, Trust: &trust, Disclose: true}}))
			tell(t, Options{}, realm, func(s *story) {
				pub := s.joinAs(memory.Options{Serializer: serializer, Authid: "ann", Role: "trusted"}, helloAll)
				pub.say(`[16,1,{"acknowledge":true,"retain":true,"ppt_scheme":"mqtt","eligible_authid":["bob","eve"]},"com.a",["\u0000AQID"],{"k":[1,null,{"n":-5}]}]`)
				pub.hear(`[17,1,"$first"]`)
				pub.publish(`"retain":true,"exclude_authrole":["all"]`, "com.b", "not for all")
				p := s.join(hello)
				p.findsHistory("old", "com.", wamp.Prefix)
				time.Sleep(time.Hour)
				s.restart(Options{}, realm)

				bob := s.joinAs(memory.Options{Authid: "bob", Role: "all"}, hello)
				bob.findsHistory("new", "com.", wamp.Prefix)
				details := `"topic":"com.a","publisher":"*","publisher_authid":"ann","publisher_authrole":"trusted","trustlevel":3,"ppt_scheme":"mqtt"`
				bob.say(`[32,1,{"get_retained":true,"match":"prefix"},"com."]`)
				bob.hear(`[33,1,"$new"]`, `[36,"$new","$first",{"retained":true,`+details+`},["\u0000AQID"],{"k":[1,null,{"n":-5}]}]`)
				bob.silent()
				bob.say(`[48,2,{},"wamp.subscription.get_events",["$new"]]`)
				bob.hear(`[50,2,{},[{"timestamp":"2000-01-01T00:00:00.000Z","subscription":"$new","publication":"$first","details":{` + details + `},
					"args":["\u0000AQID"],"kwargs":{"k":[1,null,{"n":-5}]}}]]`)
				if s.kept["old"] == s.kept["new"] {
					t.Error("the subscription's id was kept: ids are to be drawn anew")
				}
				cat := s.joinAs(memory.Options{Authid: "cat", Role: "trusted"}, hello)
				cat.say(`[32,1,{"get_retained":true,"match":"prefix"},"com."]`)
				cat.hear(`[33,1,"$new"]`, `[36,"$new","*","*",["not for all"]]`)
				cat.silent()
			})
		})
	}
}

func TestStateOfRetainedEvents(t *testing.T) {
	realm := keptRealm(t)
	tell(t, Options{}, realm, func(s *story) {
		pub := s.join(hello)
		pub.publish(`"retain":true`, "com.a", "old")
		pub.publish(`"retain":true`, "com.a", "new")
		pub.publish(`"retain":true`, "com.cleared", "x")
		pub.publish(`"retain":true,"_ttl":60000`, "com.expires", "x")
		pub.publish(`"retain":true,"_ttl":60000`, "com.replaced", "for a minute")
		pub.publish(`"retain":true,"eligible":[1,2]`, "com.sessions", "x") // after a restart the ids belong to no session
		pub.publish(`"retain":true,"exclude":[1,2]`, "com.sessions2", "x") // or to another one
		pub.publish(`"retain":true`, "com.sessions3", "for all")
		pub.publish(`"retain":true,"exclude":[1]`, "com.sessions3", "x")
		time.Sleep(3 * time.Second)
		pub.say(`[16,1,{"acknowledge":true,"retain":true},"com.cleared"]`)
		pub.hear(`[17,1,"*"]`)
		pub.publish(`"retain":true`, "com.replaced", "for ever")
		s.restart(Options{}, realm)
		s.join(hello).retains("com.a=new", "com.expires=x", "com.replaced=for ever", "com.sessions3=for all")
		time.Sleep(time.Minute)
		s.restart(Options{}, realm)
		s.join(hello).retains("com.a=new", "com.replaced=for ever", "com.sessions3=for all")
		pub = s.join(hello)
		pub.say(`[48,1,{},"wamp.session.add_testament",["com.will",["gone"],{}],{"publish_options":{"retain":true}}]`)
		pub.hear(`[50,1,{}]`)
		s.restart(Options{}, realm) // the testament of the last session is kept, too
		s.join(hello).retains("com.a=new", "com.replaced=for ever", "com.sessions3=for all", "com.will=gone")
	})
}

// A crash loses the events of the last second.
func TestStateAfterCrash(t *testing.T) {
	realm := keptRealm(t, HistoryRule{URI: "com.a"})
	tell(t, Options{}, realm, func(s *story) {
		pub := s.join(hello)
		pub.publish(`"retain":true`, "com.a", "1")
		time.Sleep(stateDelay + time.Millisecond)
		pub.publish(`"retain":true`, "com.a", "2")
		s.crash(realm)
		p := s.join(hello)
		p.retains("com.a=1")
		p.findsHistory("sub", "com.a", wamp.Exact)
		p.past(`{}`, "1")
		s.restart(Options{}, realm) // a shutdown loses nothing
		p = s.join(hello)
		p.retains("com.a=2")
		delete(s.kept, "sub")
		p.findsHistory("sub", "com.a", wamp.Exact)
		p.past(`{}`, "1", "2")
	})
}

// Package journal tests damaged logs. This test checks that the realm restores the intact part and continues to work,
// and that the next start finds no damage.
func TestDamagedState(t *testing.T) {
	for name, c := range map[string]struct {
		change  func([]byte) []byte
		lost    string
		sets    int // number of files set aside
		corrupt string
	}{
		"torn":    {change: func(b []byte) []byte { return b[:len(b)-2] }, lost: "5"},
		"zeroed":  {change: func(b []byte) []byte { clear(b[len(b)-40:]); return b }, lost: "5"},
		"longer":  {change: func(b []byte) []byte { return append(b, make([]byte, 10_000)...) }},
		"flipped": {change: func(b []byte) []byte { b[bytes.Index(b, []byte("-3-"))] ^= 1; return b }, lost: "3", sets: 1},
		"strange": {change: func(b []byte) []byte { return []byte("This is no log.") }, lost: "12345", sets: 1},
		"empty":   {change: func(b []byte) []byte { return nil }, lost: "12345"},
	} {
		t.Run(name, func(t *testing.T) {
			realm := keptRealm(t, HistoryRule{URI: "com.", Match: wamp.Prefix})
			tell(t, Options{}, realm, func(s *story) {
				pub := s.join(hello)
				for i := range 5 {
					pub.publish(`"retain":true`, fmt.Sprintf("com.%d", i+1), fmt.Sprintf("-%d-", i+1))
					time.Sleep(2 * time.Second)
				}
				s.stop()
				for _, file := range files(t, realm.State) {
					data, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(file, c.change(data), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				var retained, past []string
				for i := range 5 {
					if n := fmt.Sprint(i + 1); !strings.Contains(c.lost, n) {
						retained, past = append(retained, "com."+n+"=-"+n+"-"), append(past, "-"+n+"-")
					}
				}
				for round := range 3 {
					log := new(bytes.Buffer)
					s.restart(Options{Log: slog.New(slog.NewTextHandler(log, nil))}, realm)
					p := s.join(hello)
					p.retains(retained...)
					delete(s.kept, "sub")
					p.findsHistory("sub", "com.", wamp.Prefix)
					p.past(`{}`, past...)
					if round > 0 && strings.Contains(log.String(), "state is damaged") {
						t.Errorf("the damage is still there: %s", log)
					}
					s.join(hello).publish(`"retain":true`, "com.new", fmt.Sprint(round))
					past = append(past, fmt.Sprint(round))
					retained = append(retained[:len(retained)-min(round, 1)], "com.new="+fmt.Sprint(round))
					p.hear(`[36,"*","*","*",["` + fmt.Sprint(round) + `"]]`)
				}
				s.stop()
				set := 0
				for _, file := range files(t, realm.State) {
					if strings.HasSuffix(file, ".bad") {
						set++
					}
				}
				if set != 2*c.sets {
					t.Errorf("%d files are set aside: %v", set, files(t, realm.State))
				}
			})
		})
	}
}

const (
	stateDelay   = time.Second // from a change until it is written
	stateSegment = 256 << 10   // bytes of a log's segment
)

// sizeBelow returns the size of all files below dir, in bytes.
func sizeBelow(t *testing.T, dir string) (n int64) {
	t.Helper()
	for _, file := range files(t, dir) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// records returns the number of records in the log in dir.
func records(t *testing.T, dir string) int {
	t.Helper()
	_, found, err := journal.Open(dir, stateSegment, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	return found.Records
}

// files returns the files below dir and checks their permissions.
func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		if !d.IsDir() {
			list = append(list, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Without a disk the realm works in memory.
func TestStateWithoutDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	realm := keptRealm(t, HistoryRule{URI: "com.a"})
	realm.State = filepath.Join(file, "state") // cannot be read
	tell(t, Options{}, realm, func(s *story) {
		pub, p := s.join(hello), s.join(hello)
		pub.publish(`"retain":true`, "com.a", "1")
		p.retains("com.a=1")
		p.findsHistory("sub", "com.a", wamp.Exact)
		p.past(`{}`, "1")
	})
}

// A disk that fails is retried with growing delays, and each failure is logged. When it works again, all is written.
func TestStateWithoutRoom(t *testing.T) {
	realm := keptRealm(t, HistoryRule{URI: "com.a"})
	parent := filepath.Dir(realm.State)
	blocked := filepath.Join(parent, "blocked")
	realm.State = filepath.Join(blocked, "state")
	tell(t, Options{}, openRealm(), func(s *story) {
		var lines atomic.Int64
		s.restart(Options{Log: slog.New(counting{&lines})}, realm)
		if err := os.WriteFile(blocked, nil, 0o600); err != nil { // in place of the directory
			t.Fatal(err)
		}
		pub := s.join(hello)
		lines.Store(0)
		pub.publish(`"retain":true`, "com.once", "x")
		for i := range 3000 { // for 50 minutes
			pub.publish(`"retain":true`, "com.a", fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		if n := lines.Load(); n < 10 || n > 60 {
			t.Errorf("%d log lines", n)
		}
		if err := os.Remove(blocked); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the longest delay between attempts
		s.crash(realm)
		p := s.join(hello)
		p.retains("com.a=2999", "com.once=x")
		p.findsHistory("sub", "com.a", wamp.Exact)
		p.past(`{"limit":2}`, "2000", "2001")
		p.past(`{"limit":2,"reverse":true}`, "2999", "2998")
	})
}

// counting is a log that counts its warnings.
type counting struct{ n *atomic.Int64 }

func (c counting) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (c counting) Handle(context.Context, slog.Record) error    { c.n.Add(1); return nil }
func (c counting) WithAttrs([]slog.Attr) slog.Handler           { return c }
func (c counting) WithGroup(string) slog.Handler                { return c }

// The disk holds little more than the current events, even if events are replaced often.
func TestStateIsBounded(t *testing.T) {
	realm := keptRealm(t, HistoryRule{URI: "com.h", Events: 20})
	tell(t, Options{}, realm, func(s *story) {
		pub := s.join(hello)
		most, last := int64(0), ""
		for i := range 400 {
			last = fmt.Sprintf("%04d", i) + strings.Repeat("x", 5000)
			pub.publish(`"retain":true`, "com.r", last)
			pub.publish(``, "com.h", last)
			time.Sleep(2 * stateDelay)
			synctest.Wait()
			for _, dir := range []string{"retained", "history/exact-com.h"} {
				most = max(most, sizeBelow(t, filepath.Join(realm.State, dir)))
			}
		}
		if bound := int64(2*stateSegment + 100<<10); most > bound || most < stateSegment {
			t.Errorf("a log had %d octets", most)
		}
		if all := sizeBelow(t, realm.State); all > 4*stateSegment {
			t.Errorf("%d octets are on the disk", all)
		}
		s.crash(realm)
		p := s.join(hello)
		p.retains("com.r=" + last)
		p.findsHistory("sub", "com.h", wamp.Exact)
		p.past(`{"reverse":true,"limit":1}`, last)
		if n := len(s.router.realms["realm1"].histories.All()[0].All()); n != 20 {
			t.Errorf("%d events are left of 20", n)
		}
	})
}

// Records that a failed write or an interrupted rewrite has left twice are restored once.
func TestStateTwice(t *testing.T) {
	realm := keptRealm(t, HistoryRule{URI: "com.a"})
	tell(t, Options{}, realm, func(s *story) {
		pub := s.join(hello)
		for _, name := range []string{"1", "2", "3"} {
			pub.publish(`"retain":true`, "com.a", name)
		}
		s.stop()
		for _, file := range files(t, realm.State) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(strings.Replace(file, "1.log", "2.log", 1), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			s.restart(Options{}, realm)
			p := s.join(hello)
			p.retains("com.a=3")
			delete(s.kept, "sub")
			p.findsHistory("sub", "com.a", wamp.Exact)
			p.past(`{}`, "1", "2", "3")
		}
		if n := records(t, filepath.Join(realm.State, "history/exact-com.a")); n != 3 {
			t.Errorf("%d records are in the log", n)
		}
	})
}

func TestManyTopicsAtOnce(t *testing.T) {
	realm := keptRealm(t)
	tell(t, Options{}, realm, func(s *story) {
		pub := s.join(hello)
		var batch []string
		const many = 10_100 // more than are tracked individually
		for i := range many {
			batch = append(batch, fmt.Sprintf(`[16,1,{"retain":true},"com.%05d",["%d"]]`, i, i))
		}
		pub.sayAll(batch...)
		pub.publish(`"retain":true`, "com.00000", "again")
		time.Sleep(2 * stateDelay)
		s.crash(realm)
		if n, _ := s.router.realms["realm1"].retained.Size(); n != many {
			t.Errorf("%d topics are there", n)
		}
		p := s.join(hello)
		p.say(`[32,1,{"get_retained":true},"com.00000"]`)
		p.hear(`[33,1,"*"]`, `[36,"*","*",{"retained":true},["again"]]`)
	})
}

// Bounds and rules that differ from those before the restart take effect at once.
func TestStateUnderOtherRules(t *testing.T) {
	realm := keptRealm(t, HistoryRule{URI: "com.a"}, HistoryRule{URI: "com.b"})
	tell(t, Options{}, realm, func(s *story) {
		pub := s.join(hello)
		for i := range 10 {
			pub.publish(`"retain":true`, fmt.Sprintf("com.t%d", i), "x")
			pub.publish(``, "com.a", fmt.Sprint(i))
			pub.publish(``, "com.b", fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		find := func(uri string) *peer {
			p := s.join(hello)
			delete(s.kept, "sub")
			p.findsHistory("sub", uri, wamp.Exact)
			return p
		}
		realm.History = []HistoryRule{{URI: "com.b", Events: 2}}
		s.restart(Options{MaxRetained: 3000}, realm)
		find("com.b").past(`{}`, "8", "9")
		if topics, bytes := s.router.realms["realm1"].retained.Size(); bytes > 3000 || topics != 5 {
			t.Errorf("%d topics with %d bytes are retained", topics, bytes)
		}
		realm.History = []HistoryRule{{URI: "com.a", Age: 6500 * time.Millisecond}, {URI: "com.b", Events: 3}}
		s.restart(Options{}, realm)
		find("com.a").past(`{}`, "6", "7", "8", "9") // not touched while it had no rule
		find("com.b").past(`{}`, "7", "8", "9")      // the rest of a segment that was not removed as a whole
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := records(t, filepath.Join(realm.State, "history/exact-com.a")); n != 0 {
			t.Errorf("%d records of events that are too old are on the disk", n)
		}
	})
}

func TestClosedRouterTakesNoRealm(t *testing.T) {
	r := NewRouter(Options{Log: slog.New(slog.DiscardHandler)})
	r.Close(context.Background())
	if err := r.AddRealm(keptRealm(t)); err == nil {
		t.Error("a closed router has opened a realm")
	}
}
