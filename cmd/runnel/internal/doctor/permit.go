package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
)

// need is a permission that a rule of a link needs at the centre.
type need struct {
	action, uri string
	match       config.Match
}

// trial is the test of a link's permissions at a URL.
type trial struct {
	e       *examination
	object  string
	uplink  config.Uplink
	role    string // of the link at the centre
	needed  []need // by all rules
	missing []need
}

// record records the outcome of a test.
func (t *trial) record(action, uri string, match config.Match, err error) {
	n := need{action, uri, match}
	t.needed = append(t.needed, n)
	switch {
	case err == nil, errors.Is(err, wamp.ProcedureAlreadyExists), errors.Is(err, wamp.OptionNotAllowed):
	case errors.Is(err, wamp.NotAuthorized), errors.Is(err, wamp.AuthorizationFailed):
		t.missing = append(t.missing, n)
	default:
		t.e.add(Finding{"uplink", Warning, t.object, fmt.Sprintf("%s %s: %v", action, uri, err), "read the log of the centre"})
	}
}

// permit returns the remedy for missing permissions: a file of the centre's conf.d. A permission in it is the most
// specific one for its URI, so it must also allow the actions of the link's other rules.
func (t *trial) permit(suffix string, missing []need) string {
	var b strings.Builder
	name := strings.NewReplacer("/", "_", " ", "_").Replace(t.e.config.NodeID() + "-" + t.uplink.Name + suffix)
	fmt.Fprintf(&b, "# /etc/runnel/conf.d/permit-%s.toml at the centre. Then there: sudo sh -c 'runnel check && runnel reload'\n", name)
	fmt.Fprintf(&b, "# If the check reports another permission for the same URI, add the actions to its allow instead.\n")
	fmt.Fprintf(&b, "[[realm]]\nname = %s\n\n  [[realm.role]]\n  name = %s\n", quoted(t.uplink.RemoteRealm), quoted(t.role))
	var done []need
	for _, n := range missing {
		at := need{uri: n.uri, match: n.match}
		if slices.Contains(done, at) {
			continue
		}
		done = append(done, at)
		fmt.Fprintf(&b, "\n    [[realm.role.permission]]\n    uri = %s\n", quoted(n.uri))
		if match := wamp.Match(n.match); match != wamp.Exact {
			fmt.Fprintf(&b, "    match = %s\n", quoted(match.String()))
		}
		allow, _ := json.Marshal(t.actions(at)) // cannot fail for strings
		fmt.Fprintf(&b, "    allow = %s\n", strings.ReplaceAll(string(allow), ",", ", "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// actions lists the actions that the link needs for the URIs of a permission.
func (t *trial) actions(at need) (list []string) {
	for _, n := range t.needed {
		covered := n.uri == at.uri && n.match == at.match || wamp.Match(at.match) == wamp.Prefix && strings.HasPrefix(n.uri, at.uri)
		if covered && !slices.Contains(list, n.action) {
			list = append(list, n.action)
		}
	}
	return list
}

// listed joins permissions, like "publish a., subscribe b.".
func listed(needs []need) string {
	var list []string
	for _, n := range needs {
		list = append(list, n.action+" "+n.uri)
	}
	return strings.Join(list, ", ")
}

// quoted returns text as a TOML string. Every JSON string is a valid TOML string.
func quoted(text string) string {
	b, _ := json.Marshal(text) // cannot fail for a string
	return string(b)
}
