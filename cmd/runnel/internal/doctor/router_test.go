package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
)

// found writes findings as "level: object: text", one a line.
func found(list []Finding) string {
	var lines []string
	for _, f := range list {
		lines = append(lines, f.Level+": "+f.Object+": "+f.Text)
	}
	return strings.Join(lines, "\n")
}

// answering is an examination whose router answers with a status or an error.
func answering(status string, err error) *examination {
	return &examination{config: new(config.Config), Options: Options{
		File:   "/nowhere/runnel.toml",
		Status: func(context.Context, *config.Config) ([]byte, error) { return []byte(status), err },
	}}
}

func TestAlarmsOfTheRouter(t *testing.T) {
	for _, c := range []struct{ what, status, want string }{
		{"nothing", `{}`, ``},
		{"a fault", `{"faults":[{"part":"listener tcp://x","error":"in use"}]}`, "error: listener tcp://x: does not run: in use"},
		{"the state", `{"router":{"realms":[{"name":"a"},{"name":"b","trouble":"disk full"}]}}`,
			"error: realm b: retained events and histories are not kept on disk: disk full"},
		{"a clash", `{"router":{"clashes":[{"realm":"a","node":"gw","first":"1","second":"2"}]}}`,
			"error: node gw: two routers linked to realm a have this id: 1 and 2"},
		{"certificates", `{"listeners":[{"url":"tls://x","certificate":{"alarm":"expired"}},{"url":"tls://y","certificate":{"alarm":""}},{"url":"tcp://z"}]}`,
			"error: listener tls://x: expired"},
		{"webhooks", `{"webhooks":[{"name":"a"},{"name":"b","problem":"503"},{"name":"c","refusal":"400"}]}`,
			"error: webhook b: 503\nwarning: webhook c: its server has refused an event, which is dropped: 400"},
		{"lines", `{"serial":[{"name":"a","state":"up","alarms":["noise","silence"]},{"name":"b","state":"refused","error":"held"},{"name":"c","state":"waiting"}]}`,
			"error: serial line a: noise\nerror: serial line a: silence\nerror: serial line b: the port is not open (refused): held\nerror: serial line c: the port is not open (waiting)"},
		{"uplinks", `{"uplinks":[{"name":"a","up":true},{"name":"b","error":"refused"},{"name":"c"},{"name":"d","up":true,"clash":"two of d"},
			{"name":"e","up":true,"queue":{"alarm":"full"}},{"name":"f","up":true,"queue":{"held_events":1,"held":[{"topic":"com.a"}]}},{"name":"g","up":true,"refused":["com.a"]},
			{"name":"h","up":true,"certificate":{"alarm":"expires"}}]}`,
			"error: uplink b: the link is down: refused\nerror: uplink c: the link is down\nerror: uplink d: two of d\nerror: uplink e: its queue: full\n" +
				"error: uplink f: the centre has rejected events; 1 are held\nerror: uplink g: rejected: com.a\nerror: uplink h: expires"},
	} {
		e := answering(c.status, nil)
		e.askRouter(t.Context())
		checkRouter(t.Context(), e)
		if got := found(e.findings); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, got, c.want)
		}
	}
}

// The parts that a reload would add are reported, but not if the router runs with another configuration.
func TestPartsThatDoNotRunYet(t *testing.T) {
	const status = `{"serial":[{"name":"bus","state":"up"}],"uplinks":[{"name":"centre","up":true}],"faults":[{"part":"configuration","error":"invalid"}]}`
	for _, fellBack := range []bool{false, true} {
		e := answering(status, nil)
		e.fellBack = fellBack
		e.config.Serials = []config.Serial{{Name: "bus"}, {Name: "meter"}}
		e.config.Uplinks = []config.Uplink{{Name: "centre"}, {Name: "cloud"}}
		e.askRouter(t.Context())
		checkRouter(t.Context(), e)
		want := "error: configuration: does not run: invalid\n" +
			"warning: serial line meter: it is in the configuration, but not in the running router\n" +
			"warning: uplink cloud: it is in the configuration, but not in the running router"
		if fellBack {
			want = ""
		}
		if got := found(e.findings); got != want {
			t.Errorf("another configuration %v: %s", fellBack, got)
		}
	}
}

func TestRouterThatDoesNotAnswer(t *testing.T) {
	for _, c := range []struct {
		status string
		err    error
		want   string
	}{
		{"", ErrNotRunning, "note: : no router runs with this configuration"},
		{"", errors.New("no way; try again"), "warning: : cannot read the status of the running router: no way"},
		{"", wamp.NotAuthorized, "note: : cannot read the status of the running router: " + wamp.NotAuthorized.Error()},
		{"{", nil, "warning: : invalid status of the running router: unexpected end of JSON input"},
	} {
		e := answering(c.status, c.err)
		e.askRouter(t.Context())
		if got := found(e.findings); got != c.want || e.running != nil {
			t.Errorf("%s; want %s", got, c.want)
		}
		if len(e.findings) == 1 && e.findings[0].Remedy == "" {
			t.Errorf("%s: no remedy", c.want)
		}
		checkRouter(t.Context(), e) // has no effect
		if len(e.findings) != 1 {
			t.Errorf("%s", found(e.findings))
		}
	}
}

func TestStatus(t *testing.T) {
	var none *status
	if none.isUp("a") || none.listens(config.Listen{}) || !none.fallbackSince().IsZero() {
		t.Error("a router that does not run does something")
	}
	e := answering(`{"uplinks":[{"name":"a","up":true},{"name":"b"}],"listeners":[{"url":"tcp://a"}],
		"faults":[{"part":"x","since":"2026-01-01T00:00:00Z"},{"part":"configuration","since":"2027-01-01T00:00:00Z"}]}`, nil)
	e.askRouter(t.Context())
	s := e.running
	if !s.isUp("a") || s.isUp("b") || s.isUp("c") || !s.listens(config.Listen{URL: "tcp://a"}) || s.listens(config.Listen{URL: "tcp://b"}) {
		t.Errorf("%+v", s)
	}
	if since := s.fallbackSince(); since.Year() != 2027 {
		t.Error(since)
	}
}

// While the files are invalid, the configuration in use fills their missing parts.
func TestComplete(t *testing.T) {
	e := &examination{config: &config.Config{
		Listens: []config.Listen{{URL: "tcp://a"}}, Serials: []config.Serial{{Name: "a"}}, Uplinks: []config.Uplink{{Name: "a"}},
	}}
	inUse := &config.Config{
		Realms: []config.Realm{{Name: "r"}}, Node: config.Node{Data: "/data"}, Listens: []config.Listen{{URL: "tcp://a"}, {URL: "tcp://b"}},
		Serials: []config.Serial{{Name: "a"}, {Name: "b"}}, Uplinks: []config.Uplink{{Name: "a"}, {Name: "b"}},
	}
	e.complete(inUse)
	e.complete(&config.Config{Realms: []config.Realm{{}, {}}, Node: config.Node{Data: "/other"}}) // has no effect
	c := e.config
	if len(c.Realms) != 1 || c.Node.Data != "/data" || len(c.Listens) != 2 || len(c.Serials) != 2 || len(c.Uplinks) != 2 ||
		c.Listens[1].URL != "tcp://b" || c.Serials[1].Name != "b" || c.Uplinks[1].Name != "b" {
		t.Errorf("%+v", c)
	}
}
