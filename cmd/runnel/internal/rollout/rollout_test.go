package rollout

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/remote"
	"runnel/edge"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/standin"
)

// newCentre runs a router whose procedures answer with handlers, and returns the settings for a connection to it.
func newCentre(t *testing.T, answers map[string]client.Handler) (*edge.Router, *remote.Router) {
	t.Helper()
	r, url := standin.Plant(t, standin.Everything, answers)
	return r, &remote.Router{URL: url, Realm: "plant", Serializer: "cbor"}
}

func applied(id, state, text string) client.Payload {
	return client.Args(fleet.NodeReport{Node: fleet.Node{ID: "gw"}, Applied: &fleet.Applied{ID: id, State: state, Error: text, Changes: []string{"serial line gps started"}}})
}

// The outcome is the node's last report. A failed poll is repeated; a persistent error ends the wait.
func TestOutcome(t *testing.T) {
	busy := client.NewError(wamp.Unavailable.Error(), "try again")
	for _, c := range []struct {
		what  string
		dry   bool
		apply error // of the node
		polls []any // payloads and errors; the last one stays
		want  string
	}{
		{"applied", false, nil, []any{applied("7", fleet.AppliedDone, "")}, "gw: applied: serial line gps started\n"},
		{"applied after failed polls", false, nil, []any{busy, client.Payload{}, client.Args(fleet.NodeReport{}), errors.New("x"), applied("6", fleet.AppliedFailed, "an earlier file"), applied("7", fleet.AppliedPending, ""), applied("7", fleet.AppliedDone, "")}, "gw: applied: serial line gps started\n"},
		{"rolled back", false, nil, []any{busy, applied("7", fleet.AppliedRolledBack, "why")}, "gw: failed: rolled back: why\n"},
		{"forgotten meanwhile", false, nil, []any{busy, client.NewError(fleet.NoSuchNode, "there is no node")}, "gw: failed: there is no node\n"},
		{"not permitted", false, nil, []any{client.NewError(wamp.NotAuthorized.Error())}, "gw: failed: call runnel.fleet.get at "},
		{"no changes", false, nil, []any{client.Args(fleet.NodeReport{Applied: &fleet.Applied{ID: "7", State: fleet.AppliedDone}})}, "gw: applied, nothing has changed\n"},
		{"an error without a text", false, client.NewError("runnel.error.x"), nil, "gw: failed: runnel.error.x\n"},
		{"an error of the node's program", false, client.NewError("com.x", "because"), nil, "gw: failed: com.x: because\n"},
		{"only checked", true, nil, nil, "gw: valid\n"},
		{"invalid", false, client.NewError("runnel.error.config", "a.toml:1: x", "a.toml:2: y"), nil, "gw: failed: a.toml:1: x\n  a.toml:2: y\n"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			var polls, sent atomic.Int32
			_, router := newCentre(t, map[string]client.Handler{
				fleet.NodePrefix + "gw.apply": func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
					if k := inv.Kwargs(); k["dry_run"] != c.dry || k["rollback_after"] != int64(60) {
						t.Errorf("%v", k)
					}
					sent.Add(1)
					return client.Args("7"), c.apply
				},
				fleet.NodeGet: func(context.Context, *client.Invocation) (client.Payload, error) {
					switch a := c.polls[min(int(polls.Add(1)), len(c.polls))-1].(type) {
					case error:
						return client.Payload{}, a
					default:
						return a.(client.Payload), nil
					}
				},
			})
			var out strings.Builder
			err := Run(t.Context(), router, Options{Nodes: []string{"gw"}, Name: "a.toml", Text: "x", Parallel: 4, Dry: c.dry, After: time.Minute}, &out)
			if !strings.HasPrefix(out.String(), c.want) || (err != nil) != strings.Contains(c.want, "failed") || sent.Load() != 1 {
				t.Errorf("%q, %v, sent %d times", out.String(), err, sent.Load())
			}
			if err != nil && !strings.Contains(err.Error(), "a.toml not applied at 1 of 1 node") {
				t.Error(err)
			}
		})
	}
}

// A centre that closes the connection while a node applies the file is asked again.
func TestCentreRestarts(t *testing.T) {
	var router *edge.Router
	var polls atomic.Int32
	router, at := newCentre(t, map[string]client.Handler{
		fleet.NodePrefix + "gw.apply": func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args("7"), nil },
		fleet.NodeGet: func(context.Context, *client.Invocation) (client.Payload, error) {
			if polls.Add(1) == 1 {
				router.CloseSessions(func(t *wamp.Transport) bool { return !t.Internal }, wamp.CloseShutdown, "")
			}
			return applied("7", fleet.AppliedDone, ""), nil
		},
	})
	var out strings.Builder
	if err := Run(t.Context(), at, Options{Nodes: []string{"gw"}, Name: "a.toml", Parallel: 1, After: time.Minute}, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// An interrupted rollout reports that for the nodes in progress.
func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	_, at := newCentre(t, map[string]client.Handler{
		fleet.NodePrefix + "gw.apply": func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args("7"), nil },
		fleet.NodeGet: func(context.Context, *client.Invocation) (client.Payload, error) {
			stop()
			return applied("7", fleet.AppliedPending, ""), nil
		},
	})
	var out strings.Builder
	if err := Run(ctx, at, Options{Nodes: []string{"gw"}, Name: "a.toml", Parallel: 1, After: time.Minute}, &out); err == nil || !strings.Contains(out.String(), "gw: failed: context canceled") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// A centre that cannot be reached fails the rollout, and an answer that cannot be read fails its node.
func TestFails(t *testing.T) {
	var out strings.Builder
	o := Options{Nodes: []string{"gw"}, Name: "a.toml", Parallel: 1, Dry: true}
	for what, at := range map[string]*remote.Router{
		"no centre":     {URL: "unix://" + filepath.Join(kit.ShortDir(t), "none.sock"), Realm: "plant", Serializer: "cbor"},
		"no serializer": {URL: "unix:///none", Realm: "plant", Serializer: "none"},
	} {
		if err := Run(t.Context(), at, o, &out); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %q", what, err, out.String())
		}
	}
	for _, answer := range []client.Payload{{}, client.Args(7), client.Args(map[string]any{})} {
		_, at := newCentre(t, map[string]client.Handler{
			fleet.NodePrefix + "gw.apply": func(context.Context, *client.Invocation) (client.Payload, error) { return answer, nil },
		})
		out.Reset()
		if err := Run(t.Context(), at, o, &out); err == nil || !strings.HasPrefix(out.String(), "gw: failed: ") {
			t.Errorf("%v: %v, %q", answer.Args, err, out.String())
		}
	}
}

// A node whose outcome does not come in time has failed. The error says why.
func TestNoOutcome(t *testing.T) {
	for want, poll := range map[string]error{"gw: failed: no outcome after 1s": nil, "gw: failed: the outcome is not known: com.x: busy": client.NewError("com.x", "busy")} {
		_, at := newCentre(t, map[string]client.Handler{
			fleet.NodePrefix + "gw.apply": func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args("7"), nil },
			fleet.NodeGet: func(context.Context, *client.Invocation) (client.Payload, error) {
				return applied("7", fleet.AppliedPending, ""), poll
			},
		})
		var out strings.Builder
		if err := Run(t.Context(), at, Options{Nodes: []string{"gw"}, Name: "a.toml", Parallel: 1, After: time.Second - patience}, &out); err == nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%v\n%s\nwant %s", err, out.String(), want)
		}
	}
}

// Each node has a line. The error has the number of those that failed.
func TestSeveral(t *testing.T) {
	_, at := newCentre(t, map[string]client.Handler{
		fleet.NodePrefix + "a.apply": func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args("7"), nil },
		fleet.NodePrefix + "b.apply": func(context.Context, *client.Invocation) (client.Payload, error) {
			return client.Payload{}, client.NewError("com.x")
		},
		fleet.NodePrefix + "c.apply": func(context.Context, *client.Invocation) (client.Payload, error) {
			return client.Payload{}, client.NewError("com.y")
		},
	})
	for _, parallel := range []int{1, 2, 9} {
		var out strings.Builder
		err := Run(t.Context(), at, Options{Nodes: []string{"a", "b", "c"}, Name: "a.toml", Parallel: parallel, Dry: true}, &out)
		if err == nil || err.Error() != "a.toml not applied at 2 of 3 nodes" || strings.Count(out.String(), "\n") != 3 || !strings.Contains(out.String(), "a: valid\n") {
			t.Errorf("%v\n%s", err, out.String())
		}
	}
}
