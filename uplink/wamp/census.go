package wamp

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// census names one half of the meta API.
type census struct {
	prefix, role, feature           string
	created, deleted, entered, left string
	members                         string
}

var (
	subscriptions = &census{"wamp.subscription.", "broker", "subscription_meta_api",
		"on_create", "on_delete", "on_subscribe", "on_unsubscribe", "list_subscribers"}
	registrations = &census{"wamp.registration.", "dealer", "registration_meta_api",
		"on_create", "on_delete", "on_register", "on_unregister", "list_callees"}
)

// list asks what there is. A Runnel tells all that overlaps in one answer; another router lists ids, and is asked for
// each.
func (w *watch) list(ctx context.Context) error {
	w.items, w.ignored, w.strange, w.full = make(map[wamp.ID]*item), make(map[wamp.ID]bool), nil, false
	var overlaps []any
	for _, p := range w.patterns {
		overlaps = append(overlaps, []any{p.URI, p.Match.String()})
	}
	r, err := w.side.client.Call(ctx, w.census.prefix+"list", client.CallOptions{},
		client.Kwargs(map[string]any{wamp.KeyOverlaps: overlaps, wamp.KeyMembers: w.members}))
	if err != nil {
		return err
	}
	args := r.Args()
	if w.whole = len(args) > 1; w.whole {
		list, _ := args[1].([]any)
		for _, v := range list {
			details, _ := v.(map[string]any)
			w.add(details)
		}
		return nil
	}
	return w.askEach(ctx, listed(args))
}

// listed returns the ids of all match policies.
func listed(args []any) (ids []wamp.ID) {
	if len(args) == 0 {
		return nil
	}
	lists, _ := args[0].(map[string]any)
	for _, v := range lists {
		list, _ := v.([]any)
		for _, id := range list {
			ids = append(ids, idOf(id))
		}
	}
	return ids
}

var errTooMany = errors.New("there is more than can be followed")

// askEach asks for the details of each id, and who has a seat if that matters.
func (w *watch) askEach(ctx context.Context, ids []wamp.ID) error {
	if len(ids) > maxItems {
		return errTooMany
	}
	answers := make([]map[string]any, len(ids))
	errs := make([]error, askers)
	var next atomic.Int64
	var work sync.WaitGroup
	for n := range askers {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(ids) && errs[n] == nil; i = int(next.Add(1)) - 1 {
				answers[i], errs[n] = w.ask(ctx, ids[i])
			}
		})
	}
	work.Wait()
	for _, details := range answers {
		w.add(details)
	}
	return errors.Join(errs...)
}

func (w *watch) ask(ctx context.Context, id wamp.ID) (map[string]any, error) {
	details, err := w.question(ctx, "get", id)
	found, _ := details.(map[string]any)
	if gone(err) || found == nil {
		return nil, harmless(err)
	}
	uri, _ := found["uri"].(string)
	policy, _ := found["match"].(string)
	match, ok := wamp.ParseMatch(policy)
	if !ok || !w.members || !w.counts(wamp.Pattern{URI: uri, Match: match}) {
		return found, nil
	}
	members, err := w.question(ctx, w.census.members, id)
	found["members"] = members
	return found, harmless(err)
}

func (w *watch) question(ctx context.Context, procedure string, id wamp.ID) (any, error) {
	r, err := w.side.client.Call(ctx, w.census.prefix+procedure, client.CallOptions{}, client.Args(id))
	if err != nil {
		return nil, err
	}
	if args := r.Args(); len(args) > 0 {
		return args[0], nil
	}
	return nil, nil
}

// gone reports whether what was asked for has ended since it was listed.
func gone(err error) bool {
	return errors.Is(err, wamp.NoSuchSubscription) || errors.Is(err, wamp.NoSuchRegistration)
}

func harmless(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

// idOf returns an id as it comes in a payload; 0 is none.
func idOf(v any) wamp.ID {
	switch id := v.(type) {
	case int64:
		return wamp.ID(max(id, 0))
	case uint64:
		return id
	}
	return 0
}
