package explain

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// source is a configuration with peers of every kind.
const source = `version = 1
[[realm]]
name = "plant"
anonymous = "guest"
[[realm.role]]
name = "guest"
[[realm.role.permission]]
uri = "com.open."
match = "prefix"
allow = ["subscribe", "publish"]
[[realm.role.permission]]
uri = "com.open.closed"
allow = []
[[realm.role]]
name = "maker"
[[realm.role.permission]]
uri = ""
match = "prefix"
allow = ["publish", "register", "call"]
[[realm.role.permission]]
uri = "com.made.not"
allow = ["call"]
[[realm.role]]
name = "asked"
authorizer = "com.authorize"
[[realm.principal]]
authid = "pump"
role = "maker"
ticket = "t"
[[realm.principal]]
authid = "other"
role = "asked"
ticket = "t"
[[listen]]
url = "tcp://127.0.0.1:1"
anonymous = "maker"
[[listen]]
url = "tcp://127.0.0.1:2"
realm = "plant"
role = "guest"
authid = "panel"
[[serial]]
name = "bus"
realm = "plant"
device = "/dev/none"
mode = "lines"
format = "json"
topic = "com.open.a"
role = "guest"
[[webhook]]
name = "erp"
realm = "plant"
topic = "com.open.a"
url = "http://h/x"
role = "guest"
authid = "hook"
`

// asked answers a question about a configuration. It returns the first word of the answer, the answer and the error.
func asked(t *testing.T, c *config.Config, realm string, match wamp.Match, question string) (verdict, text string, err error) {
	t.Helper()
	var out strings.Builder
	err = Permission(c, realm, config.Match(match), strings.Split(question, "|"), &out)
	verdict, _, _ = strings.Cut(out.String(), ":")
	return verdict, out.String(), err
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("f", text)
	kit.Must(t, err)
	return c
}

// The answer names the role, the setting that gives it, and the permission that decides.
func TestPermission(t *testing.T) {
	c := parse(t, source)
	for _, q := range []struct {
		question string
		match    wamp.Match
		verdict  string
		says     string
	}{
		{"anonymous|subscribe|com.open.a", wamp.Exact, "allowed", `anonymous sessions have the role "guest" (f:4)`},
		{"anonymous|subscribe|com.open.a", wamp.Exact, "allowed", `the permission for prefix "com.open." decides: it allows`},
		{"anonymous|subscribe|com.open.a", wamp.Exact, "allowed", `(f:7)`},
		{"anonymous|call|com.open.a", wamp.Exact, "denied", "decides: it allows"},
		{"anonymous|subscribe|com.open.closed", wamp.Exact, "denied", `decides: it allows nothing (f:11)`},
		{"anonymous|subscribe|com.none", wamp.Exact, "denied", "no permission of the role matches, so it is denied (f:5)"},
		{"anonymous|subscribe|com.open.", wamp.Prefix, "allowed", "of those, the router delivers only the events that they allow"},
		{"anonymous|subscribe|com.open.", wamp.Prefix, "allowed", `com.open. (match = "prefix") in realm plant`},
		{"anonymous|subscribe|com.open.x.", wamp.Prefix, "allowed", `decides: it allows`},
		{"anonymous at tcp://127.0.0.1:1|publish|com.a", wamp.Exact, "allowed", `anonymous sessions at tcp://127.0.0.1:1 have the role "maker" (f:`},
		{"pump|publish|com.a", wamp.Exact, "allowed", `"pump" has the role "maker" (f:`},
		{"pump|publish|wamp.a", wamp.Exact, "denied", `belong to the router`},
		{"pump|register|wamp.a", wamp.Exact, "denied", `belong to the router`},
		{"pump|call|wamp.a", wamp.Exact, "allowed", `decides`},
		{"pump|register|com.made.", wamp.Prefix, "denied", "a pattern is registered only if all of them are allowed"},
		{"pump|register|com.other.", wamp.Prefix, "allowed", `(match = "prefix")`},
		{"other|call|com.a", wamp.Exact, "left to an authorizer", "calls the authorizer com.authorize (f:"},
		{"panel|publish|com.open.a", wamp.Exact, "allowed", `"panel" has the role "guest"`},
		{"bus|publish|com.open.a", wamp.Exact, "allowed", `"bus" has the role "guest"`},
		{"hook|subscribe|com.open.a", wamp.Exact, "allowed", `"hook" has the role "guest"`},
		{"role:maker|call|com.a", wamp.Exact, "allowed", `the question names the role "maker"`},
	} {
		verdict, text, err := asked(t, c, "", q.match, q.question)
		if verdict != q.verdict || !strings.Contains(text, q.says) || (q.verdict == "allowed") != (err == nil) || err != nil && err != ErrDenied {
			t.Errorf("%s, %v:\n%s%v\nwant %s, %s", q.question, q.match, text, err, q.verdict, q.says)
		}
	}
	if _, text, _ := asked(t, c, "plant", wamp.Exact, "pump|publish|com.a"); strings.Contains(text, "match =") || strings.Contains(text, "other permissions") {
		t.Error(text)
	}
	failing := errors.New("closed")
	if err := Permission(c, "", config.Match(wamp.Exact), []string{"pump", "publish", "com.a"}, writer{failing}); err != failing {
		t.Errorf("an output that fails: %v", err)
	}
}

// writer fails.
type writer struct{ err error }

func (w writer) Write([]byte) (int, error) { return 0, w.err }

// A question about something that does not exist is an error with a remedy.
func TestQuestions(t *testing.T) {
	one, two := parse(t, source), parse(t, source+"[[realm]]\nname = \"office\"\n[[realm.role]]\nname = \"guest\"\n[[realm.principal]]\nauthid = \"clerk\"\nrole = \"guest\"\nticket = \"t\"\n")
	for _, q := range []struct {
		c               *config.Config
		realm, question string
		match           wamp.Match
		asks            bool // the error is of the question itself
		want            string
	}{
		{one, "", "pump|see|com.a", wamp.Exact, true, `"see" is not an action; use `},
		{one, "", "pump|publish|com.", wamp.Prefix, true, "--match is for subscribe and register"},
		{one, "", "pump|call|com.", wamp.Wildcard, true, "--match is for subscribe and register"},
		{one, "", "pump|publish|com..a", wamp.Exact, true, `"com..a" is not a WAMP URI (match = "exact")`},
		{one, "plont", "pump|publish|com.a", wamp.Exact, true, `there is no realm "plont"; use "plant"`},
		{two, "", "pump|publish|com.a", wamp.Exact, true, `--realm is missing; use "plant" or "office"`},
		{one, "", "pomp|publish|com.a", wamp.Exact, false, `realm plant has no principal "pomp" (did you mean "pump"?)`},
		{one, "", "qqqqqqqq|publish|com.a", wamp.Exact, false, `realm plant has no principal "qqqqqqqq"; use`},
		{one, "", "|publish|com.a", wamp.Exact, false, `realm plant has no principal ""`},
		{one, "", "anonymous at tcp://127.0.0.1:9|publish|com.a", wamp.Exact, false, `(did you mean "anonymous at tcp://127.0.0.1:1"?)`},
		{one, "", "anonymous at tcp://127.0.0.1:2|publish|com.a", wamp.Exact, false, `has no principal`},
		{one, "", "role:none|publish|com.a", wamp.Exact, false, `has no principal "role:none"`},
		{two, "office", "anonymous|publish|com.a", wamp.Exact, false, `realm office has no principal "anonymous"`},
		{two, "office", "pump|publish|com.a", wamp.Exact, false, `realm office has no principal "pump"`},
		{two, "office", "bus|publish|com.a", wamp.Exact, false, `realm office has no principal "bus"`},
	} {
		_, text, err := asked(t, q.c, q.realm, q.match, q.question)
		if asks := errors.As(err, new(QuestionError)); err == nil || !strings.HasPrefix(err.Error(), q.want) && !strings.Contains(err.Error(), q.want) || asks != q.asks || text != "" {
			t.Errorf("%s: %v, %s", q.question, err, text)
		}
	}
	if _, text, err := asked(t, two, "office", wamp.Exact, "clerk|publish|com.a"); err != ErrDenied || !strings.Contains(text, "in realm office") {
		t.Error(fmt.Sprint(text, err))
	}
}
