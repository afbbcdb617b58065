package edge

import (
	"fmt"
	"slices"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// filter holds PUBLISH's black and white lists (advanced/pubsub_subscriber_blackwhite_listing.md). A receiver must pass
// all that are present; a list that is present but empty counts.
type filter struct {
	exclude, eligible                                                []wamp.ID
	excludeAuthid, excludeAuthrole, eligibleAuthid, eligibleAuthrole []string
	hasEligible, hasEligibleAuthid, hasEligibleAuthrole              bool
}

func (f *filter) read(key string, v codec.Value) (err error) {
	switch key {
	case "exclude":
		f.exclude, err = idList(key, v)
	case "exclude_authid":
		f.excludeAuthid, err = textList(key, v)
	case "exclude_authrole":
		f.excludeAuthrole, err = textList(key, v)
	case "eligible":
		f.hasEligible = true
		f.eligible, err = idList(key, v)
	case "eligible_authid":
		f.hasEligibleAuthid = true
		f.eligibleAuthid, err = textList(key, v)
	case "eligible_authrole":
		f.hasEligibleAuthrole = true
		f.eligibleAuthrole, err = textList(key, v)
	}
	return err
}

// admits reports whether the lists let s have the event.
func (f *filter) admits(s *session) bool {
	role := s.role().Name()
	return !slices.Contains(f.exclude, s.id) &&
		!slices.Contains(f.excludeAuthid, s.authid) &&
		!slices.Contains(f.excludeAuthrole, role) &&
		(!f.hasEligible || slices.Contains(f.eligible, s.id)) &&
		(!f.hasEligibleAuthid || slices.Contains(f.eligibleAuthid, s.authid)) &&
		(!f.hasEligibleAuthrole || slices.Contains(f.eligibleAuthrole, role))
}

func idList(key string, v codec.Value) ([]wamp.ID, error) {
	items, err := list(key, v)
	ids := make([]wamp.ID, 0, len(items))
	for _, item := range items {
		id, ok := listedID(item)
		if !ok {
			return nil, refusal{wamp.InvalidArgument, fmt.Sprintf("option %q must list session ids", key)}
		}
		ids = append(ids, id)
	}
	return ids, err
}

// listedID takes an id of a list. A session's id may come back as a float: JavaScript's cbor-x and msgpackr, and with
// them wampy, write integers beyond 32 bits so.
func listedID(item any) (wamp.ID, bool) {
	switch v := item.(type) {
	case int64:
		return wamp.ID(v), wamp.ValidID(uint64(v))
	case float64:
		id := wamp.ID(max(0, min(v, float64(wamp.MaxID))))
		return id, float64(id) == v && wamp.ValidID(id)
	}
	return 0, false
}

func textList(key string, v codec.Value) ([]string, error) {
	items, err := list(key, v)
	texts := make([]string, 0, len(items))
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, refusal{wamp.InvalidArgument, fmt.Sprintf("option %q must list texts", key)}
		}
		texts = append(texts, text)
	}
	return texts, err
}

func list(key string, v codec.Value) ([]any, error) {
	value, err := v.Any()
	if items, ok := value.([]any); ok && err == nil {
		return items, nil
	}
	return nil, refusal{wamp.InvalidArgument, fmt.Sprintf("option %q must be a list", key)}
}
