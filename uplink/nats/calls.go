package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
)

// A call is a request of NATS to the procedure's subject. Links use more header fields than plain programs:
//
//	com.example.pump.set       Runnel-Type: call, Runnel-Timeout: 5000, Runnel-Progress: true    0.5
//	_INBOX.abc.7               Runnel-Type: progress                                             40
//	_INBOX.abc.7               Runnel-Type: result                                               true
//	_INBOX.abc.7               Runnel-Type: error, Runnel-Error: com.example.error.stuck         "valve 3"
//	_RUNNEL.calls              Runnel-Type: cancel, Runnel-Call: _INBOX.abc.7
//
// A request without Runnel-Type is a call of a plain program, which takes the first answer as the result. An answer
// without Runnel-Type is a result. The subscriptions for calls join the queue group of NATS micro services, so links
// and micro services share the calls of a procedure.
//
// An answer may take any time. Meanwhile the callee's link sends signs of life to the caller's link. If the caller is
// gone, the server reports no responders, and the callee's link cancels the call.
//
// The server reports at once that no client has subscribed to a procedure's subject. It cannot do so if another link
// imports topics that cover the subject. After some silence, the caller's link therefore asks the other links whether
// they import such topics (probe).

const (
	queueGroup   = "q"             // as in NATS's micro services
	callsSubject = "_RUNNEL.calls" // all links listen there

	// aliveFirst is the time before the first sign of life, and aliveEvery the time between two.
	aliveFirst = 500 * time.Millisecond
	aliveEvery = 5 * time.Second

	// patience is how long a caller's link waits for the first sign of life or the answer, unless the call has a longer
	// timeout. Then it waits up to lifeTime for each further sign.
	patience = 10 * time.Second
	lifeTime = 3 * aliveEvery

	// probeAfter is how long the caller's link waits before it probes. If the topics of another link cover the subject,
	// it waits for coveredTime more.
	probeAfter  = time.Second
	coveredTime = 4 * time.Second

	// plainTime limits calls of plain programs, which do not send a timeout.
	plainTime = time.Minute

	// maxCalls bounds the calls from the cluster that are in progress.
	maxCalls = 1024

	// lingerTime bounds the wait for calls in progress when the link ends.
	lingerTime = 5 * time.Second

	// maxProgress bounds the progressive results that wait for the local router, in bytes.
	maxProgress = 4 << 20
	msgSize     = 128 // of a message without header and data
)

// calls holds the state of calls in both directions.
type calls struct {
	// Static after newCalls.
	imported, offered uplink.RuleSet[*Rule] // procedures by their local names; exported ones by their names at the cluster
	exports, imports  []*Rule
	ctx               context.Context // of the calls from the cluster
	stop              context.CancelFunc
	times             times

	name   string // random name of the link at the cluster
	shards shards // has its own lock

	dirty  chan struct{} // holds one signal: the registrations or the connection have changed
	ended  chan struct{} // closed when no more calls will arrive
	asked  atomic.Int64  // calls to the cluster in progress
	offers atomic.Pointer[offerSet]
	work   sync.WaitGroup

	mu sync.Mutex
	// Guarded by mu.
	running map[string]*incoming // calls from the cluster by incoming.key
	plain   uint64               // calls of plain programs so far
}

// times holds the pauses and waits of calls. Tests shorten them.
type times struct{ aliveFirst, aliveEvery, patience, life, probe, covered time.Duration }

// newCalls checks the rules of procedures.
func (l *Link) newCalls() error {
	c := &l.calls
	c.dirty, c.running = make(chan struct{}, 1), make(map[string]*incoming)
	c.ended, c.name = make(chan struct{}), rand.Text()
	c.times = times{aliveFirst, aliveEvery, patience, lifeTime, probeAfter, coveredTime}
	c.ctx, c.stop = context.WithCancel(context.Background())
	for i := range l.opts.Export {
		if r := &l.opts.Export[i]; r.Procedure != "" {
			if err := r.CheckExport(); err != nil {
				return fmt.Errorf("export: %w", err)
			}
			c.exports = append(c.exports, r)
			c.offered.Add(wamp.Pattern{URI: r.ToRemote(r.Procedure), Match: r.Match}, r)
		}
	}
	for i := range l.opts.Import {
		if r := &l.opts.Import[i]; r.Procedure != "" {
			if err := r.CheckImport(); err != nil {
				return fmt.Errorf("import: %w", err)
			}
			c.imports = append(c.imports, r)
			c.imported.Add(wamp.Pattern{URI: r.ToLocal(r.Procedure), Match: r.Match}, r)
		}
	}
	return nil
}

// declareCalls registers the imported procedures. Local callees have precedence over them, and other links share
// them.
func (l *Link) declareCalls(ctx context.Context) error {
	for _, r := range l.calls.imports {
		what := "import procedure " + r.Procedure + " (" + r.Match.String() + ")"
		_, err := l.local.Register(ctx, r.ToLocal(r.Procedure), client.RegisterOptions{
			Match: r.Match, Invoke: wamp.First, ForwardTimeout: true, Persist: true, Extra: map[string]any{wamp.KeyFallback: true},
			Refused: func(err error) { l.recordRule(what, err) },
		}, l.forward)
		if err != nil {
			return err
		}
	}
	return l.followRegistrations(ctx)
}

// finishCalls ends the calls from the cluster.
func (l *Link) finishCalls() {
	l.calls.stop()
	l.calls.work.Wait()
}

// awaitCalls waits briefly for the calls in progress in both directions, before the link ends.
func (s *session) awaitCalls() {
	c := &s.link.calls
	ctx, cancel := context.WithTimeout(s.open, lingerTime)
	defer cancel()
	select {
	case <-c.ended:
	case <-ctx.Done():
	}
	for ctx.Err() == nil && (c.asked.Load() > 0 || c.count() > 0) {
		client.Sleep(ctx, 5*time.Millisecond)
	}
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.running)
}

// forward makes a local call at the cluster. INTERRUPT cancels ctx, and with it the call, in the same mode.
func (l *Link) forward(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
	key, _ := inv.Detail("rkey").Text()
	if l.current.Load() == nil && len(key) == 0 {
		l.status.CallsUp.Drop()
		return client.Payload{}, uplink.ErrUnsent
	}
	q, way, err := l.request(inv, string(key))
	if err != nil {
		return client.Payload{}, err
	}
	l.calls.asked.Add(1)
	defer l.calls.asked.Add(-1)
	for {
		to, known := l.chosen(q.Subject, string(key))
		if known && to.link == "" {
			return l.callHere(ctx, inv, string(key), way)
		}
		s := l.current.Load()
		if s == nil {
			l.status.CallsUp.Drop()
			return client.Payload{}, uplink.ErrUnsent
		}
		result, err := s.exchange(ctx, inv, q, to.link)
		if err == errGone && known && ctx.Err() == nil {
			continue // its nodes are forgotten
		}
		if errors.Is(err, wamp.NetworkFailure) {
			l.status.CallsUp.Drop()
		} else {
			l.status.CallsUp.Forward() // an error is an answer
		}
		return result, err
	}
}

// exchange sends a request and waits for the answer. The request goes to the link with a name, or with "" to the
// subject.
func (s *session) exchange(ctx context.Context, inv *client.Invocation, q conn.Out, at string) (client.Payload, error) {
	l := s.link
	if inv.More() && at == "" {
		if at = s.find(ctx, q.Subject); at == "" {
			return client.Payload{}, client.NewError(wamp.FeatureNotSupported.Error(),
				"no Runnel offers "+q.Subject+" over NATS, and other programs take no arguments in parts")
		}
	}
	if at != "" {
		q.Subject = linkSubject + at + "." + q.Subject
	}
	in := &answers{wake: make(chan struct{}, 1)}
	box, err := s.conn.Inbox(in.put)
	if err == nil {
		defer box.Close()
		box.Await(q.Subject)
		q.Reply = box.Subject
		err = s.conn.Publish(q)
	}
	if err != nil {
		return client.Payload{}, l.unsent(err)
	}
	w := &waiting{link: l, session: s, request: &q, call: inv, in: in, at: at}
	if inv.More() {
		w.parts = &outflow{waiting: w, room: make(chan struct{}, 1), failed: make(chan error, 1)}
	}
	p, err := w.await(ctx)
	if err == errGone && inv.More() {
		return p, client.NewError(wamp.NetworkFailure.Error(), err.Error())
	}
	return p, err
}

// chosen returns the target of a call by its resource key. ok is false if the call has no key, or no link has announced
// nodes for the procedure.
func (l *Link) chosen(name, key string) (to place, ok bool) {
	if key == "" {
		return to, false
	}
	uri, _ := subject.URI(name)
	return l.calls.shards.choose(uri, key, l.router())
}

// callHere makes a call in the local realm. Such a call reaches the link while the nodes of the other routers are
// changing.
func (l *Link) callHere(ctx context.Context, inv *client.Invocation, key string, way []client.Hop) (client.Payload, error) {
	o := client.CallOptions{Timeout: inv.Timeout(), ForwardFor: append(way, l.cluster()), Extra: wamp.Sharding(key)}
	if inv.ReceiveProgress() {
		o.Progress = func(r *client.Result) { inv.Progress(client.Raw(r.Payload)) }
	}
	if inv.More() {
		o.Input = func(ctx context.Context) (client.Payload, bool, error) {
			p, more, err := inv.Input(ctx)
			return client.Raw(p), more, err
		}
	}
	result, err := l.local.Call(ctx, inv.Procedure(), o, client.Raw(inv.Payload))
	if err != nil {
		return client.Payload{}, err
	}
	return client.Raw(result.Payload), nil
}

// suspect forgets the nodes of a link that does not answer. A link that is still running announces them again.
func (l *Link) suspect(name string) {
	if name == "" || !l.calls.shards.drop(name) {
		return
	}
	signal(l.calls.dirty)
	if s := l.current.Load(); s != nil {
		s.askNodes()
	}
}

// unsent returns the answer to a call whose request cannot be sent.
func (l *Link) unsent(err error) error {
	l.status.CallsUp.Drop()
	var large *conn.TooLarge
	switch {
	case errors.As(err, &large):
		return client.NewError(wamp.PayloadSizeExceeded.Error(), err.Error())
	case errors.Is(err, conn.ErrFull):
		return client.NewError(wamp.Unavailable.Error(), err.Error())
	}
	return uplink.ErrUnsent
}

// request returns the message for a call, without a reply subject, and the call's way.
func (l *Link) request(inv *client.Invocation, key string) (q conn.Out, way []client.Hop, err error) {
	procedure := inv.Procedure()
	r, ok := l.calls.imported.Best(procedure)
	if !ok {
		return q, nil, client.NewError(wamp.NoSuchProcedure.Error(), "no rule of the uplink imports it")
	}
	way, ok = l.extendWay(inv.ForwardFor(), client.Hop{Session: inv.Caller(), Authid: inv.CallerAuthid(), Authrole: inv.CallerAuthrole()})
	if !ok {
		l.status.Looped.Add(1)
		return q, nil, client.NewError(wamp.NoSuchProcedure.Error(), "no callee on either side of the uplink")
	}
	if q.Subject, err = subject.Of(r.ToRemote(procedure)); err != nil {
		return q, nil, client.NewError(wamp.NoSuchProcedure.Error(), err.Error())
	}
	if q.Data, err = payload.Encode(inv.Payload, l.opts.Serializer); err != nil {
		return q, nil, client.NewError(wamp.InvalidArgument.Error(), err.Error())
	}
	q.Header = q.Header.Add(payload.TypeField, payload.Call).
		Add(payload.ContentTypeField, payload.ContentType(l.opts.Serializer)).
		Add(payload.HopsField, payload.Hops(way))
	if t := inv.Timeout(); t > 0 {
		q.Header = q.Header.Add(payload.TimeoutField, payload.Timeout(t))
	}
	if inv.ReceiveProgress() {
		q.Header = q.Header.Add(payload.ProgressField, "true")
	}
	if inv.More() {
		q.Header = q.Header.Add(payload.MoreField, "true")
	}
	if key != "" {
		q.Header = q.Header.Add(payload.KeyField, url.PathEscape(key))
	}
	return q, way, nil
}
