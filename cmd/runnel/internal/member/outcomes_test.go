package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// lines passes on the lines of a log.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// A node attends again soon after its call was lost, and not after the centre has rejected it.
func TestAttendsAgain(t *testing.T) {
	for uri, again := range map[string]bool{wamp.NetworkFailure.Error(): true, wamp.Canceled.Error(): true, fleet.Full: false} {
		t.Run(uri, func(t *testing.T) {
			t.Parallel()
			join := centre(t)
			calls := make(chan bool, 9)
			serve(t, join(), map[string]client.Handler{fleet.Attend: func(context.Context, *client.Invocation) (client.Payload, error) {
				calls <- true
				return client.Payload{}, client.NewError(uri)
			}})
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			m, log, ended := newMember(t, false), make(lines, 9), make(chan bool)
			m.Log = slog.New(slog.NewTextHandler(log, nil))
			go func() { m.Attend(ctx, join()); close(ended) }()
			kit.Receive(t, "the first call", calls)
			if again {
				kit.Receive(t, "the second call", calls)
			} else {
				kit.Receive(t, "the rejection in the log", log)
			}
			stop()
			<-ended
			if !again && len(calls) > 0 {
				t.Error("a node that was rejected attends again at once")
			}
		})
	}
}

// The log has a rejection once, and none of a router without a fleet.
func TestLogRejection(t *testing.T) {
	var log strings.Builder
	m := newMember(t, false)
	m.Log = slog.New(slog.NewTextHandler(&log, nil))
	full, off := client.NewError(fleet.Full, "full"), client.NewError("com.example.off")
	for _, err := range []error{full, full, off, client.NewError(wamp.NoSuchProcedure.Error()), off, full} {
		m.logRejection(err)
	}
	if n := strings.Count(log.String(), "rejects the reports"); n != 3 {
		t.Errorf("%d lines:\n%s", n, &log)
	}
}

// changing is a router whose status changes. It counts how often its status is read.
type changing struct {
	plant
	now  atomic.Pointer[report.Status]
	read atomic.Int32
}

func (c *changing) Status() report.Status {
	c.read.Add(1)
	return *c.now.Load()
}

// A change is reported soon, and a counter alone is not.
func TestReportsChanges(t *testing.T) {
	join := centre(t)
	told := make(chan string, 9)
	serve(t, join(), map[string]client.Handler{
		fleet.Attend: entered(make(chan error, 9)),
		fleet.Tell: func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			about, _ := inv.Args()[0].(map[string]any)
			told <- fmt.Sprint(about["version"], about["uptime"])
			return client.Payload{}, nil
		},
	})
	m, host := newMember(t, false), new(changing)
	m.Host = host
	host.now.Store(&report.Status{Version: "a", Uptime: 1})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.attend(ctx, join()) }()
	if got := kit.Receive(t, "the first report", told); got != "a1" {
		t.Error(got)
	}
	host.now.Store(&report.Status{Version: "a", Uptime: 2})
	seen := host.read.Load()
	kit.Eventually(t, "two checks for changes", func() bool { return host.read.Load() > seen+1 })
	host.now.Store(&report.Status{Version: "b", Uptime: 3})
	if got := kit.Receive(t, "the second report", told); got != "b3" {
		t.Error(got)
	}
	stop()
	kit.Receive(t, "the end", ended)
}

// The centre gets the id of a file that is written, the problems of one that is invalid, and neither for a dry run.
func TestApplyCommand(t *testing.T) {
	for _, c := range []struct {
		what    string
		args    []any
		kwargs  map[string]any
		uri     string // of the error
		written bool
	}{
		{"a file", []any{"a.toml", "new"}, nil, "", true},
		{"a file with a time", []any{"a.toml", "new"}, map[string]any{"rollback_after": int64(7)}, "", true},
		{"a dry run", []any{"a.toml", "new"}, map[string]any{"dry_run": true}, "", false},
		{"an invalid file", []any{"a.toml", "invalid"}, nil, report.ErrorConfig, false},
		{"no text", []any{"a.toml"}, nil, fleet.NotApplied, false},
		{"a text that is none", []any{"a.toml", 7}, nil, "", true},
		{"no name", []any{7, "new"}, nil, fleet.NotApplied, false},
	} {
		p := newPlace(t)
		m := newMember(t, true)
		m.Files = p.Files
		result, err := m.run(t.Context(), command{7, fleet.Apply, c.args, c.kwargs})
		if e := (*client.Error)(nil); (err == nil) != (c.uri == "") || err != nil && (!errors.As(err, &e) || e.URI != c.uri) {
			t.Errorf("%s: %v", c.what, err)
		}
		last := p.Last()
		if (last != nil) != c.written || last != nil && fmt.Sprint(result.Args...) != last.ID {
			t.Errorf("%s: %+v, answer %v", c.what, last, result.Args)
		}
	}
}

// A file takes effect once the centre has its id.
func TestTakeAnswers(t *testing.T) {
	join := centre(t)
	answers := make(chan string, 9)
	p := newPlace(t)
	serve(t, join(), map[string]client.Handler{fleet.Answer: func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		answers <- strings.TrimPrefix(inv.Procedure(), fleet.Answer) + fmt.Sprint(inv.Args()...)
		return client.Payload{}, nil
	}})
	m := newMember(t, true)
	m.Files = p.Files
	m.take(t.Context(), join(), command{3, fleet.Apply, []any{"a.toml", "new"}, nil})
	if got := kit.Receive(t, "the answer", answers); got != "3"+p.Last().ID {
		t.Errorf("%s, not 3%s", got, p.Last().ID)
	}
	kit.Eventually(t, "the reload", func() bool { return p.reloads.Load() == 1 })
}

// If the configuration does not have the uplink any more by which a file came, each other link confirms the file.
func TestConfirmedByAnother(t *testing.T) {
	p := newPlace(t)
	_, err := p.Apply("a.toml", "new", "removed", time.Hour, false)
	kit.Must(t, err)
	p.Begin()
	kit.Eventually(t, "the outcome", func() bool {
		p.Linked("central", time.Now())
		p.Linked("central", time.Now()) // has no effect
		return p.Last().State == fleet.AppliedDone
	})
	p.holds(t, "new", false)
}

// The limits of a file are part of what is allowed. A node without a file of its own applies none.
func TestFileLimits(t *testing.T) {
	p := newPlace(t)
	name := strings.Repeat("a", 59) + ".toml"
	for _, c := range []struct {
		what, name, text string
		valid            bool
	}{
		{"the longest name", name, "x", true}, {"a longer name", "a" + name, "x", false}, {"the longest text", "a.toml", strings.Repeat("#", mostText), true}, {"all kinds of characters", "aZ0-_.b.toml", "", true},
	} {
		if _, err := p.Apply(c.name, c.text, "central", 0, true); (err == nil) != c.valid {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	check := func(config.Drafts) error { return nil }
	reload := func() ([]string, error) { return nil, nil }
	for _, o := range []FilesOptions{{Check: check, Reload: reload}, {Main: p.main, Check: check}} {
		if _, err := NewFiles(o).Apply("a.toml", "", "central", 0, true); err == nil || !strings.Contains(err.Error(), "no configuration file") {
			t.Errorf("main %q: %v", o.Main, err)
		}
	}
}

// Restoring may be repeated. A file that cannot be restored keeps its marker, and the other files are restored.
func TestRestoreAgain(t *testing.T) {
	p := newPlace(t)
	added := marker{ID: "8"}
	for range 2 {
		kit.Must(t, added.restore(p.file))
	}
	if _, err := newMarker("8", filepath.Dir(p.file)); err == nil {
		t.Error("a directory is a previous file")
	}
	kit.Must(t, added.write(p.file))
	kit.Must(t, os.MkdirAll(filepath.Join(p.file, "x"), 0o700))
	other := filepath.Join(filepath.Dir(p.file), "b.toml")
	kit.Must(t, added.write(other))
	kit.Must(t, os.WriteFile(other, nil, 0o600))
	last, err := Restore(p.main)
	if err == nil || last == nil || last.File != "b.toml" {
		t.Errorf("%+v, %v", last, err)
	}
	if _, err := os.Stat(p.file + markerEnd); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("the other file is not restored")
	}
}
