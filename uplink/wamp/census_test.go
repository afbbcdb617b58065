package wamp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// plain is a meta API without Runnel's extension, as other routers have it: list returns ids only.
var plain = &census{"com.plain.", "broker", "", "on_create", "on_delete", "on_enter", "on_leave", "list_members"}

// plainRouter answers the plain meta API.
type plainRouter struct {
	*client.Client
	lists   []any                     // the result of list
	details map[uint64]map[string]any // the result of get; nil: a result without a value
	members map[uint64][]any          // the result of list_members
	broken  string                    // the procedure that answers with its own error

	mu    sync.Mutex
	asked []string // the requests other than the list. Guarded by mu
}

// newPlainRouter returns a router with four topics, and with two ids that have ended since they were listed.
func newPlainRouter(t *testing.T) *plainRouter {
	router := edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})
	all := auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})
	if err := router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "all", Roles: []*auth.Role{all}}); err != nil {
		t.Fatal(err)
	}
	near, far := memory.Pipe(memory.Options{})
	served := make(chan struct{})
	c, err := client.Connect(t.Context(), client.Options{
		Realm: "realm1", Reconnect: client.Reconnect{Disabled: true},
		Dial: func(context.Context) (client.Conn, error) {
			go func() { defer close(served); router.Serve(far) }()
			return near, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close(context.Background())
		router.Close(context.Background())
		<-served
	})
	topic := func(id uint64, uri string) map[string]any {
		return map[string]any{"id": id, "uri": uri, "match": "exact"}
	}
	r := &plainRouter{
		Client: c,
		lists:  []any{map[string]any{"exact": []any{1, 2, 3, 4, 5}, "prefix": []any{6}}},
		details: map[uint64]map[string]any{
			1: topic(1, "com.a"), 2: topic(2, "com.b"), 3: topic(3, "org.c"), 4: topic(4, "com.d"), 6: nil,
		},
		members: map[uint64][]any{1: {7, 8}, 2: {7}},
	}
	for procedure, answer := range map[string]func(id uint64) (client.Payload, bool){
		"list": func(uint64) (client.Payload, bool) { return client.Args(r.lists...), true },
		"get": func(id uint64) (client.Payload, bool) {
			details, ok := r.details[id]
			if details == nil {
				return client.Payload{}, ok
			}
			return client.Args(details), true
		},
		"list_members": func(id uint64) (client.Payload, bool) { return client.Args(r.members[id]), r.members[id] != nil },
	} {
		_, err := c.Register(t.Context(), plain.prefix+procedure, client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			id := uint64(0)
			if args := inv.Args(); len(args) > 0 {
				id = idOf(args[0])
				r.mu.Lock()
				defer r.mu.Unlock()
				r.asked = append(r.asked, fmt.Sprint(procedure, " ", id))
			}
			if procedure == r.broken {
				return client.Payload{}, client.NewError("com.error.broken")
			}
			p, ok := answer(id)
			if !ok {
				return client.Payload{}, client.NewError(wamp.NoSuchSubscription.Error())
			}
			return p, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func newPlainCatalog(members bool) *catalog {
	return newCatalog(plain, []wamp.Pattern{{URI: "com.", Match: wamp.Prefix}}, members)
}

// offered returns the URIs of sessions other than 7.
func offered(c *catalog) (list []string) {
	for _, o := range c.offers(7) {
		list = append(list, o.URI)
	}
	slices.Sort(list)
	return list
}

// A router that only lists ids is asked for the details of each, and for the members of those that the rules are about.
// Ids that have ended since they were listed are left out.
func TestCensusOfAnotherRouter(t *testing.T) {
	for _, c := range []struct {
		name    string
		members bool
		lists   []any // nil: those of newPlainRouter
		broken  string
		want    []string
		asked   []string
		err     bool
	}{
		{
			name: "topics", want: []string{"com.a", "com.b", "com.d"},
			asked: []string{"get 1", "get 2", "get 3", "get 4", "get 5", "get 6"},
		},
		{
			name: "topics and their subscribers", members: true, want: []string{"com.a"},
			asked: []string{"get 1", "get 2", "get 3", "get 4", "get 5", "get 6", "list_members 1", "list_members 2", "list_members 4"},
		},
		{name: "nothing", lists: []any{map[string]any{}}},
		{name: "an empty result", lists: []any{}},
		{name: "a refused list", broken: "list", err: true},
		{name: "refused details", broken: "get", lists: []any{map[string]any{"exact": []any{1}}}, asked: []string{"get 1"}, err: true},
		{
			name: "refused members", broken: "list_members", members: true, lists: []any{map[string]any{"exact": []any{1}}},
			want: []string{"com.a"}, asked: []string{"get 1", "list_members 1"}, err: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newPlainRouter(t)
			if r.broken = c.broken; c.lists != nil {
				r.lists = c.lists
			}
			into := newPlainCatalog(c.members)
			err := plain.list(t.Context(), r.Client, into)
			if (err != nil) != c.err || err != nil && err.Error() != "com.error.broken" {
				t.Errorf("list: %v", err)
			}
			slices.Sort(r.asked)
			if got := offered(into); !slices.Equal(got, c.want) && !c.err || !slices.Equal(r.asked, c.asked) || into.complete {
				t.Errorf("found %q, want %q; asked for %q, want %q", got, c.want, r.asked, c.asked)
			}
		})
	}
}

// Ids that others have entered and the router has not reported are asked for once.
func TestCensusOfUnlistedIDs(t *testing.T) {
	r := newPlainRouter(t)
	into := newPlainCatalog(false)
	enter := func(id wamp.ID) { into.apply(metaEvent{topic: plain.entered, session: 8, id: id}) }
	if err := plain.complete(t.Context(), r.Client, into); err != nil || r.asked != nil {
		t.Errorf("nothing to ask for: %v, asked for %q", err, r.asked)
	}
	enter(1)
	enter(3)
	enter(5)
	if err := plain.complete(t.Context(), r.Client, into); err != nil || !slices.Equal(offered(into), []string{"com.a"}) || len(r.asked) != 3 {
		t.Errorf("%v, found %q, asked for %q", err, offered(into), r.asked)
	}
	enter(3)
	enter(5)
	if err := plain.complete(t.Context(), r.Client, into); err != nil || len(r.asked) != 3 {
		t.Errorf("%v, asked for %q", err, r.asked[3:])
	}
	r.broken = "get"
	enter(2)
	if err := plain.complete(t.Context(), r.Client, into); err == nil || err.Error() != "com.error.broken" {
		t.Errorf("refused details: %v", err)
	}
}

// More ids than can be followed are not asked for.
func TestCensusOfTooMany(t *testing.T) {
	nowhere := client.New(client.Options{Dial: func(context.Context) (client.Conn, error) { return nil, errors.New("refused") }})
	for n, want := range map[int]error{maxItems: wamp.NetworkFailure, maxItems + 1: errTooMany} {
		if err := plain.askEach(t.Context(), nowhere, make([]wamp.ID, n), newPlainCatalog(false)); !errors.Is(err, want) {
			t.Errorf("%d ids: %v, want %v", n, err, want)
		}
	}
}
