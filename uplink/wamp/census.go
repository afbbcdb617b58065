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

// maxQuestions bounds the requests to the router that are in progress at the same time.
const maxQuestions = 16

// list fills a catalog. A Runnel returns everything that overlaps the patterns in one answer. Another router lists ids, and
// is asked for the details of each.
func (c *census) list(ctx context.Context, router *client.Client, into *catalog) error {
	var overlaps []any
	for _, p := range into.patterns {
		overlaps = append(overlaps, []any{p.URI, p.Match.String()})
	}
	r, err := router.Call(ctx, c.prefix+"list", client.CallOptions{},
		client.Kwargs(map[string]any{wamp.KeyOverlaps: overlaps, wamp.KeyMembers: into.members}))
	if err != nil {
		return err
	}
	args := r.Args()
	if into.complete = len(args) > 1; into.complete {
		list, _ := args[1].([]any)
		for _, v := range list {
			details, _ := v.(map[string]any)
			into.add(details)
		}
		return nil
	}
	return c.askEach(ctx, router, listed(args), into)
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

// complete asks for the items that others have entered and the router has not reported.
func (c *census) complete(ctx context.Context, router *client.Client, into *catalog) error {
	ids := into.unlisted
	into.unlisted = nil
	if len(ids) == 0 {
		return nil
	}
	if err := c.askEach(ctx, router, ids, into); err != nil {
		return err
	}
	into.ignore(ids)
	return nil
}

// askEach asks for the details of each id, and for its members if they are followed.
func (c *census) askEach(ctx context.Context, router *client.Client, ids []wamp.ID, into *catalog) error {
	if len(ids) > maxItems {
		return errTooMany
	}
	answers := make([]map[string]any, len(ids))
	errs := make([]error, maxQuestions)
	var next atomic.Int64
	var work sync.WaitGroup
	for n := range maxQuestions {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(ids) && errs[n] == nil; i = int(next.Add(1)) - 1 {
				answers[i], errs[n] = c.ask(ctx, router, ids[i], into)
			}
		})
	}
	work.Wait()
	for _, details := range answers {
		into.add(details)
	}
	return errors.Join(errs...)
}

// ask returns the details of an id; nil if it has ended since it was listed. It only reads from the catalog.
func (c *census) ask(ctx context.Context, router *client.Client, id wamp.ID, in *catalog) (map[string]any, error) {
	details, err := c.question(ctx, router, "get", id)
	found, _ := details.(map[string]any)
	if isGone(err) || found == nil {
		return nil, unlessGone(err)
	}
	if p, ok := patternOf(found); !ok || !in.members || !in.overlaps(p) {
		return found, nil
	}
	members, err := c.question(ctx, router, c.members, id)
	found["members"] = members
	return found, unlessGone(err)
}

func (c *census) question(ctx context.Context, router *client.Client, procedure string, id wamp.ID) (any, error) {
	r, err := router.Call(ctx, c.prefix+procedure, client.CallOptions{}, client.Args(id))
	if err != nil {
		return nil, err
	}
	if args := r.Args(); len(args) > 0 {
		return args[0], nil
	}
	return nil, nil
}

// isGone reports whether the error means that an item has ended since it was listed.
func isGone(err error) bool {
	return errors.Is(err, wamp.NoSuchSubscription) || errors.Is(err, wamp.NoSuchRegistration)
}

func unlessGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}
