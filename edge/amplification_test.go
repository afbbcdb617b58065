package edge

import (
	"bytes"
	"runtime"
	"testing"
	"testing/synctest"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
)

// heap returns how many bytes f allocates, in all goroutines together.
func heap(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	synctest.Wait()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// many is a list of n times the same bytes, in CBOR, as a part of a message.
func many(item string, n int) codec.Value {
	raw := append([]byte{0x9a, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, bytes.Repeat([]byte(item), n)...)
	return codec.Value{Serializer: wamp.CBOR, Raw: raw}
}

func encoded(t *testing.T, list ...any) []byte {
	t.Helper()
	raw, err := codec.AppendValue(nil, wamp.CBOR, list)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A message costs the router not much more memory than its length, whatever its contents and its sender.
func TestNoAmplification(t *testing.T) {
	if kit.Race {
		t.Skip("the race detector allocates")
	}
	const n = 1 << 20
	lists, ids, texts := many("\x80", n), many("\x01", n), many("\x60", n)
	tagged := codec.Value{Serializer: wamp.CBOR, Raw: append([]byte{0xd8, 40}, lists.Raw...)}
	options := func(key string, v any) map[string]any { return map[string]any{"acknowledge": true, key: v} }
	kwargs := func(key string, v any) map[string]any { return map[string]any{key: v} }
	none := map[string]any{}
	const refused, violated = `[8,"*",1,{},"wamp.error.not_authorized"]`, `[3,{"message":"*"},"wamp.error.protocol_violation"]`
	const invalid = `[8,"*",1,{},"wamp.error.invalid_argument","*"]`
	for name, c := range map[string]struct {
		role   string
		say    []any
		answer string
	}{
		"no rights, ids":            {"none", []any{16, 1, options("eligible", ids), "com.t"}, refused},
		"no rights, names":          {"none", []any{16, 1, options("exclude_authid", texts), "com.t"}, refused},
		"no rights, lists in lists": {"none", []any{16, 1, options("eligible", []any{lists}), "com.t"}, violated},
		"lists behind a tag":        {"none", []any{16, 1, options("eligible", []any{tagged}), "com.t"}, violated},
		"lists as ids":              {"all", []any{16, 1, options("exclude", lists), "com.t"}, violated},
		"an unknown option":         {"all", []any{16, 1, options("future", lists), "com.t"}, `[17,1,"*"]`},
		"ids":                       {"all", []any{16, 1, options("eligible", ids), "com.t"}, invalid},
		"names":                     {"all", []any{16, 1, options("eligible_authrole", texts), "com.t"}, invalid},
		"no rights, meta":           {"none", []any{48, 1, none, "wamp.session.count", lists}, refused},
		"count":                     {"all", []any{48, 1, none, "wamp.session.count", []any{lists}}, invalid},
		"count of many roles":       {"all", []any{48, 1, none, "wamp.session.count", []any{texts}}, invalid},
		"arguments beside":          {"all", []any{48, 1, none, "wamp.session.list", []any{nil, lists}}, `[50,1,{},"*"]`},
		"get":                       {"all", []any{48, 1, none, "wamp.session.get", lists}, invalid},
		"kill":                      {"all", []any{48, 1, none, "wamp.session.kill_all", []any{}, kwargs("message", lists)}, invalid},
		"overlaps":                  {"all", []any{48, 1, none, "wamp.subscription.list", []any{}, kwargs("_overlaps", lists)}, invalid},
		"lookup":                    {"all", []any{48, 1, none, "wamp.registration.lookup", []any{"com.x", kwargs("other", lists)}}, `[50,1,{},[null]]`},
		"testament's lists":         {"all", []any{48, 1, none, "wamp.session.add_testament", []any{"com.t"}, kwargs("publish_options", kwargs("eligible", ids))}, invalid},
		"testament":                 {"all", []any{48, 1, none, "wamp.session.add_testament", []any{"com.t", lists}}, `[8,"*",1,{},"wamp.error.unavailable","*"]`},
		"describe":                  {"all", []any{48, 1, none, "wamp.reflect.define", []any{"com.x", lists}}, invalid},
		"events":                    {"all", []any{48, 1, none, "wamp.subscription.get_events", []any{1}, kwargs("limit", lists)}, `[8,"*",1,{},"wamp.error.no_such_subscription"]`},
		"authorizer, subscribe":     {"asks", []any{32, 1, kwargs("other", lists), "com.t"}, `[8,"*",1,{},"wamp.error.authorization_failed"]`},
		"yield":                     {"all", []any{70, 1, kwargs("other", lists)}, violated},
	} {
		t.Run(name, func(t *testing.T) {
			realm := openRealm()
			realm.Roles = append(realm.Roles, auth.NewRole("none", nil), auth.NewRole("asks", nil).WithAuthorizer("com.absent"))
			tell(t, Options{OutboxBytes: 4 << 20}, realm, func(s *story) {
				p := s.joinAs(memory.Options{Role: c.role, Realm: "realm1", Buffer: 4 << 20}, hello)
				data := encoded(t, c.say...)
				got := heap(func() {
					p.raw(data)
					p.hear(c.answer)
				})
				if got > 8*n { // the pipe and the test itself have copies
					t.Errorf("a message of %d octets costs %d", len(data), got)
				}
			})
		})
	}
}

// HELLO and AUTHENTICATE are decoded, so their contents are bounded.
func TestStrangersHaveFewValues(t *testing.T) {
	roles := map[string]any{"caller": map[string]any{}}
	lists, empty := many("\x80", 12<<10), many("\x80", maxHandshakeValues/2)
	tagged := codec.Value{Serializer: wamp.CBOR, Raw: append([]byte{0xd8, 40}, lists.Raw...)}
	const violated = `[3,{"message":"*"},"wamp.error.protocol_violation"]`
	for _, extra := range []any{lists, tagged, map[string]any{"a": []any{lists}}} {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			p := s.connect(memory.Options{})
			got := heap(func() {
				p.raw(encoded(t, 1, "realm1", map[string]any{"roles": roles, "authextra": extra}))
				p.hear(violated)
				p.closed()
			})
			if got > 256<<10 && !kit.Race {
				t.Errorf("HELLO costs %d octets", got)
			}
		})
	}
	tell(t, Options{}, guarded(t, ""), func(s *story) {
		p := s.connect(memory.Options{})
		p.say(helloAs("pump-7", `["ticket"]`))
		p.hear(`[4,"ticket",{}]`)
		p.raw(encoded(t, 5, "secret", map[string]any{"a": lists}))
		p.hear(violated)
	})
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.connect(memory.Options{})
		p.raw(encoded(t, 1, "realm1", map[string]any{"roles": roles, "authextra": empty}))
		p.hear(`[2,"*","*"]`)
	})
}

// The memory of kept events is accounted completely: lists count in their decoded form, not only in their encoded form.
func TestKeptListsAreAccounted(t *testing.T) {
	if kit.Race {
		t.Skip("the race detector allocates")
	}
	const limit = 4 << 20
	names := map[string]any{"retain": true, "exclude_authid": many("\x61a", 8000)}
	tell(t, Options{MaxRetained: limit}, withHistory(HistoryRule{URI: "com.", Match: wamp.Prefix, Events: 1 << 20, Octets: limit}), func(s *story) {
		p := s.join(hello)
		live := func() int {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc)
		}
		before := live()
		for i := range 400 {
			p.raw(encoded(t, 16, i+1, names, "com.t"+string(rune('a'+i%26))+string(rune('a'+i/26)), []any{"x"}))
		}
		synctest.Wait()
		if kept := live() - before; kept > 2*limit+limit/2 { // retained, and in the history
			t.Errorf("of %d octets allowed twice, %d are used", limit, kept)
		}
	})
}
