package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/account"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge/wamp"
)

// status holds the fields of runnel.status that the checks read.
type status struct {
	Version string `json:"version"`
	Router  struct {
		Realms []struct {
			Name    string `json:"name"`
			Trouble string `json:"trouble"`
		} `json:"realms"`
		Clashes []struct {
			Realm  string `json:"realm"`
			Node   string `json:"node"`
			First  string `json:"first"`
			Second string `json:"second"`
		} `json:"clashes"`
	} `json:"router"`
	Faults []struct {
		Part  string    `json:"part"`
		Error string    `json:"error"`
		Since time.Time `json:"since"`
	} `json:"faults"`
	Listeners []struct {
		URL         string       `json:"url"`
		Certificate *certificate `json:"certificate"`
	} `json:"listeners"`
	Serial []struct {
		Name   string   `json:"name"`
		State  string   `json:"state"`
		Error  string   `json:"error"`
		Alarms []string `json:"alarms"`
	} `json:"serial"`
	Uplinks []struct {
		Name    string   `json:"name"`
		Up      bool     `json:"up"`
		Error   string   `json:"error"`
		Clash   string   `json:"clash"`
		Refused []string `json:"refused"`
		Queue   struct {
			Alarm string `json:"alarm"`
			Held  int    `json:"held_events"`
		} `json:"queue"`
		Certificate *certificate `json:"certificate"`
	} `json:"uplinks"`
	Webhooks []struct {
		Name    string `json:"name"`
		Problem string `json:"problem"`
		Refusal string `json:"refusal"`
	} `json:"webhooks"`
}

type certificate struct {
	Alarm string `json:"alarm"`
}

// askRouter reads the status of the running router. A router that does not run is an error only if its service is installed.
func (e *examination) askRouter(ctx context.Context) {
	text, err := e.Status(ctx, e.config)
	switch {
	case errors.Is(err, ErrNotRunning) && e.installed():
		e.add(Finding{"router", Error, "", "the service is installed, but no router answers", "sudo systemctl start runnel; journalctl -u runnel -n 30 shows why it stopped"})
	case errors.Is(err, ErrNotRunning):
		e.add(Finding{"router", Note, "", "no router runs with this configuration", "runnel run" + e.argument()})
	case err != nil:
		level := Warning
		if errors.Is(err, wamp.NotAuthorized) {
			level = Note // over TCP, most users may not administer the router
		}
		cause, remedy := split(err.Error())
		e.add(Finding{"router", level, "", "cannot read the status of the running router: " + cause, cmp.Or(remedy, "run this with sudo")})
	default:
		e.running = new(status)
		if err := json.Unmarshal(text, e.running); err != nil {
			e.running = nil
			e.add(Finding{"router", Warning, "", "invalid status of the running router: " + err.Error(), "upgrade both to the same version"})
		}
	}
}

// installed reports whether the configuration is the one of the service, and systemd has the service installed.
func (e *examination) installed() bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil || !e.system() {
		return false
	}
	for _, file := range account.UnitFiles {
		if _, err := os.Stat(file); err == nil {
			return true
		}
	}
	return false
}

func (e *examination) argument() string {
	if e.system() {
		return ""
	}
	return " -c " + e.File
}

// checkRouter reports the alarms of the running router.
func checkRouter(_ context.Context, e *examination) {
	s := e.running
	if s == nil {
		return
	}
	for _, f := range s.Faults {
		if f.Part == report.PartConfiguration && e.fellBack {
			continue // fallBack has reported it
		}
		e.add(Finding{"router", Error, f.Part, "does not run: " + f.Error, "correct the cause; the router retries by itself, or at once after \"runnel reload\""})
	}
	for _, r := range s.Router.Realms {
		if r.Trouble != "" {
			e.add(Finding{"router", Error, "realm " + r.Name, "retained events and histories are not kept on disk: " + r.Trouble, "check the data directory: free space, and its owner"})
		}
	}
	for _, c := range s.Router.Clashes {
		e.add(Finding{"router", Error, "node " + c.Node, fmt.Sprintf("two routers linked to realm %s have this id: %s and %s", c.Realm, c.First, c.Second), "give one of them another [node] id and restart it"})
	}
	for _, l := range s.Listeners {
		e.addAlarm("listener "+l.URL, l.Certificate)
	}
	e.lineAlarms(s)
	e.uplinkAlarms(s)
	for _, h := range s.Webhooks {
		if h.Problem != "" {
			e.add(Finding{"router", Error, "webhook " + h.Name, h.Problem, "its events wait; check the server and its log, and url, secret and authorization of the webhook"})
		}
		if h.Refusal != "" {
			e.add(Finding{"router", Warning, "webhook " + h.Name, "its server has refused an event, which is dropped: " + h.Refusal, "check the log of the server"})
		}
	}
}

func (e *examination) addAlarm(object string, c *certificate) {
	if c != nil && c.Alarm != "" {
		e.add(Finding{"router", Error, object, c.Alarm, "renew the certificate; the router reloads the files by itself"})
	}
}

func (e *examination) lineAlarms(s *status) {
	for _, l := range s.Serial {
		object := "serial line " + l.Name
		for _, alarm := range l.Alarms {
			e.add(Finding{"router", Error, object, alarm, "runnel status shows the line; check the device and its wiring"})
		}
		if l.State == "refused" || l.State == "waiting" {
			e.add(Finding{"router", Error, object, strings.TrimSuffix(fmt.Sprintf("the port is not open (%s): %s", l.State, l.Error), ": "), "runnel serial ls shows the ports of this machine and the programs that hold them"})
		}
	}
	for _, configured := range e.config.Serials {
		if !e.fellBack && !hasName(s.Serial, configured.Name, func(i int) string { return s.Serial[i].Name }) {
			e.add(Finding{"router", Warning, "serial line " + configured.Name, "it is in the configuration, but not in the running router", "runnel reload"})
		}
	}
}

func (e *examination) uplinkAlarms(s *status) {
	for _, u := range s.Uplinks {
		object := "uplink " + u.Name
		if !u.Up {
			e.add(Finding{"router", Error, object, strings.TrimSuffix("the link is down: "+u.Error, ": "), "see the findings of the check \"uplink\""})
		}
		if u.Clash != "" {
			e.add(Finding{"router", Error, object, u.Clash, "give this node another [node] id, then: sudo systemctl restart runnel"})
		}
		if u.Queue.Alarm != "" {
			e.add(Finding{"router", Error, object, "its queue: " + u.Queue.Alarm, "check the data directory: free space, and its owner"})
		}
		if u.Queue.Held > 0 {
			e.add(Finding{"router", Error, object, fmt.Sprintf("the centre has rejected events; %d are held", u.Queue.Held), "runnel queue ls names the topics; permit them at the centre, then: runnel queue retry " + u.Name})
		}
		for _, refused := range u.Refused {
			e.add(Finding{"router", Error, object, "rejected: " + refused, "add the permission at the centre (the findings of the check \"uplink\" have its text), or remove the rule from the uplink"})
		}
		e.addAlarm(object, u.Certificate)
	}
	for _, configured := range e.config.Uplinks {
		if !e.fellBack && !hasName(s.Uplinks, configured.Name, func(i int) string { return s.Uplinks[i].Name }) {
			e.add(Finding{"router", Warning, "uplink " + configured.Name, "it is in the configuration, but not in the running router", "runnel reload"})
		}
	}
}

func hasName[T any](list []T, name string, nameOf func(int) string) bool {
	for i := range list {
		if nameOf(i) == name {
			return true
		}
	}
	return false
}

// fallbackSince returns the time since when the running router has used a fallback for its invalid files; zero if it
// uses its files.
func (s *status) fallbackSince() (since time.Time) {
	if s == nil {
		return since
	}
	for _, f := range s.Faults {
		if f.Part == report.PartConfiguration {
			since = f.Since
		}
	}
	return since
}

// isUp reports whether the running router has an open link.
func (s *status) isUp(uplink string) bool {
	if s == nil {
		return false
	}
	for _, u := range s.Uplinks {
		if u.Name == uplink {
			return u.Up
		}
	}
	return false
}

// listens reports whether the running router has a listener.
func (s *status) listens(l config.Listen) bool {
	if s == nil {
		return false
	}
	for _, open := range s.Listeners {
		if open.URL == l.URL {
			return true
		}
	}
	return false
}
