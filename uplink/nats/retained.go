package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
	"runnel/uplink/spool"
)

// A key-value bucket keeps retained events by their URI. A link puts an event there after its delivery. When the link
// connects, it publishes the values that it imports. A value that the bucket does not accept goes back into the spool
// under a topic of its own. The spool holds and resends it until the bucket has it, or a later value of the same topic.

// latest records which values of the bucket the local realm has.
type latest struct {
	mu sync.Mutex
	// Guarded by mu.
	born      time.Time         // when the bucket was created
	revisions map[string]uint64 // by key
}

// newer records a value, and reports whether the realm lacks it.
func (l *latest) newer(e *jetstream.Entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.revisions == nil || !e.Born.Equal(l.born) {
		l.born, l.revisions = e.Born, make(map[string]uint64)
	}
	last := l.revisions[e.Key]
	if e.Revision <= last || len(l.revisions) >= maxKeys && last == 0 {
		return false
	}
	l.revisions[e.Key] = e.Revision
	return true
}

const (
	maxKeys = 64 << 10 // retained events that a link imports

	// A realm whose spool is not on disk keeps this many bytes for an unavailable bucket.
	maxParked      = 1024
	maxParkedBytes = 1 << 20

	// bucketMark begins the topic of a value in the spool. No URI contains a space.
	bucketMark = "bucket "

	bucketReason = "the bucket does not store it: %w"
)

// value is a retained event for the bucket.
type value struct {
	topic, key, origin string
	event              *spool.Event // from the spool
	out                conn.Out     // header and data
}

// value returns the value of an event that was converted to message m; nil: the event is not retained.
func (l *Link) value(e *spool.Event, topic string, m *conn.Out) *value {
	if l.opts.Bucket == "" || e.Gap != nil || string(m.Header.Get(payload.RetainField)) != "true" {
		return nil
	}
	return &value{topic, subject.Key(topic), string(m.Header.Get(payload.OriginField)), e, *m}
}

// again returns the value as an event for the spool.
func (v *value) again() spool.Event {
	e := spool.Event{Class: max(v.event.Class, spool.Disk), Time: v.event.Time, Topic: bucketMark + v.topic, Options: v.event.Options,
		Payload: v.event.Payload, Expires: v.event.Expires}
	if conn.Header(e.Options).Get(payload.OriginField) == nil {
		e.Options = conn.Header(append([]byte(nil), e.Options...)).Add(payload.OriginField, v.origin)
	}
	return e
}

// puts tracks the newest value of each key that is being written to the bucket or waits for it. This prevents an older
// value from being written after a newer one.
type puts struct {
	mu sync.Mutex
	// Guarded by mu.
	keys   map[string]*putting
	parked map[string]spool.Event // by topic: values waiting in memory, because the spool is not on disk
	bytes  int                    // of these
}

// putting holds the pending writes of one key.
type putting struct {
	newest   string // origin of the newest value
	owed     string // origin of the newest value in the spool; "": the spool has none
	unproven int    // number of values that the bucket has not answered
}

// send sends a value by a function that does not wait. If a newer value of the key is known, it sends nothing and
// returns false. again means that the value has waited in the spool in this run.
func (p *puts) send(v *value, again bool, by func() error) (sent bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.take(v, again)
	if k == nil {
		return false, nil
	}
	k.unproven++
	p.forgetInMemory(bucketMark + v.topic)
	return true, by()
}

// take makes a value the newest one of its key, and returns the key's state. It returns nil if a newer value is known.
// The caller holds mu.
func (p *puts) take(v *value, again bool) *putting {
	k := p.keys[v.key]
	if k == nil {
		if k = new(putting); len(p.keys) < maxKeys {
			if p.keys == nil {
				p.keys = make(map[string]*putting)
			}
			p.keys[v.key] = k
		}
	} else if again && k.newest != v.origin {
		if k.owed == v.origin {
			k.owed = ""
		}
		p.forgetIfIdle(v.key, k)
		return nil
	}
	k.newest = v.origin
	return k
}

// finish records the result of a put. It reports whether the value is the newest one of its key. If so, keep puts the
// value into the spool under mu, so that no older value can follow it. keep is nil if the value is stored or already in
// the spool.
func (p *puts) finish(v *value, stored bool, keep func()) (newest bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.keys[v.key]
	if k == nil {
		k = &putting{newest: v.origin, unproven: 1} // too many keys were pending
	}
	if k.unproven--; stored && k.owed == v.origin {
		k.owed = ""
	}
	if newest = k.newest == v.origin; newest && keep != nil {
		k.owed = v.origin
		keep()
	}
	p.forgetIfIdle(v.key, k)
	return newest
}

// noteInSpool records that a value stays in the spool. It returns false if a newer value of the key is known.
func (p *puts) noteInSpool(v *value, again bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.take(v, again)
	if k != nil {
		k.owed = v.origin
	}
	return k != nil
}

// forgetIfIdle forgets a key without pending writes. The caller holds mu.
func (p *puts) forgetIfIdle(key string, k *putting) {
	if k.unproven <= 0 && k.owed == "" {
		delete(p.keys, key)
	}
}

// keepInMemory keeps a value in memory. It returns false if there is no room.
func (p *puts) keepInMemory(e *spool.Event) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetInMemory(e.Topic)
	size := len(e.Options) + len(e.Payload.Raw)
	if len(p.parked) >= maxParked || p.bytes+size > maxParkedBytes {
		return false
	}
	if p.parked == nil {
		p.parked = make(map[string]spool.Event)
	}
	p.parked[e.Topic] = *e
	p.bytes += size
	return true
}

// forgetInMemory forgets a value in memory. The caller holds mu.
func (p *puts) forgetInMemory(topic string) {
	if e, ok := p.parked[topic]; ok {
		p.bytes -= len(e.Options) + len(e.Payload.Raw)
		delete(p.parked, topic)
	}
}

// takeFromMemory removes and returns all values in memory.
func (p *puts) takeFromMemory() map[string]spool.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	parked := p.parked
	p.parked, p.bytes = nil, 0
	return parked
}

// prepareBucket creates the bucket, and imports its values into the realm. Values wait until it succeeds. An operator
// may delete a bucket to create another one, so the link waits before it creates one itself.
func (s *session) prepareBucket(ctx context.Context) error {
	o := &s.link.opts
	if o.Bucket == "" {
		return nil
	}
	b, away := s.bucket.Load(), s.bucketAway.Load()
	if b == nil || away != nil {
		found, err := s.js.Bucket(ctx, o.Bucket)
		if jetstream.IsCode(err, jetstream.CodeStreamNotFound) {
			if b != nil && s.bucketGone.IsZero() {
				s.bucketGone = time.Now()
			}
			if time.Since(s.bucketGone) > askSeldom {
				found, err = s.js.CreateBucket(ctx, jetstream.BucketConfig{Bucket: o.Bucket, Replicas: s.replicas(), Description: "made by Runnel"})
			}
		}
		if err != nil {
			err = fmt.Errorf("open bucket %s: %w", o.Bucket, err)
			s.bucketFails(err)
			return err
		}
		b, s.bucketGone = found, time.Time{}
		s.bucket.Store(b)
		s.bucketIsBack()
	}
	if len(s.link.imports) > 0 && s.watching.CompareAndSwap(false, true) {
		s.work.Go(func() { s.publishBucket(b) })
	}
	return nil
}

// bucketFails records that the bucket currently accepts no values.
func (s *session) bucketFails(err error) {
	text := fmt.Errorf(bucketReason, err).Error()
	s.bucketAway.Store(&text)
	s.link.recordRule("bucket "+s.link.opts.Bucket, err)
}

// bucketIsBack makes the spool send the waiting values.
func (s *session) bucketIsBack() {
	was := s.bucketAway.Swap(nil)
	s.link.recordRule("bucket "+s.link.opts.Bucket, nil)
	for _, e := range s.link.puts.takeFromMemory() {
		s.link.opts.Spool.Put(e, nil)
	}
	if was != nil {
		s.link.opts.Spool.Retry()
	}
}

// putAgain sends a value from the spool.
func (s *session) putAgain(ctx context.Context, e *spool.Event, topic string) error {
	l := s.link
	of := *e
	of.Topic = topic
	m, err := l.message(&of, true)
	p := parcel{sequence: e.Sequence, topic: e.Topic, waits: true, again: e.Epoch == l.opts.Spool.Epoch()}
	if err == nil {
		p.value = l.value(e, topic, &m)
	}
	if p.value == nil { // the value is damaged, or the link no longer has a bucket
		l.opts.Spool.Ack(e.Sequence)
		return nil
	}
	if away := s.bucketAway.Load(); away != nil && !e.Probe {
		s.wait(p, errors.New(*away))
		return nil
	}
	select {
	case s.slots <- struct{}{}:
		s.put(p)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// put puts a retained event into the bucket after its delivery, or retries that. The caller has taken a slot.
func (s *session) put(p parcel) {
	v, b := p.value, s.bucket.Load()
	if !p.waits {
		s.link.opts.Spool.Supersede(bucketMark + v.topic)
	}
	sent, err := s.link.puts.send(v, p.waits && p.again, func() error {
		if away := s.bucketAway.Load(); away != nil && !p.waits || b == nil {
			return errors.New(*cmp.Or(away, &noBucket))
		}
		return b.Send(v.key, v.out.Header, v.out.Data, func(_ jetstream.PubAck, err error) { s.answered(p, err) })
	})
	if !sent {
		s.finish(p)
	} else if err != nil {
		s.answered(p, err)
	}
}

var noBucket = "the bucket is not open yet"

// answered handles the bucket's answer to a value without waiting.
func (s *session) answered(p parcel, err error) {
	l, v := s.link, p.value
	closed := err != nil && (errors.Is(err, conn.ErrClosed) || s.open.Err() != nil)
	var keep func()
	if err != nil && !closed && !p.waits {
		keep = func() { l.opts.Spool.Put(v.again(), func(err error) { s.noteSpooled(p, err) }) }
	}
	newest := l.puts.finish(v, err == nil, keep)
	if closed {
		<-s.slots
		return // the next session sends it again
	}
	if err == nil && s.bucketAway.Load() != nil {
		s.bucketIsBack()
	}
	if err == nil || !newest {
		s.finish(p)
		return
	}
	if s.bucketAway.Load() == nil {
		s.bucketFails(err)
		signal(s.trouble)
	}
	if p.waits {
		<-s.slots
		s.wait(p, fmt.Errorf(bucketReason, err))
	}
}

// noteSpooled records that the spool keeps a value, or why it cannot. The event itself was delivered.
func (s *session) noteSpooled(p parcel, err error) {
	if err == nil {
		s.finish(p)
		return
	}
	<-s.slots
	s.reject(p.sequence, p.topic, err)
}

// wait holds a value from the spool until the bucket accepts it.
func (s *session) wait(p parcel, err error) {
	l := s.link
	if !l.puts.noteInSpool(p.value, p.again) {
		l.opts.Spool.Ack(p.sequence)
		return
	}
	if l.opts.Spool.Hold(p.sequence, err.Error()) {
		return
	}
	if again := p.value.again(); !l.puts.keepInMemory(&again) {
		l.refuse(&l.status.EventsUp, "retained event not kept", p.topic, err)
	}
	l.opts.Spool.Ack(p.sequence)
}

// finish removes a delivered event from the spool, and releases its slot.
func (s *session) finish(p parcel) {
	s.link.opts.Spool.Ack(p.sequence)
	if !p.waits {
		s.link.status.EventsUp.Forward()
	}
	<-s.slots
}

// publishBucket publishes the values of the bucket that the rules import.
func (s *session) publishBucket(b *jetstream.Bucket) {
	ctx, done := context.WithCancel(s.open)
	defer done()
	err := b.Watch(ctx, ">", func(e *jetstream.Entry) {
		uri, ok := subject.OfKey(e.Key)
		if !ok || e.Deleted || !s.link.latest.newer(e) {
			return
		}
		l, err := s.link.open(uri, e.Header, nil, e.Value)
		if err == errNotForUs || err == nil && l.origin != "" && !s.link.recent.first(l.origin) {
			return
		}
		if err == nil {
			l.o.Retain, l.o.Origin = true, nil
			err = s.link.local.Publish(s.open, l.uri, l.o, l.body)
		}
		s.link.published(uri, err)
	}, nil)
	if ctx.Err() != nil || errors.Is(err, conn.ErrClosed) {
		return
	}
	s.link.log.Warn("cannot import retained events; retrying", "bucket", b.Name, "err", err)
	s.bucketFails(err) // the bucket may have been deleted; see prepareBucket
	s.watching.Store(false)
	signal(s.trouble)
}
