package fleet

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

// done is a context that is done already: Run saves the states and returns.
func done() context.Context {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	return ctx
}

func enter(t *testing.T, r *Registry, realm, id string, session wamp.ID, report Report) *link {
	t.Helper()
	l := newLink(session)
	kit.Must(t, r.states.add(key{realm, id}, "gateway", "10.0.0.7:1234", l, report, true))
	return l
}

// States survive a restart, after which no node is linked. A state that could not be written is written later.
func TestStatesAreKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, stateFile)
	r := open(t, dir)
	kit.Must(t, r.Run(done()))
	if _, err := os.Stat(file); err == nil {
		t.Error("an empty list of states was written")
	}
	enter(t, r, "b", "gw-1", 1, Report{Node: "gw-1", Version: "1.2", Uptime: 10})
	enter(t, r, "a", "gw-2", 2, Report{Alarms: []string{"hot"}})
	kit.Must(t, os.MkdirAll(filepath.Join(file, "in-the-way"), 0o700))
	kit.Must(t, r.Run(done()))
	kit.Must(t, os.RemoveAll(file))
	kit.Must(t, r.Run(done()))
	text, err := os.ReadFile(file)
	if err != nil || strings.Index(string(text), "gw-2") > strings.Index(string(text), "gw-1") {
		t.Errorf("the file is not sorted: %s, %v", text, err)
	}
	kit.Must(t, os.Remove(file))
	kit.Must(t, r.Run(done()))
	if _, err := os.Stat(file); err == nil {
		t.Error("states that have not changed were written again")
	}
	kit.Must(t, os.WriteFile(file, text, 0o600))
	r = open(t, dir)
	n := NodeReport{Node: Node{ID: "gw-1", Realm: "b"}}
	if !r.states.fill(&n) || n.Up || n.OfflineSince.IsZero() || !n.OfflineSince.Equal(n.LastSeen) || n.Version != "1.2" || n.Address != "10.0.0.7:1234" || n.Role != "gateway" || n.Name != "" {
		t.Errorf("%+v", n)
	}
	for _, damaged := range []string{"[", strings.Repeat(" ", largest+1)} {
		kit.Must(t, os.WriteFile(file, []byte(damaged), 0o600))
		if r := open(t, dir); len(r.states.ids("b")) != 0 || r.trouble != "" {
			t.Errorf("a damaged file: %v, %s", r.states.ids("b"), r.trouble)
		}
	}
	none := open(t, "")
	enter(t, none, "a", "gw-1", 1, Report{})
	kit.Must(t, none.Run(done()))
}

// The links of a node and the nodes are bounded. The newest link determines the state. The node goes offline with its
// last link.
func TestLinks(t *testing.T) {
	r := open(t, "")
	k := key{"a", "gw-1"}
	first := enter(t, r, "a", "gw-1", 1, Report{Board: "one", Uptime: 100})
	state := func() NodeReport {
		n := NodeReport{Node: Node{ID: "gw-1", Realm: "a", Version: "0.9", Board: "old"}}
		r.states.fill(&n)
		return n
	}
	began := state().Began
	if state().Version != "0.9" || state().Board != "one" || began.IsZero() {
		t.Errorf("%+v", state())
	}
	if err := r.states.add(k, "", "", newLink(1), Report{}, true); uri(err) != Full {
		t.Errorf("a session that attends twice: %v", err)
	}
	second := enter(t, r, "a", "gw-1", 2, Report{Board: "two", Uptime: 101})
	if got := state(); got.Began != began {
		t.Errorf("the router began at %v, and then at %v", began, got.Began)
	}
	kit.Must(t, r.states.report(k, 1, Report{Board: "three"}))
	if got := state().Board; got != "two" {
		t.Errorf("an older link reports %s", got)
	}
	kit.Must(t, r.states.report(k, 2, Report{Board: "four", Uptime: 5000}))
	if got := state(); got.Board != "four" || got.Began == began {
		t.Errorf("%+v", got)
	}
	if l, _, known := r.states.link(k); l != second || !known {
		t.Error("the newest link does not serve the commands")
	}
	if r.states.remove(k, second) || !state().Up {
		t.Error("the node is offline, but has a link")
	}
	if l, _, _ := r.states.link(k); l != first {
		t.Error("the link that is left does not serve the commands")
	}
	if !r.states.remove(k, first) || state().Up || state().OfflineSince.IsZero() || !state().OnlineSince.IsZero() {
		t.Errorf("the last link has ended: %+v", state())
	}
	for i := range mostLinks {
		enter(t, r, "a", "gw-1", wamp.ID(i+10), Report{})
	}
	if err := r.states.add(k, "", "", newLink(9), Report{}, true); uri(err) != Full {
		t.Errorf("one link more: %v", err)
	}
	for i := len(r.states.all); i < mostGuests; i++ {
		r.states.all[key{"b", fmt.Sprint(i)}] = &entry{}
	}
	if err := r.states.add(key{"a", "guest"}, "", "", newLink(9), Report{}, false); uri(err) != Full {
		t.Errorf("one guest more: %v", err)
	}
	enter(t, r, "a", "enrolled", 9, Report{})
	delete(r.states.all, key{"b", "9"})
	delete(r.states.all, key{"b", "10"})
	kit.Must(t, r.states.add(key{"a", "guest"}, "", "", newLink(9), Report{}, false))
}

// Reports are bounded, and their texts can be printed.
func TestBounded(t *testing.T) {
	long := strings.Repeat("x", 1000)
	r := Report{Node: long, Version: long, Board: "a\x1b[b", Uptime: -1, Applied: &Applied{ID: long, File: long, State: long, Error: long, Changes: make([]string, 99)}}
	for range 99 {
		r.Lines = append(r.Lines, LineReport{long, long})
		r.Queues = append(r.Queues, QueueReport{long, -1, -2})
		r.Alarms = append(r.Alarms, long)
	}
	b := r.Bounded()
	a := b.Applied
	got := []int{len(b.Node), len(b.Version), len(b.Lines), len(b.Lines[31].Name), len(b.Lines[31].State), len(b.Queues), len(b.Queues[7].Uplink), b.Queues[7].Events, b.Queues[7].Held,
		len(b.Alarms), len(b.Alarms[7]), len(a.ID), len(a.File), len(a.State), len(a.Error), len(a.Changes)}
	if want := "[128 64 32 64 16 8 64 0 0 8 160 32 64 16 320 8]"; fmt.Sprint(got) != want || b.Board != "a\ufffd[b" || b.Uptime != 0 {
		t.Errorf("%v, want %s; %q, %v", got, want, b.Board, b.Uptime)
	}
	if len(r.Lines) != 99 || len(r.Applied.ID) != 1000 || len(r.Lines[0].Name) != 1000 {
		t.Error("the report itself was changed")
	}
	for uptime, want := range map[float64]float64{0: 0, 5: 5, 1e9 - 1: 1e9 - 1, 1e9: 0} {
		if got := (Report{Uptime: uptime}).Bounded().Uptime; got != want {
			t.Errorf("an uptime of %v is %v", uptime, got)
		}
	}
	for text, want := range map[string]string{"\x01\x02\x03": "\ufffd", "äöü": "äö", "abcd": "abcd", "abcde": "abcd", "ab\u00ff\u00ff": "abÿ"} {
		if got := clean(text, 4); got != want {
			t.Errorf("%q is %q", text, got)
		}
	}
}

// The figures of a realm count its nodes, also those that have never reported.
func TestFigures(t *testing.T) {
	r := open(t, t.TempDir())
	if list := (*Registry)(nil).Figures(); list != nil {
		t.Errorf("%v", list)
	}
	r.kept.Nodes = []Node{{ID: "gw-3", Realm: "b"}, {ID: "gw-1", Realm: "b"}}
	enter(t, r, "b", "gw-1", 1, Report{Alarms: []string{"hot", "dry"}, Queues: []QueueReport{{"c", 2, 0}, {"d", 5, 0}}})
	r.states.remove(key{"b", "gw-2"}, enter(t, r, "b", "gw-2", 2, Report{Alarms: []string{"hot"}}))
	enter(t, r, "a", "gw-1", 3, Report{})
	list := r.Figures()
	for i := range list {
		for j := range list[i].Nodes {
			n := &list[i].Nodes[j]
			if (n.ID == "gw-3") != n.LastSeen.IsZero() {
				t.Errorf("%s was last seen at %v", n.ID, n.LastSeen)
			}
			n.LastSeen = time.Time{}
		}
	}
	zero := fmt.Sprint(time.Time{})
	want := strings.ReplaceAll("[{a 1 0 0 0 [{gw-1 true T 0 0}]} {b 1 2 3 7 [{gw-1 true T 2 7} {gw-2 false T 1 0} {gw-3 false T 0 0}]}]", "T", zero)
	if got := fmt.Sprint(list); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// Print writes one line for each fact that the node reports, and no line for an unknown one.
func TestPrintNode(t *testing.T) {
	n := NodeReport{Node: Node{ID: "gw-1"}, Up: true, OnlineSince: time.Now().Add(-time.Hour), Remote: true, Alarms: []string{"hot"},
		Lines: []LineReport{{"s", "serving"}}, Queues: []QueueReport{{"c", 1, 0}}, Applied: &Applied{File: "x.toml", State: AppliedDone}}
	var b bytes.Buffer
	kit.Must(t, n.Print(&b))
	lines := ""
	for line := range strings.Lines(b.String()) {
		lines += strings.Join(strings.Fields(line), " ") + "\n"
	}
	if want := "node gw-1\nlink up\nonline since " + n.OnlineSince.Format(time.DateTime) + "\ncommands answered\nserial line s: serving\nqueue c: 1 event, 0 held\nalarm hot\nfile x.toml: applied\n"; lines != want {
		t.Errorf("%s\nwant\n%s", lines, want)
	}
	b.Reset()
	kit.Must(t, PrintNodes(&b, []NodeReport{n, {Node: Node{ID: "gw-2"}}}))
	if text := b.String(); strings.Count(text, "1h") != 1 || strings.Count(text, " - ") < 1 {
		t.Error(text)
	}
}
