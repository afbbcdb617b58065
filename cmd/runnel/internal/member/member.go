// Package member is a node's side of a fleet: it reports to the centre of each uplink, and answers the centre's commands where
// the uplink has remote = true.
//
//	member.go    the reports of one link
//	command.go   the commands of the centre
//	apply.go     a file of conf.d from the centre, which is rolled back if the link does not come back
//	marker.go    keeps the previous file, so that a start can restore it
package member

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// Host is the router of the node.
type Host interface {
	Status() report.Status
	// Call calls a procedure of the router in a realm.
	Call(ctx context.Context, realm, procedure string, p client.Payload) (*client.Result, error)
}

// Options of a Member.
type Options struct {
	Uplink string // its name
	Realm  string // the local one
	Remote bool   // commands of the centre are answered
	Board  string
	Host   Host
	Files  *Files
	Log    *slog.Logger
}

// Member reports to the centre of one uplink.
type Member struct {
	Options
	busy     atomic.Int32 // commands in progress
	rejected string       // the last rejection that was logged; owned by Attend
}

const (
	reportInterval = time.Minute
	checkInterval  = time.Second     // between two checks for changes
	failurePause   = 8 * time.Second // the longest one after a report that failed
	refusedPause   = 5 * time.Minute
	retryPause     = 2 * time.Second // at least half of it
)

// Attend reports to the centre until ctx is done.
func (m *Member) Attend(ctx context.Context, centre *client.Client) {
	for centre.WaitUp(ctx) == nil {
		welcome, _ := centre.Welcome()
		err := m.attend(ctx, centre)
		pause := retryPause/2 + rand.N(retryPause)
		if refused := (*client.Error)(nil); errors.As(err, &refused) && !errors.Is(err, wamp.NetworkFailure) && !errors.Is(err, wamp.Canceled) {
			m.logRejection(err)
			pause = refusedPause
		}
		m.pause(ctx, centre, welcome.Session, pause)
		if ctx.Err() != nil {
			return
		}
	}
}

// logRejection logs the same rejection once. Routers of other makes and earlier versions have no fleet.
func (m *Member) logRejection(err error) {
	if text := err.Error(); text != m.rejected && !errors.Is(err, wamp.NoSuchProcedure) {
		m.rejected = text
		m.Log.Info("the centre rejects the reports of this node, so its list of the fleet lacks the node", "err", err)
	}
}

// pause waits before the next attempt, or until the link has a new session.
func (m *Member) pause(ctx context.Context, centre *client.Client, session wamp.ID, longest time.Duration) {
	for end := time.Now().Add(longest); time.Now().Before(end) && client.Sleep(ctx, min(checkInterval, time.Until(end))); {
		if w, up := centre.Welcome(); up && w.Session != session {
			return
		}
	}
}

// attend makes the call that lasts as long as the link's session. Its progressive results are commands.
func (m *Member) attend(ctx context.Context, centre *client.Client) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	reporting := make(chan struct{})
	o := client.CallOptions{Progress: func(r *client.Result) {
		c := readCommand(r)
		switch {
		case c.id != 0:
			m.take(ctx, centre, c)
		case reporting != nil: // the centre has accepted the node
			go m.report(ctx, cancel, centre, reporting)
			reporting = nil
		}
	}}
	done := reporting
	defer func() {
		cancel(nil)
		if reporting == nil {
			<-done
		}
	}()
	_, err := centre.Call(ctx, fleet.Attend, o, client.Args(m.state()))
	if refused := (*client.Error)(nil); errors.As(context.Cause(ctx), &refused) {
		err = refused // of a report
	}
	return err
}

// report sends a report once a minute and on each change, until ctx is done. After each failure it doubles its pause.
// If the centre has forgotten the node, report ends the call of attend.
func (m *Member) report(ctx context.Context, end context.CancelCauseFunc, centre *client.Client, done chan struct{}) {
	defer close(done)
	var sent string
	var at time.Time
	pause := checkInterval
	for ctx.Err() == nil {
		r := m.state()
		if news := newsOf(r); news != sent || time.Since(at) >= reportInterval {
			began := time.Now()
			err := m.sendReport(ctx, centre, r)
			if err == nil {
				sent, at, pause = news, began, checkInterval
				m.Files.Linked(m.Uplink, began)
			} else if ctx.Err() == nil {
				pause = min(2*pause, failurePause)
				m.Log.Debug("report failed", "err", err, "retry_in", pause)
				if refused := (*client.Error)(nil); errors.As(err, &refused) && refused.URI == fleet.NotAttending {
					end(err)
				}
			}
		}
		client.Sleep(ctx, pause)
	}
}

func (m *Member) sendReport(ctx context.Context, centre *client.Client, r fleet.Report) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err := centre.Call(ctx, fleet.Tell, client.CallOptions{}, client.Args(r))
	return err
}

// newsOf returns the part of a report that is sent at once when it changes. Counters are no part of it.
func newsOf(r fleet.Report) string {
	r.Uptime = 0
	queues := make([]fleet.QueueReport, len(r.Queues))
	for i, q := range r.Queues {
		queues[i].Uplink = q.Uplink
		if q.Held > 0 {
			queues[i].Held = 1
		}
	}
	r.Queues = queues
	text, _ := json.Marshal(r) // strings and numbers: it cannot fail
	return string(text)
}

// state describes the node.
func (m *Member) state() fleet.Report {
	s := m.Host.Status()
	r := fleet.Report{Node: s.Node, Version: s.Version, Board: m.Board, Uptime: s.Uptime, Remote: m.Remote, Applied: m.Files.Last()}
	for _, l := range s.Serial {
		r.Lines = append(r.Lines, fleet.LineReport{Name: l.Name, State: l.State})
	}
	for _, u := range s.Uplinks {
		r.Queues = append(r.Queues, fleet.QueueReport{Uplink: u.Name, Events: u.Queue.Events, Held: u.Queue.HeldEvents})
	}
	r.Alarms = alarms(&s)
	return r.Bounded()
}

// alarms lists the alarms of the node, as runnel doctor finds them in its status.
func alarms(s *report.Status) (list []string) {
	for _, f := range s.Faults {
		list = append(list, f.Part+": "+f.Error)
	}
	for _, r := range s.Router.Realms {
		if r.Trouble != "" {
			list = append(list, "realm "+r.Name+": "+r.Trouble)
		}
	}
	for _, l := range s.Serial {
		for _, alarm := range l.Alarms {
			list = append(list, "serial line "+l.Name+": "+alarm)
		}
		if l.State == "refused" || l.State == "waiting" {
			list = append(list, "serial line "+l.Name+": the port is not open ("+l.State+"): "+l.Error)
		}
	}
	for _, u := range s.Uplinks {
		object := "uplink " + u.Name + ": "
		if !u.Up {
			list = append(list, object+"the link is down")
		}
		if u.Clash != "" {
			list = append(list, object+u.Clash)
		}
		if u.Queue.Alarm != "" {
			list = append(list, object+"its queue: "+u.Queue.Alarm)
		}
		if u.Queue.HeldEvents > 0 {
			list = append(list, object+"the far side rejects events, which are held")
		}
		if len(u.Refused) > 0 {
			list = append(list, object+"rejected: "+u.Refused[0])
		}
		list = appendCertificate(list, object, u.Certificate)
	}
	for _, l := range s.Listeners {
		list = appendCertificate(list, "listener "+l.URL+": ", l.Certificate)
	}
	for _, h := range s.Webhooks {
		if h.Problem != "" {
			list = append(list, "webhook "+h.Name+": "+h.Problem)
		}
	}
	return list
}

func appendCertificate(list []string, object string, c *report.Certificate) []string {
	if c != nil && c.Alarm != "" {
		list = append(list, object+c.Alarm)
	}
	return list
}
