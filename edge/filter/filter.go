// Package filter reads and applies the black and white lists of a publication
// (advanced/pubsub_subscriber_blackwhite_listing.md).
package filter

import (
	"fmt"
	"slices"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Filter holds the lists of one publication. A receiver must pass all lists that are present; a list that is present but
// empty takes effect. A nil Filter has no lists and admits every session.
type Filter struct {
	exclude, eligible                                                []wamp.ID
	excludeAuthid, excludeAuthrole, eligibleAuthid, eligibleAuthrole []string
	hasEligible, hasEligibleAuthid, hasEligibleAuthrole              bool

	listed, nameBytes int // in all lists
}

// Bounds of the lists of one publication. Decoded lists must not need much more memory than the message they came in.
const (
	maxListed    = 10_000   // ids and names
	maxNameBytes = 64 << 10 // bytes of names
)

// Read reads the lists of PUBLISH.Options. Call it after the publisher's permission was checked: lists are decoded.
func Read(options codec.Dict) (f *Filter, err error) {
	f = new(Filter)
	for fields := options.Fields(); fields.Next() && err == nil; {
		if v := fields.Value(); !v.IsNull() {
			err = f.read(string(fields.Key()), v)
		}
	}
	return f, err
}

// IsList reports whether an option of PUBLISH is one of the lists.
func IsList(key []byte) bool {
	switch string(key) {
	case "exclude", "exclude_authid", "exclude_authrole", "eligible", "eligible_authid", "eligible_authrole":
		return true
	}
	return false
}

func (f *Filter) read(key string, v codec.Value) (err error) {
	switch key {
	case "exclude":
		f.exclude, err = f.ids(key, v)
	case "exclude_authid":
		f.excludeAuthid, err = f.names(key, v)
	case "exclude_authrole":
		f.excludeAuthrole, err = f.names(key, v)
	case "eligible":
		f.hasEligible = true
		f.eligible, err = f.ids(key, v)
	case "eligible_authid":
		f.hasEligibleAuthid = true
		f.eligibleAuthid, err = f.names(key, v)
	case "eligible_authrole":
		f.hasEligibleAuthrole = true
		f.eligibleAuthrole, err = f.names(key, v)
	}
	return err
}

// Bytes estimates the memory of a filter that is kept.
func (f *Filter) Bytes() int {
	if f == nil {
		return 0
	}
	const idBytes, nameBytes = 8, 32 // a string's header, and the smallest allocation for its text
	return overhead + f.listed*nameBytes + f.nameBytes + (len(f.exclude)+len(f.eligible))*idBytes
}

const overhead = 256

// Admits reports whether the lists admit a session with this id, authid and role.
func (f *Filter) Admits(id wamp.ID, authid, role string) bool {
	return f == nil || !slices.Contains(f.exclude, id) &&
		!slices.Contains(f.excludeAuthid, authid) &&
		!slices.Contains(f.excludeAuthrole, role) &&
		(!f.hasEligible || slices.Contains(f.eligible, id)) &&
		(!f.hasEligibleAuthid || slices.Contains(f.eligibleAuthid, authid)) &&
		(!f.hasEligibleAuthrole || slices.Contains(f.eligibleAuthrole, role))
}

// BySession reports whether there is a list of session ids, even an empty one. The ids say nothing about later sessions.
func (f *Filter) BySession() bool { return f != nil && (f.exclude != nil || f.hasEligible) }

func (f *Filter) ids(key string, v codec.Value) ([]wamp.ID, error) {
	ids := []wamp.ID{}
	list, ok := v.Items()
	for ok && list.Next() {
		var id uint64
		id, ok = list.Value().ListedID()
		if ids = append(ids, id); !f.count(1, 0) {
			return nil, errTooLong
		}
	}
	if !ok {
		return nil, fmt.Errorf("option %q must be a list of session ids", key)
	}
	return slices.Clip(ids), nil
}

func (f *Filter) names(key string, v codec.Value) ([]string, error) {
	names := []string{}
	list, ok := v.Items()
	for ok && list.Next() {
		var name []byte
		if name, ok = list.Value().Text(); !f.count(1, len(name)) {
			return nil, errTooLong
		}
		names = append(names, string(name))
	}
	if !ok {
		return nil, fmt.Errorf("option %q must be a list of strings", key)
	}
	return names, nil
}

// count adds to the totals, and reports whether they are within bounds.
func (f *Filter) count(listed, nameBytes int) bool {
	f.listed += listed
	f.nameBytes += nameBytes
	return f.listed <= maxListed && f.nameBytes <= maxNameBytes
}

var errTooLong = fmt.Errorf("the black and white lists of a publication may have %d items, and %d bytes of names", maxListed, maxNameBytes)
