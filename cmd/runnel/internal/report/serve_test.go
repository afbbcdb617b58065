package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/memory"
	"runnel/transport/serial"
	"runnel/uplink/spool"
)

// fake is a Source with two uplinks, a serial line and a listener.
type fake struct {
	spools []Spool

	mu      sync.Mutex
	uplinks []Uplink
	clashes []edge.Clash
	down    bool // the link of the serial line
	reload  error
}

func (f *fake) Status() Status        { return Status{Version: "1.2"} }
func (f *fake) Listeners() []Listener { return []Listener{{URL: "tcp://:1"}} }
func (f *fake) Serial() []Serial {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []Serial{{Name: "bus", Realm: "realm1", Link: &Link{Up: !f.down}}, {Name: "other", Realm: "realm2"}, {Name: "plain", Realm: "realm1"}}
}
func (f *fake) Spools(string) []Spool { return f.spools }
func (f *fake) Reload() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []string{"one", "two"}, f.reload
}
func (f *fake) Uplinks() []Uplink {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.uplinks)
}
func (f *fake) Line(realm, name string) *serial.Line {
	if realm != "realm1" || name != "bus" {
		return nil
	}
	return serial.NewLine(serial.LineConfig{})
}

func (f *fake) Clashes(string) []edge.Clash {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clashes
}

// change changes the source, and waits until the change is announced.
func (f *fake) change(by func()) {
	f.mu.Lock()
	by()
	f.mu.Unlock()
	time.Sleep(2 * checkInterval)
	synctest.Wait()
}

// queue opens a spool of the uplink with events of the given topics. The first so many of them are held.
func queue(t *testing.T, uplink string, held int, topics ...string) Spool {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: t.TempDir(), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for i, topic := range topics {
		payload, err := codec.NewPayload(wamp.CBOR, []any{i}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Put(spool.Event{Class: spool.Disk, Topic: topic, Payload: payload}, nil)
	}
	for range min(held, 1) {
		events, err := s.Next(t.Context(), 0, held)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			s.Hold(e.Sequence, "no")
		}
		s.Rewind() // it looks at all events again
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		s.Next(ctx, 0, 1)
		cancel()
		s.Rewind()
	}
	return Spool{uplink, s}
}

// served runs the procedures of a source in realm1 of a router, and calls do with a client.
func served(t *testing.T, f *fake, do func(t *testing.T, c *client.Client)) {
	synctest.Test(t, func(t *testing.T) {
		all := auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})
		quiet := slog.New(slog.DiscardHandler)
		router := edge.NewRouter(edge.Options{Log: quiet})
		if err := router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "all", Roles: []*auth.Role{all}}); err != nil {
			t.Fatal(err)
		}
		var running sync.WaitGroup
		over := func(pipe func(memory.Options) (*memory.Conn, *memory.Conn)) client.Options {
			return client.Options{Realm: "realm1", Log: quiet, Dial: func(context.Context) (client.Conn, error) {
				ours, theirs := pipe(memory.Options{})
				running.Go(func() { router.Serve(theirs) })
				return ours, nil
			}}
		}
		ctx, cancel := context.WithCancel(t.Context())
		running.Go(func() { Serve(ctx, client.New(over(memory.Internal)), "realm1", f, quiet) })
		c, err := client.Connect(ctx, over(memory.Pipe))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		do(t, c)
		cancel()
		c.Close(context.Background())
		router.Close(context.Background())
		running.Wait()
	})
}

// answer calls a procedure, and returns the result or the error as a text.
func answer(c *client.Client, procedure string, p client.Payload) string {
	r, err := c.Call(context.Background(), procedure, client.CallOptions{}, p)
	if err != nil {
		if e := (*client.Error)(nil); errors.As(err, &e) {
			return fmt.Sprint(e.URI, e.Args())
		}
		return err.Error()
	}
	return fmt.Sprint(r.Args())
}

func TestProcedures(t *testing.T) {
	const unknown = `wamp.error.invalid_argument[realm realm1 has no uplink "x"]`
	f := &fake{uplinks: []Uplink{{Name: "north", Realm: "realm1"}, {Name: "south", Realm: "realm1"}}}
	served(t, f, func(t *testing.T, c *client.Client) {
		f.spools = []Spool{queue(t, "north", 2, "com.a", "com.b", "com.c", "com.d"), queue(t, "south", 1, "com.a")}
		for _, call := range []struct {
			procedure string
			p         client.Payload
			want      string // how the answer begins
		}{
			{"runnel.status", client.Payload{}, "[map["},
			{"runnel.uplink.list", client.Payload{}, "[[north south]]"},
			{"runnel.serial.list", client.Payload{}, "[[bus other plain]]"},
			{"runnel.listener.list", client.Payload{}, "[[tcp://:1]]"},
			{"runnel.uplink.get", client.Args("south"), "[map["},
			{"runnel.uplink.get", client.Args("x"), `runnel.error.no_such_name[there is no "x" here]`},
			{"runnel.uplink.get", client.Payload{}, `runnel.error.no_such_name[there is no "" here]`},
			{"runnel.serial.raw", client.Args("bus"), "[map[next:0 pieces:[]]]"},
			{"runnel.serial.raw", client.Args("bus", -1), "[map[next:0 pieces:[]]]"},
			{"runnel.serial.raw", client.Args("bus", "all"), "[map[next:0 pieces:[]]]"},
			{"runnel.serial.raw", client.Args("x"), `runnel.error.no_such_name[realm realm1 has no serial line "x"]`},
			{"runnel.serial.raw", client.Payload{}, `runnel.error.no_such_name[realm realm1 has no serial line ""]`},
			{"runnel.reload", client.Payload{}, "[one two]"},
			{"runnel.queue.peek", client.Args("x"), unknown},
			{"runnel.queue.peek", client.Args("north", 0), "wamp.error.invalid_argument[the number of events must be 1 or more]"},
			{"runnel.queue.peek", client.Args("north", "all"), "wamp.error.invalid_argument[the number of events must be 1 or more]"},
			{"runnel.queue.peek", client.Args("north", 1), "[[map[args:[0] "},
			{"runnel.queue.retry", client.Args("x"), unknown},
			{"runnel.queue.retry", client.Args(5), "wamp.error.invalid_argument[the uplink's name must be a string]"},
			{"runnel.queue.retry", client.Args("south"), "[1]"},
			{"runnel.queue.retry", client.Payload{}, "[3]"},
			{"runnel.queue.retry", client.Args(""), "[3]"},
			{"runnel.queue.drop", client.Payload{Args: []any{"north"}, Kwargs: map[string]any{"topic": "com.b"}}, "[1]"},
			{"runnel.queue.drop", client.Payload{Args: []any{"north"}, Kwargs: map[string]any{"held": true}}, "[1]"},
			{"runnel.queue.drop", client.Args("north", 1), "[1]"},
			{"runnel.queue.drop", client.Args("south"), "[1]"},
		} {
			if got := answer(c, call.procedure, call.p); !strings.HasPrefix(got, call.want) {
				t.Errorf("%s %v: %s\nwant %s", call.procedure, call.p, got, call.want)
			}
		}
	})
}

// runnel.queue.ls names the topics that are held; runnel.queue.peek shows held events, payloads and gaps.
func TestQueueReports(t *testing.T) {
	f := &fake{}
	served(t, f, func(t *testing.T, c *client.Client) {
		held, some := queue(t, "north", 1, "com.a"), queue(t, "south", 0, "com.a", "com.b")
		some.Discard(1)
		some.Put(spool.Event{Class: spool.Memory, Topic: "com.c", Payload: codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: []byte{0xff}}}, nil)
		f.spools = []Spool{held, some}
		if got := answer(c, "runnel.queue.ls", client.Payload{}); strings.Count(got, " held:[") != 1 || !strings.Contains(got, "reason:no") {
			t.Error(got)
		}
		if got := answer(c, "runnel.queue.peek", client.Args("north")); !strings.Contains(got, "held:true") || !strings.Contains(got, "topic:com.a") || strings.Contains(got, "gap:") {
			t.Error(got)
		}
		got := answer(c, "runnel.queue.peek", client.Args("south"))
		for _, want := range []string{"args:[1] class:disk", "gap:map[count:1 first:1 last:1 reason:operator]", "topic:com.c"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is missing in %s", want, got)
			}
		}
		if strings.Contains(got, "held:") || strings.Count(got, "kwargs:") != 1 {
			t.Error(got)
		}
	})
}

// A reload that fails says whether the files are at fault, a line for each problem.
func TestReloadFails(t *testing.T) {
	f := &fake{}
	served(t, f, func(t *testing.T, c *client.Client) {
		for want, err := range map[string]error{
			"runnel.error.reload[in use twice]": errors.New("in use\ntwice"),
			"runnel.error.config[":              fmt.Errorf("read: %w", config.Problems{{}}),
		} {
			f.change(func() { f.reload = err })
			if got := answer(c, "runnel.reload", client.Payload{}); !strings.HasPrefix(got, want) {
				t.Errorf("%s; want %s", got, want)
			}
		}
	})
}

// A state is retained, is published again when it changes, and is withdrawn with its part. Only the realm's own parts
// are announced.
func TestStatesAreAnnounced(t *testing.T) {
	f := &fake{uplinks: []Uplink{{Name: "North", Realm: "realm1"}, {Name: "east", Realm: "realm2"}}}
	served(t, f, func(t *testing.T, c *client.Client) {
		f.change(func() {}) // until the states are published
		var mu sync.Mutex
		heard := make(map[string]int)
		_, err := c.Subscribe(context.Background(), "runnel.", client.SubscribeOptions{Match: wamp.Prefix, GetRetained: true}, func(e *client.Event) {
			mu.Lock()
			defer mu.Unlock()
			heard[fmt.Sprint(strings.TrimPrefix(e.Topic(), "runnel."), " ", len(e.Args()))]++
		})
		if err != nil {
			t.Fatal(err)
		}
		received := func(what string, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := slices.Sorted(maps.Keys(heard)); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
			for topic, n := range heard {
				if n != 1 {
					t.Errorf("%s: %s is announced %d times", what, topic, n)
				}
			}
			clear(heard)
		}
		received("at first", "serial.on_state.bus 1", "serial.on_state.plain 1", "uplink.on_state.north 1")
		f.change(func() {})
		received("without a change")
		f.change(func() { f.uplinks[0].OctetsIn++ })
		received("after traffic")
		f.change(func() { f.uplinks[0].Up = true })
		received("after a change", "uplink.on_state.north 1")
		f.change(func() { f.uplinks[0].Queue = Queue{HeldTopics: 1, Held: []HeldTopic{{Topic: "com.a"}}} })
		received("with a held topic", "uplink.on_state.north 1")
		f.change(func() { f.clashes = []edge.Clash{{Node: "n"}} })
		received("with a clash", "node.on_clash 1")
		f.change(func() { f.down = true })
		received("with a link that is down", "serial.on_state.bus 1")
		f.change(func() { f.clashes, f.uplinks = nil, nil })
		received("once they are gone", "node.on_clash 0", "uplink.on_state.north 0")
	})
}
