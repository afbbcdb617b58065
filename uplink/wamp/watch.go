package wamp

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// watch follows what there is of subscriptions, or of registrations, at the router of one side, by its meta API
// (advanced/meta_api_subscription.md, advanced/meta_api_registration.md): it listens to what comes and goes, then lists
// what is there, and goes over what it has heard meanwhile. Until that is done, and where the router does not let it, it
// does not know, and the link takes everything to be wanted.
type watch struct {
	// Static after construction.
	side     *side
	census   *census
	patterns []wamp.Pattern // only what overlaps one of these counts
	members  bool           // the link may have seats of its own among it, which do not count
	found    func(knowledge, []offer)

	wake    chan struct{} // room for one
	tells   atomic.Bool   // known is known
	refused atomic.Bool   // one of the meta topics was refused after a reconnect

	mu sync.Mutex
	// Guarded by mu.
	news []news // in order
	lost bool   // there was too much

	// Owned by run.
	listening []*client.Subscription
	session   wamp.ID // of the side, that known is about
	known     knowledge
	items     map[wamp.ID]*item
	full      bool             // there were more
	whole     bool             // the router has told all in one answer; it is a Runnel, and tells of everything
	strange   []wamp.ID        // somebody has entered what was not told of
	ignored   map[wamp.ID]bool // was asked for, and does not count
}

// knowledge is what a watch can say.
type knowledge uint8

const (
	unknown knowledge = iota // not yet
	denied                   // the router does not tell
	known
)

// offer is what others have subscribed or registered.
type offer struct {
	wamp.Pattern
	invoke wamp.Invoke
}

// item is a subscription or a registration at the router.
type item struct {
	offer
	always  bool             // it counts whoever is there
	members map[wamp.ID]bool // nil: they are not followed
}

// news is what a meta event says.
type news struct {
	what        string
	session, id wamp.ID
	details     map[string]any
}

const (
	maxNews  = 10_000
	maxItems = 20_000
	askers   = 16 // questions to the router under way at the same time
)

// run follows until ctx is done. It starts over with each session, when stir says so.
func (w *watch) run(ctx context.Context) {
	for {
		w.step(ctx)
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
}

// stir makes run look again.
func (w *watch) stir() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watch) step(ctx context.Context) {
	welcome, up := w.side.client.Welcome()
	switch {
	case !up:
		w.session, w.known = 0, unknown
	case w.session != welcome.Session || w.overrun():
		w.session, w.known = welcome.Session, w.begin(ctx, welcome)
		if w.known == unknown {
			w.session = 0 // that session is over
		}
	}
	w.digest(ctx)
	w.tells.Store(w.known == known)
	w.found(w.known, w.others())
}

// digest goes over what was heard. What can't be followed any more, for whatever reason, is no longer known.
func (w *watch) digest(ctx context.Context) {
	for _, n := range w.heard() {
		if w.known == known {
			w.learn(n)
		}
	}
	err := w.askStrange(ctx)
	if w.full {
		err = errTooMany
	}
	if w.known == known && (w.refused.Load() || err != nil) {
		w.side.log.Debug("interest is no longer followed", "api", w.census.prefix, "err", err)
		w.known = denied
	}
}

// begin listens, then asks what there is.
func (w *watch) begin(ctx context.Context, welcome client.Welcome) knowledge {
	if !welcome.Feature(w.census.role, w.census.feature) {
		return denied
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	err := w.listen(ctx)
	if err == nil && !w.refused.Load() {
		w.heard() // what was said before the question is in the answer
		err = w.list(ctx)
	}
	switch {
	case isDown(err):
		return unknown
	case err != nil || w.refused.Load():
		w.side.log.Debug("interest is not followed", "api", w.census.prefix, "err", err)
		return denied
	}
	return known
}

// listen subscribes to the meta events, once: the client makes them again in every session.
func (w *watch) listen(ctx context.Context) error {
	if w.listening != nil {
		return nil
	}
	topics := []string{w.census.created, w.census.deleted}
	if w.members {
		topics = append(topics, w.census.entered, w.census.left)
	}
	for _, topic := range topics {
		s, err := w.side.client.Subscribe(ctx, w.census.prefix+topic, client.SubscribeOptions{Refused: w.told},
			func(e *client.Event) { w.hear(topic, e) })
		if err != nil {
			w.deafen(ctx)
			return err
		}
		w.listening = append(w.listening, s)
	}
	return nil
}

// told hears that a meta topic which was to be had is refused now, or is to be had again.
func (w *watch) told(err error) {
	w.refused.Store(err != nil)
	w.mu.Lock()
	w.lost = err == nil
	w.mu.Unlock()
	w.stir()
}

func (w *watch) deafen(ctx context.Context) {
	for _, s := range w.listening {
		s.Unsubscribe(ctx)
	}
	w.listening = nil
}

// hear takes a meta event.
func (w *watch) hear(what string, e *client.Event) {
	args := e.Args()
	if len(args) < 2 {
		return
	}
	n := news{what: what, session: idOf(args[0]), id: idOf(args[1])}
	if n.details, _ = args[1].(map[string]any); n.details != nil {
		n.id = idOf(n.details["id"])
	}
	w.mu.Lock()
	if len(w.news) < maxNews {
		w.news = append(w.news, n)
	} else {
		w.lost = true
	}
	w.mu.Unlock()
	w.stir()
}

// heard returns what was heard since the last time.
func (w *watch) heard() []news {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.news
	w.news = nil
	return list
}

// overrun reports, once, whether news were lost.
func (w *watch) overrun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	lost := w.lost
	w.lost = false
	return lost
}

// learn is news applied to what is known. Each says how it is now, not how it has changed, so one that the list knew
// already does no harm.
func (w *watch) learn(n news) {
	it := w.items[n.id]
	switch {
	case n.what == w.census.created:
		w.add(n.details)
		if it = w.items[n.id]; it == nil {
			return // it does not count
		}
		fallthrough
	case n.what == w.census.entered:
		switch {
		case it != nil && it.members != nil:
			it.members[n.session] = true
		case it == nil && !w.whole && !w.ignored[n.id]:
			w.strange = append(w.strange, n.id)
		}
	case n.what == w.census.deleted:
		delete(w.items, n.id)
	case it != nil && it.members != nil:
		delete(it.members, n.session)
	}
}

// askStrange asks for what others have entered before it was told of: some routers don't tell a session of what it has
// created itself.
func (w *watch) askStrange(ctx context.Context) error {
	ids := w.strange
	w.strange = nil
	if len(ids) == 0 || w.known != known {
		return nil
	}
	if err := w.askEach(ctx, ids); err != nil {
		return err
	}
	for _, id := range ids {
		if w.items[id] == nil && len(w.ignored) < maxItems {
			w.ignored[id] = true
		}
	}
	return nil
}

// add notes what details describe, if it overlaps what the rules are about.
func (w *watch) add(details map[string]any) {
	uri, _ := details["uri"].(string)
	policy, _ := details["match"].(string)
	invoke, _ := details["invoke"].(string)
	match, ok := wamp.ParseMatch(policy)
	id := idOf(details["id"])
	o := offer{Pattern: wamp.Pattern{URI: uri, Match: match}}
	o.invoke, _ = wamp.ParseInvoke(invoke)
	if !ok || id == 0 || !w.counts(o.Pattern) || w.items[id] != nil {
		return
	}
	if len(w.items) >= maxItems {
		w.full = true
		return
	}
	it := &item{offer: o}
	it.always, _ = details["history"].(bool)
	if w.members {
		it.members = make(map[wamp.ID]bool)
		list, _ := details["members"].([]any)
		for _, m := range list {
			it.members[idOf(m)] = true
		}
	}
	w.items[id] = it
}

func (w *watch) counts(p wamp.Pattern) bool {
	return slices.ContainsFunc(w.patterns, p.Overlaps)
}

// others returns what others than the link have.
func (w *watch) others() (list []offer) {
	for _, it := range w.items {
		if w.known == known && it.wanted(w.session) {
			list = append(list, it.offer)
		}
	}
	return list
}

func (i *item) wanted(own wamp.ID) bool {
	n := len(i.members)
	if i.members[own] {
		n--
	}
	return i.always || i.members == nil || n > 0
}
