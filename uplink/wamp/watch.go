package wamp

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// watch follows the subscriptions, or the registrations, at the router of one side by its meta API
// (advanced/meta_api_subscription.md, advanced/meta_api_registration.md). It subscribes to the meta events, lists the
// current entries, and then applies the events that have arrived in the meantime. Its knowledge is a state machine:
//
//	unknown  no session, or none has been listed yet
//	known    the catalog is what the router has
//	denied   the router does not report, or there are too many to follow
//
//	from            to               when
//	unknown         known, denied    the side was joined: the listing has succeeded, or failed
//	known, denied   known, denied    another session, events were lost, or a refused meta topic is accepted: listed again
//	known           denied           a meta topic is refused, or there are too many to follow
//	any             unknown          the session has ended
type watch struct {
	// Static after construction.
	side     *side
	census   *census
	found    func(knowledge, []offer) // called by run
	inbox    inbox                    // has its own lock
	isKnown  atomic.Bool              // the knowledge is known
	patterns []wamp.Pattern           // the patterns of the rules
	members  bool                     // the link itself may be among the subscribers or callees

	// Owned by run.
	listening []*client.Subscription
	session   wamp.ID // the session that the knowledge is about; 0: none
	knowledge knowledge
	catalog   *catalog
}

// knowledge is the state of a watch's information about its router.
type knowledge uint8

const (
	unknown knowledge = iota
	denied
	known
)

// listTime bounds one listing.
const listTime = 2 * time.Minute

var errTooMany = errors.New("there are too many to follow")

// run follows the side's sessions until ctx is done.
func (w *watch) run(ctx context.Context) {
	for {
		w.step(ctx)
		select {
		case <-w.inbox.wake:
		case <-ctx.Done():
			return
		}
	}
}

// check makes run look at the session again. Any goroutine may call it.
func (w *watch) check() { w.inbox.notify() }

// step advances the state machine and reports its findings.
func (w *watch) step(ctx context.Context) {
	welcome, up := w.side.client.Welcome()
	switch {
	case !up:
		w.session, w.knowledge = 0, unknown
	case w.session != welcome.Session || w.inbox.takeLost():
		w.session, w.knowledge = welcome.Session, w.list(ctx, welcome)
		if w.knowledge == unknown {
			w.session = 0 // that session has ended
		}
	}
	w.update(ctx)
	w.isKnown.Store(w.knowledge == known)
	w.found(w.knowledge, w.others())
}

// others returns the subscriptions or registrations of sessions other than the link's.
func (w *watch) others() []offer {
	if w.knowledge != known {
		return nil
	}
	return w.catalog.offers(w.session)
}

// list subscribes to the meta events and lists the current entries. It returns the new knowledge.
func (w *watch) list(ctx context.Context, welcome client.Welcome) knowledge {
	if !welcome.Feature(w.census.role, w.census.feature) {
		return denied
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	w.catalog = newCatalog(w.census, w.patterns, w.members)
	err := w.listen(ctx)
	if err == nil && !w.inbox.isRefused() {
		w.inbox.take() // the list includes these events
		err = w.census.list(ctx, w.side.client, w.catalog)
	}
	switch {
	case isDown(err):
		return unknown
	case err != nil || w.inbox.isRefused():
		w.side.log.Debug("cannot follow interest", "api", w.census.prefix, "err", err)
		return denied
	}
	return known
}

// update applies the meta events that have arrived.
func (w *watch) update(ctx context.Context) {
	events := w.inbox.take()
	if w.knowledge != known {
		return
	}
	for _, e := range events {
		w.catalog.apply(e)
	}
	err := w.census.complete(ctx, w.side.client, w.catalog)
	if w.catalog.full {
		err = errTooMany
	}
	if err != nil || w.inbox.isRefused() {
		w.side.log.Debug("interest is no longer followed", "api", w.census.prefix, "err", err)
		w.knowledge = denied
	}
}

// listen subscribes to the meta events, once: the client subscribes again in every session.
func (w *watch) listen(ctx context.Context) error {
	if w.listening != nil {
		return nil
	}
	topics := []string{w.census.created, w.census.deleted}
	if w.members {
		topics = append(topics, w.census.entered, w.census.left)
	}
	for _, topic := range topics {
		s, err := w.side.client.Subscribe(ctx, w.census.prefix+topic, client.SubscribeOptions{Refused: w.inbox.setRefused},
			func(e *client.Event) { w.inbox.receive(topic, e) })
		if err != nil {
			w.unlisten(ctx)
			return err
		}
		w.listening = append(w.listening, s)
	}
	return nil
}

func (w *watch) unlisten(ctx context.Context) {
	for _, s := range w.listening {
		s.Unsubscribe(ctx)
	}
	w.listening = nil
}
