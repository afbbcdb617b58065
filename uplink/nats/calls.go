package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
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

	// aliveFirst is when the first sign of life is sent, aliveEvery the pause between two.
	aliveFirst = 500 * time.Millisecond
	aliveEvery = 5 * time.Second

	// patience is how long a caller's link waits for the first sign of life or the answer, unless the call has a
	// longer timeout. After that it waits up to lifeTime for each further sign.
	patience = 10 * time.Second
	lifeTime = 3 * aliveEvery

	// probeAfter is how long it waits before it probes. If the topics of another link cover the subject, it waits for coveredTime.
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

	dirty chan struct{} // holds one signal: the registrations or the connection have changed
	ended chan struct{} // closed when no more calls will arrive
	asked atomic.Int64  // calls to the cluster in progress
	work  sync.WaitGroup

	mu sync.Mutex
	// Guarded by mu.
	running map[string]context.CancelCauseFunc // calls from the cluster by reply subject
}

// times are the pauses and waits of calls. Tests shorten them.
type times struct{ aliveFirst, aliveEvery, patience, life, probe, covered time.Duration }

// newCalls checks the rules of procedures.
func (l *Link) newCalls() error {
	c := &l.calls
	c.dirty, c.running = make(chan struct{}, 1), make(map[string]context.CancelCauseFunc)
	c.ended = make(chan struct{})
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
			Refused: func(err error) { l.ruled(what, err) },
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

// lingerCalls waits briefly for the calls in progress in both directions, before the link ends.
func (s *session) lingerCalls() {
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

// errUnsent is the answer to a call that was not sent, so the router may try another link.
var errUnsent = func() *client.Error {
	e := client.NewError(wamp.NetworkFailure.Error(), "the link is down")
	var d codec.Builder
	d.Reset(wamp.CBOR, nil)
	d.Bool(wamp.KeyUnsent, true)
	e.Details = d.Dict()
	return e
}()

// forward makes a local call at the cluster. INTERRUPT cancels ctx, and so the call, in the same mode.
func (l *Link) forward(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
	s := l.current.Load()
	if s == nil {
		l.status.CallsUp.Drop()
		return client.Payload{}, errUnsent
	}
	q, err := l.request(inv)
	if err != nil {
		return client.Payload{}, err
	}
	l.calls.asked.Add(1)
	defer l.calls.asked.Add(-1)
	in := &answers{wake: make(chan struct{}, 1)}
	box, err := s.conn.Inbox(in.put)
	if err == nil {
		defer box.Close()
		q.Reply = box.Subject
		err = s.conn.Publish(q)
	}
	if err != nil {
		return client.Payload{}, l.unsent(err)
	}
	result, err := (&waiting{link: l, session: s, request: &q, call: inv, in: in}).await(ctx)
	if errors.Is(err, wamp.NetworkFailure) {
		l.status.CallsUp.Drop()
	} else {
		l.status.CallsUp.Forward() // an error is an answer
	}
	return result, err
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
	return errUnsent
}

// request returns the message for a call, without the subject for answers.
func (l *Link) request(inv *client.Invocation) (q conn.Out, err error) {
	procedure := inv.Procedure()
	r, ok := l.calls.imported.Best(procedure)
	if !ok {
		return q, client.NewError(wamp.NoSuchProcedure.Error(), "no rule of the uplink imports it")
	}
	if inv.More() {
		return q, client.NewError(wamp.FeatureNotSupported.Error(), "calls with progressive arguments do not cross a link to NATS")
	}
	way, ok := l.leaveBy(inv.ForwardFor(), client.Hop{Session: inv.Caller(), Authid: inv.CallerAuthid(), Authrole: inv.CallerAuthrole()})
	if !ok {
		l.status.Looped.Add(1)
		return q, client.NewError(wamp.NoSuchProcedure.Error(), "no callee on either side of the uplink")
	}
	if q.Subject, err = subject.Of(r.ToRemote(procedure)); err != nil {
		return q, client.NewError(wamp.NoSuchProcedure.Error(), err.Error())
	}
	if q.Data, err = payload.Encode(inv.Payload, l.opts.Serializer); err != nil {
		return q, client.NewError(wamp.InvalidArgument.Error(), err.Error())
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
	return q, nil
}

// answers holds the answers to a request that are not handled yet.
type answers struct {
	wake chan struct{} // holds one signal

	mu sync.Mutex
	// Guarded by mu.
	list []*conn.Msg
	size int
	err  error // no more answers will arrive
}

var errProgressNotTaken = client.NewError(wamp.Canceled.Error(), "progressive results were not taken in time")

// put adds an answer or the end of the connection. The goroutine that reads calls it.
func (a *answers) put(m *conn.Msg, err error) {
	a.mu.Lock()
	switch {
	case err != nil:
		a.err = client.NewError(wamp.NetworkFailure.Error(), err.Error())
		if d := (*conn.Denied)(nil); errors.As(err, &d) {
			a.err = client.NewError(wamp.NotAuthorized.Error(), err.Error())
		}
	case a.size > 0 && a.size+len(m.Data) > maxProgress:
		a.err = errProgressNotTaken
	case a.err == nil:
		a.list = append(a.list, m.Clone())
		a.size += len(m.Data) + len(m.Header) + msgSize
	}
	a.mu.Unlock()
	signal(a.wake)
}

func (a *answers) take() (list []*conn.Msg, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list, a.list, a.size = a.list, nil, 0
	return list, a.err
}

// waiting is a call to the cluster until its end.
type waiting struct {
	link    *Link
	session *session
	request *conn.Out
	call    *client.Invocation
	in      *answers

	canceled <-chan struct{} // nil: the call was canceled
	timer    *time.Timer
	quiet    time.Duration // of the timer
	probing  bool          // the timer starts the probe
	silence  wamp.Failure  // of a call without answer
}

// await returns the answer to a request, and passes on progressive results.
func (w *waiting) await(ctx context.Context) (client.Payload, error) {
	w.quiet, w.probing, w.silence, w.canceled = w.link.calls.times.probe, true, wamp.NetworkFailure, ctx.Done()
	w.timer = time.NewTimer(w.quiet)
	defer w.timer.Stop()
	for {
		var p client.Payload
		var over bool
		var err error
		select {
		case <-w.in.wake:
			p, over, err = w.handle()
		case <-w.timer.C:
			over, err = w.silent()
		case <-w.canceled:
			over, err = w.interrupt(ctx)
		}
		if over || err != nil {
			return p, err
		}
	}
}

// handle handles the answers that have arrived.
func (w *waiting) handle() (p client.Payload, over bool, err error) {
	list, err := w.in.take()
	for _, m := range list {
		switch kind := string(m.Header.Get(payload.TypeField)); kind {
		case payload.Alive:
			w.quiet, w.probing, w.silence = w.link.calls.times.life, false, wamp.NetworkFailure
		case payload.Covered:
			w.covered()
		case payload.Progress:
			if p, err := decode(m); err == nil {
				w.call.Progress(client.Raw(p))
			}
		case "":
			if stored(m) {
				w.covered()
				continue
			}
			fallthrough
		default:
			p, err = answerOf(m, kind)
			return p, true, err
		}
	}
	if err == errProgressNotTaken {
		w.session.cancel(w.request.Reply, wamp.KillNoWait)
	}
	if w.canceled != nil {
		w.timer.Reset(w.quiet)
	}
	return p, false, err
}

// covered notes that the server cannot report whether the subject has a callee.
func (w *waiting) covered() {
	if w.quiet != w.link.calls.times.life {
		w.quiet, w.silence, w.probing = w.link.calls.times.covered, wamp.NoSuchProcedure, false
	}
}

// silent probes, or ends a call without an answer.
func (w *waiting) silent() (over bool, err error) {
	if w.probing {
		w.probe()
		w.quiet, w.probing = max(w.link.calls.times.patience, w.call.Timeout()), false
		w.timer.Reset(w.quiet)
		return false, nil
	}
	w.session.cancel(w.request.Reply, wamp.KillNoWait)
	return true, client.NewError(w.silence.Error(), fmt.Sprintf("no callee has answered or given a sign of life for %v", w.quiet))
}

// interrupt cancels the call. With wamp.Kill the callee's answer ends it.
func (w *waiting) interrupt(ctx context.Context) (over bool, err error) {
	mode := wamp.KillNoWait
	if why := (*client.Interrupt)(nil); errors.As(context.Cause(ctx), &why) {
		mode = why.Mode
	}
	if mode != wamp.Skip {
		w.session.cancel(w.request.Reply, mode)
	}
	if mode != wamp.Kill {
		return true, ctx.Err()
	}
	w.canceled, w.probing, w.quiet = nil, false, w.link.opts.AnswerTime
	w.timer.Reset(w.quiet)
	return false, nil
}

// cancel asks the callee's link to cancel a call.
func (s *session) cancel(reply string, mode wamp.CancelMode) {
	s.conn.Publish(conn.Out{Subject: callsSubject, Header: conn.Header(nil).Add(payload.TypeField, payload.Cancel).
		Add(payload.CallField, reply).Add(payload.ModeField, mode.String())})
}

// probe asks the other links whether they import topics that cover the subject of a call. It is a separate request:
// without other links the server reports no responders for the probe, which says nothing about the call.
func (w *waiting) probe() {
	w.session.conn.Send(conn.Out{Subject: callsSubject, Header: conn.Header(nil).Add(payload.TypeField, payload.Probe).
		Add(payload.CallField, w.request.Subject)}, w.link.calls.times.patience, func(m *conn.Msg, err error) {
		if err == nil {
			w.in.put(m, nil)
		}
	})
}

// answerOf returns the result or the error in an answer.
func answerOf(m *conn.Msg, kind string) (client.Payload, error) {
	if m.NoResponders() {
		return client.Payload{}, client.NewError(wamp.NoSuchProcedure.Error(), "nothing at the NATS cluster answers at this subject")
	}
	p, err := decode(m)
	if err != nil {
		return client.Payload{}, client.NewError(wamp.InvalidArgument.Error(), "the answer can't be read: "+err.Error())
	}
	service, code := string(m.Header.Get(payload.ServiceError)), string(m.Header.Get(payload.ServiceErrorCode))
	switch {
	case kind == payload.Error:
		uri := string(m.Header.Get(payload.ErrorField))
		if !wamp.ValidURI(uri, wamp.Exact, false) {
			uri = runtimeError
		}
		return client.Payload{}, &client.Error{URI: uri, Body: client.Body{Payload: p}}
	case code != "" || service != "":
		return client.Payload{}, serviceError(service, code, p)
	}
	return client.Raw(p), nil
}

// runtimeError is the URI of an error that has only a text.
const runtimeError = "wamp.error.runtime_error"

// serviceError returns the error of a micro service: nats.error.CODE with the text, and with the data if there are any.
func serviceError(text, code string, p codec.Payload) error {
	uri := "nats.error"
	if n, err := strconv.ParseUint(code, 10, 31); err == nil {
		uri += "." + strconv.FormatUint(n, 10)
	}
	args, kwargs, _ := p.Decode()
	e := &client.Error{URI: uri}
	e.Payload, _ = codec.NewPayload(wamp.CBOR, append([]any{text}, args...), kwargs)
	return e
}

// stored reports whether an answer comes from a stream that covers the subject. Such a stream acknowledges the
// request as if it were an event.
func stored(m *conn.Msg) bool {
	if !strings.HasPrefix(string(m.Data), `{"stream":`) {
		return false
	}
	p, err := payload.Decode("application/json", m.Data)
	args, _, _ := p.Decode()
	if err != nil || len(args) != 1 {
		return false
	}
	ack, _ := args[0].(map[string]any)
	_, named := ack["stream"].(string)
	_, numbered := ack["seq"].(int64)
	return named && numbered
}

func decode(m *conn.Msg) (codec.Payload, error) {
	return payload.Decode(string(m.Header.Get(payload.ContentTypeField)), m.Data)
}
