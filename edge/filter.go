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

	listed, octetsOfNames int // in all lists
}

// Bounds of the lists of one publication: what is decoded must not need much more memory than what has come.
const (
	maxListed      = 10_000   // ids and names
	maxListedNames = 64 << 10 // octets of names
)

// readFilter reads the lists of PUBLISH.Options, if there are some. They are read after the publisher's permission is checked.
func readFilter(d codec.Dict, filtered bool) (f *filter, err error) {
	if !filtered {
		return nil, nil
	}
	f = new(filter)
	for fields := d.Fields(); nextOption(&fields) && err == nil; {
		err = f.read(string(fields.Key()), fields.Value())
	}
	return f, err
}

func isList(key []byte) bool {
	switch string(key) {
	case "exclude", "exclude_authid", "exclude_authrole", "eligible", "eligible_authid", "eligible_authrole":
		return true
	}
	return false
}

func (f *filter) read(key string, v codec.Value) (err error) {
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

// octets is what a filter that is kept costs in memory; roughly.
func (f *filter) octets() int {
	if f == nil {
		return 0
	}
	const idOctets, nameOctets = 8, 32 // a string's head, and the least that is allocated for its text
	return filterOverhead + f.listed*nameOctets + f.octetsOfNames + (len(f.exclude)+len(f.eligible))*idOctets
}

const filterOverhead = 256

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

func (f *filter) ids(key string, v codec.Value) ([]wamp.ID, error) {
	ids := []wamp.ID{}
	list, ok := v.Items()
	for ok && list.Next() {
		var id uint64
		id, ok = list.Value().ListedID()
		if ids = append(ids, id); !f.count(1, 0) {
			return nil, tooManyListed()
		}
	}
	if !ok {
		return nil, refusal{wamp.InvalidArgument, fmt.Sprintf("option %q must be a list of session ids", key)}
	}
	return slices.Clip(ids), nil
}

func (f *filter) names(key string, v codec.Value) ([]string, error) {
	names := []string{}
	list, ok := v.Items()
	for ok && list.Next() {
		name := ""
		if name, ok = textOf(list.Value()); !f.count(1, len(name)) {
			return nil, tooManyListed()
		}
		names = append(names, name)
	}
	if !ok {
		return nil, refusal{wamp.InvalidArgument, fmt.Sprintf("option %q must be a list of strings", key)}
	}
	return names, nil
}

// count adds to what is listed, and reports whether it may be as much.
func (f *filter) count(listed, octets int) bool {
	f.listed += listed
	f.octetsOfNames += octets
	return f.listed <= maxListed && f.octetsOfNames <= maxListedNames
}

func tooManyListed() error {
	return refusal{wamp.InvalidArgument, fmt.Sprintf(
		"the black and white lists of a publication may have %d items, and %d octets of names", maxListed, maxListedNames)}
}
