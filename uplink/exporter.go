package uplink

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// GapTopic is the topic at which a WAMP link reports dropped events, in place of these events.
const GapTopic = "runnel.uplink.gap"

// Exporter stores exported events in the spool, whether the far side is connected or not. It hands the spool and this
// duty over to the link that replaces this one. A link calls its methods in this order:
//
//	Await, RunSpool    the previous link has ended; from now on the spool belongs to this link
//	Stored, Put        for each event of the local router
//	Stop               in its own goroutine, when the link must end
//	Finish             when the link has left the far side
//	Close              when the local session has ended, too
type Exporter struct {
	// Static once the link runs.
	Spool *spool.Spool
	Local *client.Client
	From  *Handover // of the link that this one replaces; nil: there is none
	Log   *slog.Logger

	to         atomic.Pointer[Handover] // to the link that replaces this one; nil: there is none
	confirming sync.WaitGroup           // events that are being stored
	stopSpool  func()                   // owned by the link's Run
}

// finishTime bounds the wait for events that the local router has already sent.
const finishTime = 10 * time.Second

// SetHandover makes the link hand its spool over when it ends. It is called before the next link runs.
func (x *Exporter) SetHandover(h *Handover) { x.to.Store(h) }

// Await waits until the previous link has ended.
func (x *Exporter) Await() { x.From.wait() }

// RunSpool runs the spool until Close, unless it is already running.
func (x *Exporter) RunSpool() { x.stopSpool = x.From.runSpool(x.Spool) }

// Stored waits until the previous link stores no more events, and reports whether that link has stored this
// publication.
func (x *Exporter) Stored(publication wamp.ID) bool { return x.From.hasStored(publication) }

// Put stores an event made from the local router's e. waitForRoom slows the local router down. If the publisher waits
// for the outcome, answer converts it to the publisher's answer.
func (x *Exporter) Put(e *client.Event, stored spool.Event, waitForRoom func(), answer func(error) error) {
	x.to.Load().store(e.Publication)
	waitForRoom()
	kept := *e // the handler's own is used for the next event
	x.confirming.Add(1)
	x.Spool.Put(stored, func(err error) {
		kept.Confirm(answer(err))
		x.confirming.Done()
	})
}

// Expiry returns the time when a local event expires; the zero time if it has no limit.
func Expiry(e *client.Event) (at time.Time) {
	if ttl := e.TTL(); ttl > 0 {
		at = time.Now().Add(ttl)
	}
	return at
}

// Stop notifies the replacing link that no more events are stored here. It returns at once if there is no such link.
func (x *Exporter) Stop() {
	if to := x.to.Load(); to != nil {
		to.awaitStragglers()
		x.drainLocal()
		to.finishStoring()
	}
}

// Finish returns when all events that the local router has sent are stored.
func (x *Exporter) Finish() {
	if to := x.to.Load(); to != nil {
		to.awaitStoring()
	} else {
		x.drainLocal()
	}
}

// Close ends the spool's Run, or leaves it to the link that replaces this one.
func (x *Exporter) Close() {
	if to := x.to.Load(); to != nil {
		to.finish(x.stopSpool)
	} else {
		x.stopSpool()
	}
}

// drainLocal stops the local router's events, and returns when the events that it has sent are stored and confirmed.
func (x *Exporter) drainLocal() {
	ctx, cancel := context.WithTimeout(context.Background(), finishTime)
	defer cancel()
	err := x.Local.Drain(ctx)
	if err == nil {
		err = x.confirmed(ctx)
	}
	if err != nil {
		x.Log.Warn("exported events may be lost", "err", err)
	}
}

func (x *Exporter) confirmed(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		x.confirming.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
