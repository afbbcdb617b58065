package mqtt

import (
	"errors"
	"fmt"
	"strings"

	"runnel/edge/wamp"
	"runnel/uplink"
)

// Rule says what crosses the link: topics both ways, procedures from here only. Names are WAMP's on both sides; the
// remote ones are those that the broker's topics stand for.
type Rule struct {
	uplink.Rule
	Retain bool // all events are retained where they go, not only those that are where they come from
}

// requestDepth is how many components a procedure may have behind the prefix that it is exported by: MQTT has no filter
// for topics that end in "request", however long they are.
const requestDepth = 6

// The last levels of the topics that calls go by, see calls.go.
const (
	requestLevel  = "request"
	responseLevel = "response"
)

var (
	errBoth     = errors.New("both a topic and a procedure")
	errNeither  = errors.New("neither a topic nor a procedure")
	errImported = errors.New("procedures of an MQTT broker can't be imported")
	errPlain    = errors.New("calls need the format json or cbor")
)

// CheckExport says what keeps a rule from being exported in a format.
func (r *Rule) CheckExport(f Format) error {
	if err := r.check(r.LocalPrefix); err != nil {
		return err
	}
	if r.Procedure == "" {
		return nameable(r.ToRemote(r.Topic))
	}
	if !f.structured() {
		return errPlain
	}
	_, err := r.requests()
	return named(r.ToRemote(r.Procedure), err)
}

// CheckImport says what keeps a rule from being imported.
func (r *Rule) CheckImport() error {
	if r.Procedure != "" {
		return errImported
	}
	if err := r.check(r.RemotePrefix); err != nil {
		return err
	}
	if !wamp.ValidURI(r.ToLocal(r.Topic), r.Match, false) {
		return fmt.Errorf("it would become %q, which is not a valid URI", r.ToLocal(r.Topic))
	}
	_, err := filterOf(r.Topic, r.Match)
	return named(r.Topic, err)
}

func (r *Rule) check(prefix string) error {
	switch {
	case r.Topic != "" && r.Procedure != "":
		return errBoth
	case r.Topic == "" && r.Procedure == "" && r.Match == wamp.Exact:
		return errNeither
	case !wamp.ValidURI(r.URI(), r.Match, false):
		return fmt.Errorf("%q is not a valid URI", r.URI())
	case !wamp.ValidURI(r.LocalPrefix, wamp.Prefix, false) || !wamp.ValidURI(r.RemotePrefix, wamp.Prefix, false):
		return errors.New("a prefix to exchange is not a valid one")
	case !strings.HasPrefix(r.URI(), prefix):
		return fmt.Errorf("%q does not begin with the prefix to exchange, %q", r.URI(), prefix)
	}
	return nil
}

// nameable says whether the topics that a pattern of URIs is for can be named in MQTT, as far as the pattern shows it.
func nameable(pattern string) error {
	err := checkText(pattern, "/+#")
	if err == nil && strings.HasPrefix(pattern, "$") {
		err = errDollar
	}
	return named(pattern, err)
}

// named puts the URI in front of what is wrong with it.
func named(uri string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%q is no MQTT topic: %w", uri, err)
}

// requests returns the filters of the requests for the procedures that the rule exports.
func (r *Rule) requests() (filters []string, err error) {
	filter, err := filterOf(r.ToRemote(r.Procedure), r.Match)
	if err != nil {
		return nil, err
	}
	if r.Match != wamp.Prefix {
		return []string{filter + "/" + requestLevel}, nil
	}
	filter = strings.TrimSuffix(filter, "#")
	for range requestDepth {
		filter += "+/"
		filters = append(filters, filter+requestLevel)
	}
	return filters, nil
}
