package edge

import (
	"runnel/edge/codec"
	"runnel/edge/store"
)

// Event retention (advanced/pubsub_event_retention.md): PUBLISH.Options.retain keeps an event for late subscribers, who
// ask for it with SUBSCRIBE.Options.get_retained. A subscription by pattern is given one event for each matching topic.
// Package store describes what is kept.

// deliverRetained delivers the retained events of a new subscription to its session. Like a publisher, it waits for a slow
// peer, with no lock held. So each topic's event is looked up when it is due: otherwise an old event might follow a new one.
func (t *turn) deliverRetained(r *realm, place *seat, sub *subscription) {
	s := place.session
	may := func(e *store.Event) bool { return mayReceive(e, place) }
	var f frame
	for _, topic := range r.retained.Matching(place.match, place.uri) {
		e := r.retained.Latest(topic, may)
		if e == nil {
			continue
		}
		event := eventMessage(e, sub)
		event.Dict = t.eventDetails(s.serializer, sub, e, true)
		var err error
		if f.bytes, err = codec.Append(f.bytes[:0], s.serializer, &event); err == nil {
			t.append(place, f.bytes, true)
			t.applyBackpressure(s)
		}
	}
}
