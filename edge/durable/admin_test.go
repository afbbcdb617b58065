package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "z", "A", "Z", "0", "9", "a-b_c.D9", strings.Repeat("x", maxName)} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", " ", "a b", "ä", "a/b", "a:b", "a@b", "a[b", "a`b", "a{b", "\x00", strings.Repeat("x", maxName+1)} {
		if CheckName(name) == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

// An owner finds its own subscription rather than the one for all. Operators name the owner if a name is not enough.
func TestFindAndNamed(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	if s.Used() {
		t.Error("used")
	}
	for _, owner := range []string{"", "joe", RoleOwner("guest")} {
		d := s.create(Rule{Owner: owner, Name: "d", URI: "com.t"})
		d.SetID(wamp.ID(len(s.All())))
		if got := s.Find(owner, "d"); got != d || got.ID() != wamp.ID(len(s.All())) {
			t.Errorf("%q: %+v", owner, got)
		}
	}
	if !s.Used() {
		t.Error("not used")
	}
	if d := s.Find("ann", "d"); d == nil || d.Owner != "" {
		t.Errorf("%+v", d)
	}
	if d := s.Find("joe", "e"); d != nil {
		t.Errorf("%+v", d)
	}
	for _, c := range []struct {
		name, owner string
		byOwner     bool
		want        string // the owner or the error
	}{
		{"d", "", false, `choose the owner: "", "anonymous (guest)", "joe"`},
		{"d", "", true, ""},
		{"d", "joe", true, "joe"},
		{"d", "anonymous (guest)", true, RoleOwner("guest")},
		{"d", "ann", true, "no durable subscription"},
		{"e", "", false, "no durable subscription"},
	} {
		d, err := s.Named(c.name, c.owner, c.byOwner)
		if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && d.Owner != c.want {
			t.Errorf("%+v: %v, %v", c, d, err)
		}
	}
	kit.Must(t, s.Find("", "d").Remove())
	if d, err := s.Named("d", "", false); err == nil {
		t.Errorf("%+v", d)
	}
	kit.Must(t, s.Find("joe", "d").Remove())
	if d, err := s.Named("d", "", false); err != nil || d.State().Owner != "anonymous (guest)" {
		t.Errorf("%+v, %v", d, err)
	}
}

// All lists by name, then by owner.
func TestAll(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	for _, d := range []string{"b ann", "a joe", "b ", "a ann", "c ann"} {
		name, owner, _ := strings.Cut(d, " ")
		s.create(Rule{Name: name, Owner: owner, URI: "com.t"})
	}
	var list []string
	for _, d := range s.All() {
		list = append(list, d.Name+" "+d.Owner)
	}
	equal(t, "subscriptions", list, []string{"a ann", "a joe", "b ", "b ann", "c ann"})
}

// An identity can have so many subscriptions, declared ones aside, and a realm so many.
func TestRoomForSubscriptions(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	kit.Must(t, s.Declare([]Rule{{Owner: "joe", Name: "declared", URI: "com.t"}}, func(*Subscription) {}))
	try := func(owner string, n int) error {
		_, _, err := s.Create(Rule{Owner: owner, Name: fmt.Sprint("n", n), URI: "com.t"}, Start{}, func(*Subscription) {})
		return err
	}
	for n := range maxOwned {
		kit.Must(t, try("joe", n))
	}
	if try("joe", maxOwned) == nil {
		t.Error("an identity has too many subscriptions")
	}
	kit.Must(t, try("joe", 0)) // it exists
	kit.Must(t, try("ann", 0))
	kit.Must(t, s.do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for n := len(s.subs); n < maxSubs-1; n++ {
			s.add(Rule{Owner: fmt.Sprint("owner", n), Name: "d", URI: "com.t"}, time.Now())
		}
	}))
	kit.Must(t, try("bob", 0))
	if try("bob", 1) == nil || len(s.All()) != maxSubs {
		t.Errorf("a realm has %d subscriptions", len(s.All()))
	}
}

// publish stores events with the given publication ids.
func (s *shelf) publish(ids ...wamp.ID) {
	s.Helper()
	for _, id := range ids {
		kit.Must(s.T, s.Put(&Publication{Event: &store.Event{ID: id, Topic: []byte("com.t")}}, nil))
	}
	s.awaitIdle()
}

// A subscription begins where it is told to, and is made once.
func TestCreateFrom(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		s.create(Rule{Name: "keep", URI: "com.t"})
		start := time.Now()
		s.publish(101, 102)
		s.sleep(10 * time.Second)
		s.publish(103, 104)
		for n, c := range []struct {
			start Start
			want  []uint64
		}{
			{Start{}, nil},
			{Start{All: true}, []uint64{1, 2, 3, 4}},
			{Start{Time: start}, []uint64{1, 2, 3, 4}},
			{Start{Time: start.Add(time.Millisecond)}, []uint64{3, 4}},
			{Start{Time: start.Add(10 * time.Second)}, []uint64{3, 4}},
			{Start{Time: start.Add(time.Hour)}, nil},
			{Start{After: 101}, []uint64{2, 3, 4}},
			{Start{After: 103}, []uint64{4}},
			{Start{After: 104}, nil},
		} {
			calls := 0
			r := Rule{Name: fmt.Sprint("n", n), URI: "com.t"}
			d, created, err := s.Create(r, c.start, func(*Subscription) { calls++ })
			kit.Must(t, err)
			if !created || calls != 1 || d.State().Events != len(c.want) {
				t.Errorf("%+v: created %v, %+v", c.start, created, d.State())
			}
			equal(t, fmt.Sprintf("%+v", c.start), peeked(t, d), c.want)
			again, created, err := s.Create(r, Start{All: true}, func(*Subscription) { calls++ })
			if again != d || created || err != nil || calls != 1 || d.State().Events != len(c.want) {
				t.Errorf("%+v: created again: %v, %v", c.start, created, err)
			}
		}
		if _, created, err := s.Create(Rule{Name: "no", URI: "com.t"}, Start{After: 999}, func(*Subscription) { t.Error("opened") }); err == nil || created || s.Find("", "no") != nil {
			t.Error("it begins behind an unknown event")
		}
	})
}

// peeked returns the positions of the backlog.
func peeked(t *testing.T, d *Subscription) (list []uint64) {
	t.Helper()
	past, err := d.Peek(1000)
	kit.Must(t, err)
	for _, p := range past {
		list = append(list, p.Position)
	}
	return list
}

// A reset moves the start while consumers are busy: they get the events from there on, and what they hold is forgotten.
func TestReset(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", Window: 2})
		s.create(Rule{Name: "keep", URI: "com.t"})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		s.publish(101, 102, 103)
		a.Ack(101)
		synctest.Wait()
		equal(t, "at first", c.positions(), []uint64{1, 2, 3})
		kit.Must(t, d.Reset(Start{All: true}))
		synctest.Wait()
		if len(c.got) != 2 || c.got[0].Redelivered {
			t.Errorf("%+v", c.got)
		}
		equal(t, "after a reset to the oldest", c.positions(), []uint64{1, 2})
		if st := d.State(); st.Events != 3 || st.UnderWay != 2 || st.Floor != 0 {
			t.Errorf("%+v", st)
		}
		kit.Must(t, d.Reset(Start{}))
		synctest.Wait()
		if st := d.State(); st.Events != 0 || st.UnderWay != 0 || st.Floor != 3 || st.Octets != 0 || a.Ack(102) {
			t.Errorf("%+v", st)
		}
		s.publish(104)
		equal(t, "after a reset to the newest", c.positions(), []uint64{4})
		if err := d.Reset(Start{After: 999}); err == nil || d.State().UnderWay != 1 {
			t.Errorf("%v, %+v", err, d.State())
		}
	})
}

// A reset forgets a gap that was not acknowledged.
func TestResetForgetsGap(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1})
		s.puts("com.t", 3)
		s.sleep(upkeepInterval)
		kit.Must(t, d.Reset(Start{}))
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		if len(c.gaps)+len(c.got) != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// Declared subscriptions take over the bounds of their rules, cannot be removed, and are ordinary ones once they are not declared.
func TestDeclare(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	opened := 0
	open := func(*Subscription) { opened++ }
	a, b := Rule{Name: "a", URI: "com.a"}, Rule{Name: "b", URI: "com.b", Match: wamp.Prefix, Owner: "joe"}
	kit.Must(t, s.Declare([]Rule{a, b}, open))
	d := s.Find("joe", "b")
	if !d.State().Declared || opened != 2 || d.Remove() == nil || d.Removed() {
		t.Errorf("%+v, %d opened", d.State(), opened)
	}
	for _, r := range []Rule{{URI: "com.a"}, {URI: "com.b"}, {URI: "com.a", Match: wamp.Prefix}} {
		r.Name, r.Owner, r.MaxEvents = "b", "joe", 7
		if err := s.Declare([]Rule{a, r}, open); err == nil || !strings.Contains(err.Error(), `"b"`) || d.MaxEvents != 0 {
			t.Errorf("%+v: %v, %+v", r, err, d.Rule)
		}
	}
	for _, r := range []Rule{
		{MaxSize: 1000}, {MaxEvents: 3}, {MaxAge: time.Minute}, {Window: 7}, {AckWait: time.Second}, {},
	} {
		r.Name, r.Owner, r.URI, r.Match = b.Name, b.Owner, b.URI, b.Match
		kit.Must(t, s.Declare([]Rule{a, r}, open))
		if d.Rule != r.withDefaults() {
			t.Errorf("%+v, want %+v", d.Rule, r.withDefaults())
		}
		s.close()
		s = openShelf(t, dir, 0)
		if d = s.Find("joe", "b"); d == nil || d.Rule != r.withDefaults() || !d.State().Declared {
			t.Errorf("after a restart %+v, want %+v", d, r.withDefaults())
		}
	}
	kit.Must(t, s.Declare([]Rule{a}, open))
	s.close()
	s = openShelf(t, dir, 0)
	if d = s.Find("joe", "b"); d.State().Declared || !s.Find("", "a").State().Declared || opened != 2 {
		t.Errorf("%+v, %d opened", d.State(), opened)
	}
	kit.Must(t, d.Remove())
	s.close()
	if s = openShelf(t, dir, 0); s.Find("joe", "b") != nil || s.Find("", "a") == nil {
		t.Error("a removed subscription comes back")
	}
}

// Each bound takes effect when it is declared, on its own.
func TestDeclaredBoundsAtOnce(t *testing.T) {
	for name, bound := range map[string]Rule{"size": {MaxSize: 1}, "count": {MaxEvents: 1}, "age": {MaxAge: time.Minute}} {
		inBubble(t, func(t *testing.T, s *shelf) {
			r := Rule{Name: "d", URI: "com.t"}
			kit.Must(t, s.Declare([]Rule{r}, func(*Subscription) {}))
			s.puts("com.t", 3)
			s.sleep(time.Hour)
			bound.Name, bound.URI = r.Name, r.URI
			kit.Must(t, s.Declare([]Rule{bound}, func(*Subscription) {}))
			if st := s.Find("", "d").State(); st.Dropped < 2 {
				t.Errorf("%s: %+v", name, st)
			}
		})
	}
}

// Sessions can limit the age of a subscription that they have created, not of a declared one. It lasts over a restart.
func TestBoundBySession(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	kit.Must(t, s.Declare([]Rule{{Name: "declared", URI: "com.t", MaxAge: time.Hour}}, func(*Subscription) {}))
	d, declared := s.create(Rule{Name: "d", URI: "com.t"}), s.Find("", "declared")
	for _, sub := range []*Subscription{d, declared} {
		sub.Bound(Age{time.Minute, true})
		sub.Bound(Age{time.Second, false})
	}
	if d.MaxAge != time.Minute || declared.MaxAge != time.Hour {
		t.Errorf("%v, %v", d.MaxAge, declared.MaxAge)
	}
	s.close()
	s = openShelf(t, dir, 0)
	if d = s.Find("", "d"); d.MaxAge != time.Minute {
		t.Errorf("after a restart %v", d.MaxAge)
	}
	d.Bound(Age{0, true})
	if d.MaxAge != 0 {
		t.Errorf("%v", d.MaxAge)
	}
}

// Own lists what sessions of an owner have created.
func TestOwn(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	kit.Must(t, s.Declare([]Rule{{Owner: "joe", Name: "x.declared", URI: "com.t"}}, func(*Subscription) {}))
	for _, name := range []string{"x.a", "x.b", "y.c"} {
		s.create(Rule{Owner: "joe", Name: name, URI: "com.t"})
		s.create(Rule{Owner: "ann", Name: name, URI: "com.t"})
	}
	for prefix, want := range map[string]string{"x.": "joe x.a joe x.b", "": "joe x.a joe x.b joe y.c", "z": ""} {
		var list []string
		for _, d := range s.Own("joe", prefix) {
			list = append(list, d.Owner, d.Name)
		}
		if got := strings.Join(list, " "); got != want {
			t.Errorf("%q: %s", prefix, got)
		}
	}
}

// A subscription that cannot be recorded is not made, and does not come with the next restart.
func TestCreateFails(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	cursors := filepath.Join(dir, "cursors")
	kit.Must(t, os.WriteFile(cursors, nil, 0o600)) // no directory
	if d, created, err := s.Create(Rule{Name: "d", URI: "com.t"}, Start{}, func(*Subscription) { t.Error("opened") }); err == nil || d != nil || created || s.Used() {
		t.Errorf("%v, %v, %v", d, created, err)
	}
	if s.Declare([]Rule{{Name: "d", URI: "com.t"}}, func(*Subscription) { t.Error("opened") }) == nil || s.Used() {
		t.Error("a subscription is declared")
	}
	kit.Must(t, os.Remove(cursors))
	s.create(Rule{Name: "e", URI: "com.t"})
	s.close()
	s = openShelf(t, dir, 0)
	if s.Find("", "d") != nil || s.Find("", "e") == nil {
		t.Error("the wrong subscription is there")
	}
}

// After a restart a subscription is as it was: its rule, its start, its gap, and how many events were dropped.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 0)
		r := Rule{Owner: "joe", Name: "d", URI: "com..t", Match: wamp.Wildcard, MaxEvents: 3, MaxSize: 12345, MaxAge: time.Hour, Window: 1, AckWait: time.Minute}
		d := s.create(r)
		s.puts("com.x.t", 6)
		s.sleep(upkeepInterval)
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		a.Ack(c.got[0].ID)
		synctest.Wait()
		before := d.State()
		if before.Floor != 4 || before.Events != 2 || before.Dropped != 3 {
			t.Errorf("%+v", before)
		}
		s.close()
		s = openShelf(t, dir, 0)
		d = s.Find("joe", "d")
		after := d.State()
		if d.Rule != r || after.Created == nil || !after.Created.Equal(*before.Created) {
			t.Errorf("%+v, %+v", d.Rule, after)
		}
		if uri, match := d.Pattern(); uri != "com..t" || match != wamp.Wildcard {
			t.Errorf("%s, %v", uri, match)
		}
		if after.Floor != 4 || after.Events != 2 || after.Octets != before.Octets || after.Dropped != 3 || after.Oldest < 1 || after.Declared {
			t.Errorf("%+v, before %+v", after, before)
		}
		c.gaps = nil
		c.positions()
		d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		if len(c.gaps) != 1 || c.gaps[0].First != 1 || c.gaps[0].Last != 3 || c.gaps[0].Events != 3 || c.gaps[0].Reason != "count" {
			t.Errorf("%+v", c.gaps)
		}
		equal(t, "deliveries", c.positions(), []uint64{5})
	})
}

// The journal of cursors stays small, however often they change.
func TestCursorsAreCompacted(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	d := s.create(Rule{Name: "d", URI: "com.t"})
	most := int64(0)
	kit.Must(t, s.do(func() {
		for n := range 1000 {
			s.mu.Lock()
			s.add(Rule{Name: fmt.Sprint("other", n), URI: "com.t"}, time.Now())
			s.mu.Unlock()
		}
		s.rewrite = true
		kit.Must(t, s.saveCursors())
		whole := s.cursors.Octets()
		for range 4000 {
			s.mu.Lock()
			d.changed()
			s.mu.Unlock()
			kit.Must(t, s.saveCursors())
			most = max(most, s.cursors.Octets())
		}
		if most < 2*whole || most > 2*whole+cursorSegment+10_000 {
			t.Errorf("up to %d bytes, %d without repetitions", most, whole)
		}
	}))
	s.close()
	if s = openShelf(t, dir, 0); s.Find("", "d") == nil {
		t.Error("the subscription is lost")
	}
}

// Damage in the journal of cursors costs the damaged records only, and the journal is written anew.
func TestDamagedCursors(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	for _, name := range []string{"a", "b", "c"} {
		s.create(Rule{Name: name, URI: "com.t"})
	}
	s.close()
	list, err := filepath.Glob(filepath.Join(dir, "cursors", "*.log"))
	kit.Must(t, err)
	b, err := os.ReadFile(list[0])
	kit.Must(t, err)
	b[len(b)/2] ^= 1
	kit.Must(t, os.WriteFile(list[0], b, 0o600))
	for range 2 {
		s = openShelf(t, dir, 0)
		if s.Find("", "a") == nil || s.Find("", "b") != nil || s.Find("", "c") == nil {
			t.Error("the wrong subscriptions are there")
		}
		kit.Must(t, s.do(func() { kit.Must(t, s.saveCursors()) }))
		s.close()
	}
	if bad, _ := filepath.Glob(filepath.Join(dir, "cursors", "*.bad")); len(bad) != 1 {
		t.Errorf("%q", bad)
	}
}

// Records of cursors that make no sense are passed over.
func TestInvalidCursors(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	s.create(Rule{Name: "d", URI: "com.t"})
	kit.Must(t, s.do(func() {
		s.cursors.Append(slices.Values([][]byte{
			[]byte("no JSON"), []byte(`{"Name":"","URI":"com.t"}`), []byte(`{"Name":"x","URI":"com.t","Match":3}`),
			[]byte(`{"Name":"y","Removed":true}`), []byte(`{"Name":"z","URI":"com.t","Match":2,"Floor":7}`),
		}))
	}))
	s.close()
	s = openShelf(t, dir, 0)
	var names []string
	for _, d := range s.All() {
		names = append(names, d.Name)
	}
	equal(t, "subscriptions", names, []string{"d", "z"})
}
