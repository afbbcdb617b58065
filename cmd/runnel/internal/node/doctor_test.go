package node

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/cmd/runnel/internal/doctor"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// The node checks its own installation. A role that may not call runnel.* gets no result.
func TestDoctor(t *testing.T) {
	l := site(t, "gw-1")
	n := l.start(nodes, func(o *Options) { o.File = l.file })
	operator, err := join(t, n.socket("a"), client.Options{Realm: "realm2"})
	kit.Must(t, err)
	result, err := operator.Call(t.Context(), procedureDoctor, client.CallOptions{}, client.Payload{})
	kit.Must(t, err)
	text, _ := json.Marshal(result.Args()[0])
	var r doctor.Report
	kit.Must(t, json.Unmarshal(text, &r))
	if r.Config != l.file || len(r.Checks) < 9 {
		t.Errorf("%+v", r)
	}
	for _, f := range r.Findings {
		if f.Check == "config" && f.Level == doctor.Error || f.Check == "router" {
			t.Errorf("%+v", f)
		}
	}
	node, err := join(t, n.socket("a"), client.Options{Realm: "realm2", Authid: "gw-1", Auth: []client.Auth{client.Ticket("the ticket of gw-1")}})
	kit.Must(t, err)
	if _, err := node.Call(t.Context(), procedureDoctor, client.CallOptions{}, client.Payload{}); !errors.Is(err, wamp.NotAuthorized) {
		t.Errorf("the role of nodes: %v", err)
	}
}

// The installation is checked for one caller at a time. Callers that wait get the report of a check that began after their
// call, or within reportAge before it.
func TestExaminer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began, under atomic.Int32
		e := newExaminer(func(ctx context.Context) (*doctor.Report, error) {
			if under.Add(1) != 1 {
				t.Error("two checks at once")
			}
			defer under.Add(-1)
			began.Add(1)
			select {
			case <-time.After(time.Second):
				return &doctor.Report{Config: "x"}, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
		all := func(callers int) (refused int32) {
			var work sync.WaitGroup
			var failed atomic.Int32
			for range callers {
				work.Go(func() {
					if _, err := e.answer(t.Context(), nil); errors.Is(err, wamp.Unavailable) {
						failed.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			work.Wait()
			return failed.Load()
		}
		check := func(what string, refused int32, wantRefused, wantBegan int32) {
			t.Helper()
			if refused != wantRefused || began.Load() != wantBegan {
				t.Errorf("%s: %d refused, %d checks; want %d and %d", what, refused, began.Load(), wantRefused, wantBegan)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		e.turn <- struct{}{}
		if _, err := e.answer(gone, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		<-e.turn
		check("a caller that left", 0, 0, 0)
		check("as many as may wait", all(mostCallers), 0, 1)
		time.Sleep(reportAge - time.Second) // the check itself took a second
		check("at the age of the report", all(1), 0, 1)
		time.Sleep(time.Nanosecond)
		check("past it", all(1), 0, 2)
		time.Sleep(time.Minute)
		check("more than may wait", all(mostCallers+3), 3, 3)
	})
}
