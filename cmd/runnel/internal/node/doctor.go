package node

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/doctor"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// procedureDoctor checks the installation, as runnel doctor does: -> a doctor.Report.
const procedureDoctor = "runnel.doctor"

const (
	reportAge   = time.Second // a call gets a report that began at most this long before the call
	mostCallers = 8           // of procedureDoctor at once, in all realms
)

// examiner checks the installation, for one caller at a time. Callers that wait meanwhile share the next report.
type examiner struct {
	callers atomic.Int32
	examine func(context.Context) (*doctor.Report, error)

	turn chan struct{} // holds one: the caller for which the installation is checked
	// Owned by that caller.
	last  *doctor.Report
	began time.Time // of last
}

func newExaminer(examine func(context.Context) (*doctor.Report, error)) *examiner {
	return &examiner{examine: examine, turn: make(chan struct{}, 1)}
}

// examine checks the installation.
func (n *Node) examine(ctx context.Context) (*doctor.Report, error) {
	o := doctor.Options{File: n.opts.File, Check: CheckUplink, Agent: n.agent()}
	if o.File == config.File("") {
		o.File = "" // may be missing: then the built-in default runs
	}
	o.Status = func(context.Context, *config.Config) ([]byte, error) { return json.Marshal(n.status()) }
	return doctor.Examine(ctx, o)
}

// answer answers procedureDoctor.
func (e *examiner) answer(ctx context.Context, _ *client.Invocation) (client.Payload, error) {
	defer e.callers.Add(-1)
	if e.callers.Add(1) > mostCallers {
		return client.Payload{}, client.NewError(wamp.Unavailable.Error(), "too many other checks of the installation are waiting; try again")
	}
	called := time.Now()
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return client.Payload{}, context.Cause(ctx)
	}
	if e.last == nil || called.Sub(e.began) > reportAge {
		began := time.Now()
		r, err := e.examine(ctx)
		if err != nil {
			return client.Payload{}, err
		}
		e.last, e.began = r, began
	}
	return client.Args(e.last), nil
}
