package store

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/codec"
	"runnel/edge/filter"
	"runnel/edge/journal"
	"runnel/edge/wamp"
)

// kept is a realm's stores on a disk that runs.
type kept struct {
	*testing.T
	disk      *Disk
	retained  *Retained
	histories []*History
	log       *bytes.Buffer
	closed    bool
}

// open restores a directory. The disk is closed at the end of the test.
func open(t *testing.T, dir string, limit int, rules ...Rule) *kept {
	t.Helper()
	k := &kept{T: t, log: new(bytes.Buffer)}
	log := slog.New(slog.NewTextHandler(k.log, nil))
	k.retained = NewRetained(limit, log, nil)
	for _, rule := range rules {
		k.histories = append(k.histories, NewHistory(rule, log, nil))
	}
	k.disk = Open(Config{
		Directory: dir, Log: log, Interval: 5 * time.Second, Retained: k.retained, Histories: k.histories,
		ReadOptions: func(e *Event) (err error) {
			if !e.Dict.Empty() {
				e.Filter, err = filter.Read(e.Dict)
			}
			return err
		},
	})
	k.disk.Begin()
	go k.disk.Run()
	t.Cleanup(k.close)
	return k
}

func (k *kept) close() {
	if !k.closed {
		k.closed = true
		k.disk.Close()
	}
	if strings.Contains(k.log.String(), "kept on disk again") && !strings.Contains(k.log.String(), "cannot write state to disk") {
		k.Errorf("a disk works again that has not failed: %s", k.log)
	}
}

// event makes an event whose one argument is text; lists are PUBLISH's black and white lists.
func (k *kept) event(topic, text string, lists map[string]any) *Event {
	k.Helper()
	payload, err := codec.NewPayload(wamp.CBOR, []any{text}, nil)
	if err != nil {
		k.Fatal(err)
	}
	e := &Event{ID: wamp.NewID(), Topic: []byte(topic), Payload: payload}
	if lists == nil {
		return e
	}
	if e.Dict, err = codec.NewDict(wamp.CBOR, lists); err != nil {
		k.Fatal(err)
	}
	if e.Filter, err = filter.Read(e.Dict); err != nil {
		k.Fatal(err)
	}
	return e
}

func (k *kept) keep(topic, text string) { k.retained.Keep(k.event(topic, text, nil)) }

func textOf(e *Event) string {
	args, _, _ := e.Payload.Decode()
	return fmt.Sprint(args...)
}

// retains checks the latest event of each topic: "topic=text ...".
func (k *kept) retains(want string) {
	k.Helper()
	var list []string
	for _, topic := range k.retained.Matching(wamp.Prefix, "") {
		if e := k.retained.Latest(topic, func(*Event) bool { return true }); e != nil {
			list = append(list, topic+"="+textOf(e))
		}
	}
	if got := strings.Join(list, " "); got != want {
		k.Errorf("retained: %s; want %s", got, want)
	}
}

// holds checks the texts of a history.
func (k *kept) holds(h *History, want string) {
	k.Helper()
	var list []string
	for _, e := range h.All() {
		list = append(list, textOf(&e.Event))
	}
	if got := strings.Join(list, " "); got != want {
		k.Errorf("history of %s: %s; want %s", h.URI, got, want)
	}
}

// copied returns a copy of the directory as it is now, as a crash would leave it.
func (k *kept) copied() string {
	k.Helper()
	dir := filepath.Join(k.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(k.disk.Directory)); err != nil {
		k.Fatal(err)
	}
	return dir
}

func (k *kept) record(h *History, texts ...string) {
	k.Helper()
	for _, text := range texts {
		h.Record(NewPastEvent(k.event("com.a", text, nil)), 0)
	}
}

func sizeBelow(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		n += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func story(t *testing.T, tell func(t *testing.T, dir string)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) { tell(t, dir) })
}

func TestRestart(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		k.keep("com.a", "old")
		k.keep("com.a", "new")
		k.keep("com.cleared", "x")
		k.retained.Keep(&Event{Topic: []byte("com.cleared")})
		limited := k.event("com.ttl", "x", nil)
		limited.TTL = time.Minute
		k.retained.Keep(limited)
		k.retained.Keep(k.event("com.roles", "x", map[string]any{"eligible_authrole": []any{"guest"}}))
		k.retained.Keep(k.event("com.sessions", "x", map[string]any{"eligible": []any{7}}))
		k.record(k.histories[0], "1", "2", "3")
		k.close()
		for range 2 {
			k = open(t, dir, 1<<20, Rule{URI: "com.a"})
			k.retains("com.a=new com.roles=x com.ttl=x")
			k.holds(k.histories[0], "1 2 3")
			if e := k.retained.Latest("com.roles", func(*Event) bool { return true }); e.Filter.Admits(1, "", "other") {
				t.Error("the lists are not restored")
			}
			k.close()
		}
		time.Sleep(time.Minute)
		k = open(t, dir, 1<<20)
		k.retains("com.a=new com.roles=x")
		if s := k.log.String(); strings.Contains(s, "level=WARN") || strings.Contains(s, "level=ERROR") || strings.Contains(s, "again") {
			t.Error(s)
		}
	})
}

// A crash costs at most the changes within saveDelay.
func TestCrash(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		k.keep("com.a", "1")
		k.record(k.histories[0], "1")
		time.Sleep(saveDelay + time.Millisecond)
		synctest.Wait()
		k.keep("com.a", "2")
		k.record(k.histories[0], "2")
		crashed := open(t, k.copied(), 1<<20, Rule{URI: "com.a"})
		crashed.retains("com.a=1")
		crashed.holds(crashed.histories[0], "1")
		time.Sleep(saveDelay)
		synctest.Wait()
		crashed = open(t, k.copied(), 1<<20, Rule{URI: "com.a"})
		crashed.retains("com.a=2")
		crashed.holds(crashed.histories[0], "1 2")
	})
}

// A failing disk is retried with growing delays. When it works again, all data is written.
func TestDiskFails(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		if err := os.WriteFile(dir, nil, 0o600); err != nil { // in place of the directory
			t.Fatal(err)
		}
		k.keep("com.once", "x")
		k.record(k.histories[0], "1")
		for i := range 600 {
			k.keep("com.a", fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := strings.Count(k.log.String(), "cannot write state to disk"); n < 10 || n > 20 {
			t.Errorf("%d failures are logged in ten minutes", n)
		}
		if k.disk.Trouble().String() == "" {
			t.Error("no trouble is reported")
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lastDelay + time.Second)
		synctest.Wait()
		if trouble := k.disk.Trouble().String(); trouble != "" || !strings.Contains(k.log.String(), "kept on disk again") {
			t.Errorf("still in trouble: %s", trouble)
		}
		k = open(t, k.copied(), 1<<20, Rule{URI: "com.a"})
		k.retains("com.a=599 com.once=x")
		k.holds(k.histories[0], "1")
	})
}

// The logs hold little more than the present events.
func TestLogsAreBounded(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a", Events: 20})
		most := int64(0)
		for i := range 400 {
			text := fmt.Sprint(i, strings.Repeat("x", 5000))
			k.keep("com.r", text)
			k.record(k.histories[0], text)
			time.Sleep(2 * saveDelay)
			synctest.Wait()
			most = max(most, sizeBelow(t, dir))
		}
		if most < segmentBytes || most > 5*segmentBytes {
			t.Errorf("%d bytes were on disk", most)
		}
		k = open(t, k.copied(), 1<<20, Rule{URI: "com.a", Events: 20})
		if n := len(k.histories[0].All()); n != 20 {
			t.Errorf("%d events are restored", n)
		}
	})
}

// Other limits and rules than before a restart take effect at once.
func TestOtherLimits(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"}, Rule{URI: "com.", Match: wamp.Prefix})
		for i := range 10 {
			k.keep(fmt.Sprint("com.t", i), "x")
			k.record(k.histories[0], fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		k.close()
		k = open(t, dir, 3000, Rule{URI: "com.a", Events: 2})
		k.holds(k.histories[0], "8 9")
		if topics, bytes := k.retained.Size(); topics != 5 || bytes > 3000 {
			t.Errorf("%d topics with %d bytes", topics, bytes)
		}
		if !strings.Contains(k.log.String(), "unusable records") {
			t.Error("the topics beyond the limit are not logged")
		}
		k.close()
		k = open(t, dir, 3000, Rule{URI: "com.a", Octets: 1700})
		k.holds(k.histories[0], "7 8 9")
		_, bytes := k.retained.Size()
		least := k.histories[0].Bytes() / 3
		k.close()
		k = open(t, dir, bytes, Rule{URI: "com.a", Octets: least})
		k.holds(k.histories[0], "9")
		if topics, _ := k.retained.Size(); topics != 5 {
			t.Errorf("%d topics, but there is room for five", topics)
		}
	})
}

// Expired events of a history are removed from disk, too.
func TestExpiredOnDisk(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a", Age: time.Minute})
		k.record(k.histories[0], "1", "2")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		k.holds(k.histories[0], "")
		if _, found, err := journal.Open(filepath.Join(dir, "history/exact-com.a"), segmentBytes, func([]byte) {}); err != nil || found.Records != 0 {
			t.Errorf("%d records are on disk, %v", found.Records, err)
		}
	})
}

// Events beyond the new bounds of a history are removed from disk, too.
func TestNewBoundsOnDisk(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		k.record(k.histories[0], "1", "2")
		time.Sleep(2 * saveDelay)
		k.histories[0].SetBounds(Rule{URI: "com.a", Octets: 1})
		time.Sleep(2 * saveDelay)
		synctest.Wait()
		if _, found, err := journal.Open(filepath.Join(k.copied(), "history/exact-com.a"), segmentBytes, func([]byte) {}); err != nil || found.Records != 0 {
			t.Errorf("%d records are on disk, %v", found.Records, err)
		}
	})
}

// A history is added and removed while the disk runs. Its files stay on disk.
func TestHistoriesComeAndGo(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20)
		add := func() *History {
			h := NewHistory(Rule{URI: "com.a"}, k.disk.Log, nil)
			k.disk.AddHistory(h)
			return h
		}
		h := add()
		k.record(h, "1", "2")
		k.disk.DropHistory(h)
		if s := k.log.String(); strings.Contains(s, "level=WARN") {
			t.Error(s)
		}
		k.record(h, "3") // not written any more
		time.Sleep(2 * saveDelay)
		k.disk.DropHistory(h) // has no effect
		h = add()
		k.holds(h, "1 2")
		k.record(h, "4")
		k.close()
		k.disk.DropHistory(h) // does not wait
		k = open(t, dir, 1<<20, Rule{URI: "com.a"})
		k.holds(k.histories[0], "1 2 4")
	})
}

// More changes than are noted one by one are all written.
func TestManyTopics(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 64<<20)
		for i := range maxUnsaved + 100 {
			k.keep(fmt.Sprintf("com.%05d", i), "x")
		}
		k.keep("com.00000", "again")
		time.Sleep(2 * saveDelay)
		synctest.Wait()
		k = open(t, k.copied(), 64<<20)
		if topics, _ := k.retained.Size(); topics != maxUnsaved+100 {
			t.Errorf("%d topics are restored", topics)
		}
		if e := k.retained.Latest("com.00000", func(*Event) bool { return true }); e == nil || textOf(e) != "again" {
			t.Error("the last change is lost")
		}
	})
}

// Damage costs the damaged record, and is repaired at once, whichever log has it.
func TestDamage(t *testing.T) {
	for _, c := range []struct{ file, retains, holds string }{
		{"retained/*.log", "com.r1=-1- com.r3=-3-", "-1- -2- -3-"},
		{"history/exact-com.a/*.log", "com.r1=-1- com.r2=-2- com.r3=-3-", "-1- -3-"},
	} {
		story(t, func(t *testing.T, dir string) {
			k := open(t, dir, 1<<20, Rule{URI: "com.a"})
			for _, text := range []string{"-1-", "-2-", "-3-"} {
				k.keep("com.r"+text[1:2], text)
				k.record(k.histories[0], text)
				time.Sleep(2 * saveDelay)
			}
			k.close()
			files, _ := filepath.Glob(filepath.Join(dir, c.file))
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				data[bytes.Index(data, []byte("-2-"))] ^= 1
				if err := os.WriteFile(file, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for round := range 2 {
				k = open(t, dir, 1<<20, Rule{URI: "com.a"})
				k.retains(c.retains)
				k.holds(k.histories[0], c.holds)
				if damaged := strings.Contains(k.log.String(), "state is damaged"); damaged != (round == 0) {
					t.Errorf("%s, round %d: damage is reported: %v", c.file, round, damaged)
				}
				time.Sleep(saveDelay)
				synctest.Wait()
				dir = k.copied() // before Close, which would write
			}
		})
	}
}

// Invalid records are counted and omitted. An event that is in a log twice is restored once.
func TestUnusableRecords(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20)
		once, other := NewPastEvent(k.event("com.a", "1", nil)), NewPastEvent(k.event("com.b", "2", nil))
		k.close()
		for log, records := range map[string][][]byte{
			"retained":            {[]byte("nonsense"), encodeRetained("com.a", []*retained{{Event: once.Event}})},
			"history/exact-com.a": {encodePast(held{PastEvent: once}), []byte("nonsense"), encodePast(held{PastEvent: once}), encodePast(held{PastEvent: other})},
		} {
			j, _, err := journal.Open(filepath.Join(dir, log), segmentBytes, func([]byte) {})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := j.Append(slices.Values(records)); err != nil {
				t.Fatal(err)
			}
			j.Close()
		}
		k = open(t, dir, 1<<20, Rule{URI: "com.a"})
		k.retains("com.a=1")
		k.holds(k.histories[0], "1")
		for _, want := range []string{"retained total=1", "exact-com.a total=2"} {
			if !strings.Contains(k.log.String(), want) {
				t.Errorf("%s is not in the log: %s", want, k.log)
			}
		}
		time.Sleep(saveDelay)
		synctest.Wait()
		_, found, err := journal.Open(filepath.Join(k.copied(), "history/exact-com.a"), segmentBytes, func([]byte) {})
		if err != nil || found.Records != 1 {
			t.Errorf("%d records after the log was cleaned, %v", found.Records, err)
		}
	})
}

// A log that cannot be read is reported and left alone.
func TestUnreadable(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"retained", "history"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		k.keep("com.a", "x")
		k.record(k.histories[0], "1")
		k.holds(k.histories[0], "1")
		time.Sleep(10 * time.Second)
		if s := k.disk.Trouble().String(); !strings.Contains(s, "retained: ") || !strings.Contains(s, "exact-com.a: ") {
			t.Errorf("the trouble is %q", s)
		}
	})
}

func TestTrouble(t *testing.T) {
	var trouble Trouble
	if trouble.Set("b", fs.ErrExist) || !trouble.Set("b", fs.ErrInvalid) || trouble.Set("a", fs.ErrExist) {
		t.Error("Set reports wrongly what was before")
	}
	if got := trouble.String(); got != "a: file already exists; b: invalid argument" {
		t.Error(got)
	}
	if !trouble.Set("b", nil) || trouble.Set("b", nil) || !trouble.Set("a", nil) || trouble.String() != "" {
		t.Errorf("what is left: %q", trouble.String())
	}
}
