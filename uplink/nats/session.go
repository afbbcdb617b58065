package nats

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/spool"
)

// session is one connection with a server. The goroutine of conn's Run reads and calls all handlers. Other goroutines
// drain the spool, confirm messages of core NATS, and watch JetStream.
type session struct {
	// Static after join.
	link  *Link
	conn  *conn.Conn
	js    *jetstream.JetStream
	open  context.Context // ends with the session
	nodes *conn.Inbox     // for the nodes of other links; nil: no procedures cross
	end   context.CancelCauseFunc

	work        sync.WaitGroup
	unconfirmed atomic.Int64  // events of core NATS that the server has not confirmed
	prepared    chan struct{} // closed once it is known whether JetStream answers
	trouble     chan struct{} // holds one signal: JetStream has failed
	slots       chan struct{} // an item for each event that JetStream has not answered
	written     chan struct{} // holds one signal: an event was added to sent
	proven      atomic.Bool   // JetStream has stored an event in this session
	plain       atomic.Bool   // the cluster has no JetStream
	away        atomic.Pointer[string]
	sources     atomic.Pointer[map[string]bool]  // the streams that may acknowledge events; nil: unknown
	bucket      atomic.Pointer[jetstream.Bucket] // nil: none so far
	bucketAway  atomic.Pointer[string]           // why the bucket accepts no values; nil: it does
	watching    atomic.Bool                      // the values of the bucket are being imported

	// Owned by watchStreams.
	silent     map[string]time.Time // consumers that do not answer, and the start of their silence
	streams    map[*way]storage     // of the rules
	since      map[*way]time.Time   // when the durable imports began, by the clock of the servers
	bucketGone time.Time            // when the existing bucket disappeared; zero: it exists

	mu sync.Mutex
	// Guarded by mu.
	sent, flushed wave              // events of core NATS before and during a flush
	refused       map[string]string // the server's errors by denied subject, for the last ones
	pulling       map[string]bool   // durable imports that are being consumed, by rule and stream
	ended         map[string]*part  // durable imports that are no longer consumed
	lacks         map[*need]bool    // permissions that the server has denied
}

// parcel is an event in flight.
type parcel struct {
	sequence uint64
	topic    string
	subject  string
	value    *value // for the bucket, when the event was delivered; nil: it is not retained
	waits    bool   // it is only a value that waits for the bucket
	again    bool   // the value has already waited in this run
}

// wave is events of core NATS that the server has not confirmed.
type wave struct {
	parcels []parcel
	denied  map[string]string // the server's error by subject; "": not denied so far
}

func (w *wave) add(p parcel) {
	if w.denied == nil {
		w.denied = make(map[string]string)
	}
	w.parcels = append(w.parcels, p)
	if _, known := w.denied[p.subject]; !known {
		w.denied[p.subject] = ""
	}
}

const (
	underWay  = 256 // events that JetStream has not answered
	maxDenied = 1024

	// leaveTime bounds the orderly end of a connection.
	leaveTime = 2 * time.Second
)

func newSession(l *Link) *session {
	s := &session{
		link: l, prepared: make(chan struct{}), trouble: make(chan struct{}, 1), slots: make(chan struct{}, underWay),
		written: make(chan struct{}, 1), refused: make(map[string]string), pulling: make(map[string]bool), lacks: make(map[*need]bool), ended: make(map[string]*part), silent: make(map[string]time.Time),
		since: make(map[*way]time.Time),
	}
	s.open, s.end = context.WithCancelCause(context.Background())
	return s
}

// complete prepares a session whose handshake is done.
func (s *session) complete() {
	s.js = jetstream.New(s.conn, jetstream.Options{Timeout: s.link.opts.AnswerTime})
}

func (s *session) protocol() string { return "NATS " + s.conn.Info().Version }

// run serves the connection until it ends or ctx is done, and returns why it has ended.
func (s *session) run(ctx context.Context) error {
	sending, stop := context.WithCancel(s.open)
	defer stop()
	work := &s.work
	work.Go(func() { s.end(s.conn.Run(s.open)) })
	s.subscribe()
	s.beginCalls()
	work.Go(s.checkNeeds)
	work.Go(func() { s.watchStreams(sending) })
	work.Go(s.confirm)
	work.Go(func() {
		if err := s.drain(sending); err != nil && sending.Err() == nil {
			s.end(err)
		}
	})
	select {
	case <-ctx.Done():
		stop()
		s.awaitCalls()
		s.awaitAnswers()
		s.end(ctx.Err())
	case <-s.open.Done():
	}
	work.Wait()
	return context.Cause(s.open)
}

// awaitAnswers waits briefly for the answers to all sent messages.
func (s *session) awaitAnswers() {
	ctx, cancel := context.WithTimeout(s.open, leaveTime)
	defer cancel()
	if s.conn.Flush(ctx) != nil {
		return
	}
	for (len(s.slots) > 0 || s.unconfirmed.Load() > 0) && ctx.Err() == nil {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// signal wakes the goroutine that waits for c.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// denied records a subject for which the user has no permission. For subscriptions of topics and procedures see
// checkImports and offers.
func (s *session) denied(d *conn.Denied) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.need(d); n != nil {
		s.lacks[n] = true
		s.link.recordRule(n.what, n.denial(d.Text))
	}
	if !d.Publish || d.Subject == "" {
		return
	}
	for _, w := range []*wave{&s.sent, &s.flushed} {
		if _, known := w.denied[d.Subject]; known {
			w.denied[d.Subject] = d.Text
		}
	}
	for other := range s.refused {
		if len(s.refused) < maxDenied {
			break
		}
		delete(s.refused, other) // the next event of this subject is sent, and denied again
	}
	s.refused[d.Subject] = d.Text
}

// need is a permission that belongs to no rule.
type need struct {
	prefix, what, allow string
	publish, calls      bool // calls: only procedures need it
}

var needs = []need{
	{"_INBOX.", "answers", "_INBOX.>", false, false},
	{"_INBOX.", "answers to others", "_INBOX.>", true, false},
	{callsSubject, "calls", callsSubject, false, true},
	{callsSubject, "calls of others", callsSubject, true, true},
	{linkSubject, "calls to this router", linkSubject + ">", false, true},
	{linkSubject, "calls to one router", linkSubject + ">", true, true},
}

// need returns the permission that the server denies; nil: the permission belongs to a rule.
func (s *session) need(d *conn.Denied) *need {
	c := &s.link.calls
	for i := range needs {
		n := &needs[i]
		if n.publish == d.Publish && strings.HasPrefix(d.Subject, n.prefix) && (!n.calls || len(c.imports)+len(c.exports) > 0) {
			return n
		}
	}
	return nil
}

func (n *need) denial(text string) error {
	verb := "subscribe to "
	if n.publish {
		verb = "publish to "
	}
	return errors.New("the server says: " + text + "; allow the user of this link to " + verb + n.allow)
}

// checkNeeds records which permissions the server has not denied in this session.
func (s *session) checkNeeds() {
	if s.conn.Flush(s.open) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range needs {
		if n := &needs[i]; !s.lacks[n] {
			s.link.recordRule(n.what, nil)
		}
	}
}

// oversize counts a message that is too large.
func (s *session) oversize(m *conn.Msg, size int) {
	s.link.refuse(&s.link.status.EventsDown, "message not taken", string(m.Subject), errTooLarge)
}

// reject holds an event that cannot be sent, or drops it if its class is Memory.
func (s *session) reject(sequence uint64, topic string, err error) {
	l := s.link
	if l.opts.Spool.Hold(sequence, err.Error()) {
		return
	}
	l.refuse(&l.status.EventsUp, "cannot forward the event", topic, err)
	l.opts.Spool.Ack(sequence)
}

// publish sends an event of core NATS. confirm waits for the server's answer. publish holds mu, so that no denial is
// handled between sending and recording the event.
func (s *session) publish(p parcel, m conn.Out) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.Publish(m); err != nil {
		return err
	}
	s.unconfirmed.Add(1)
	s.sent.add(p)
	signal(s.written)
	return nil
}

// confirm removes events of core NATS from the spool once the server has them: when it has answered a later PING.
func (s *session) confirm() {
	for {
		select {
		case <-s.written:
		case <-s.open.Done():
			return
		}
		s.mu.Lock()
		s.flushed, s.sent = s.sent, wave{}
		s.mu.Unlock()
		if err := s.conn.Flush(s.open); err != nil {
			s.end(err) // the next session sends them again
			return
		}
		s.mu.Lock()
		flushed := s.flushed
		for subject, text := range flushed.denied {
			if text == "" {
				delete(s.refused, subject)
			}
		}
		s.flushed = wave{}
		s.mu.Unlock()
		for i := range flushed.parcels {
			p := &flushed.parcels[i]
			switch text := flushed.denied[p.subject]; {
			case text != "":
				s.reject(p.sequence, p.topic, denial(p.subject, text))
			case p.value != nil:
				select {
				case s.slots <- struct{}{}:
					s.put(*p)
				case <-s.open.Done():
					return
				}
			default:
				s.link.opts.Spool.Ack(p.sequence)
				s.link.status.EventsUp.Forward()
			}
		}
		s.unconfirmed.Add(-int64(len(flushed.parcels)))
	}
}

func denial(subject, text string) error {
	return errors.New("the server says: " + text + "; allow the user of this link to publish to " + subject)
}

// lasting reports whether an event is stored by a stream.
func lasting(e *spool.Event) bool { return e.Gap == nil && e.Class != spool.Memory }
