package nats

import (
	"context"
	"fmt"
	"sync"

	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
	"runnel/uplink/spool"
)

// Retained events are kept in a key-value bucket by their URI. A link puts an event there when it sends it, and publishes the
// values that it imports when it connects.

// latest records which values of the bucket the local realm has.
type latest struct {
	mu        sync.Mutex
	revisions map[string]uint64 // by key; guarded by mu
}

// newer records a value, and reports whether the realm lacks it.
func (l *latest) newer(key string, revision uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.revisions == nil {
		l.revisions = make(map[string]uint64)
	}
	if revision <= l.revisions[key] || len(l.revisions) >= maxKeys && l.revisions[key] == 0 {
		return false
	}
	l.revisions[key] = revision
	return true
}

// maxKeys bounds the retained events that a link imports.
const maxKeys = 64 << 10

// prepareBucket creates the bucket, and publishes its values in the realm.
func (s *session) prepareBucket(ctx context.Context) error {
	o := &s.link.opts
	if o.Bucket == "" || s.bucket.Load() != nil {
		return nil
	}
	b, err := s.js.Bucket(ctx, o.Bucket)
	if jetstream.IsCode(err, jetstream.CodeStreamNotFound) {
		b, err = s.js.CreateBucket(ctx, jetstream.BucketConfig{Bucket: o.Bucket, Replicas: s.replicas(), Description: "made by Runnel"})
	}
	if jetstream.Temporary(err) && !s.isPlain(err) {
		return err
	}
	if err == nil {
		s.bucket.Store(b)
		if len(s.link.imports) > 0 {
			s.work.Go(func() { s.bring(b) })
		}
	} else {
		err = fmt.Errorf("open bucket %s: %w", o.Bucket, err)
	}
	s.link.ruled("bucket "+o.Bucket, err)
	return nil
}

// retain puts an event into the bucket if it is retained.
func (s *session) retain(e *spool.Event, m conn.Out) {
	b := s.bucket.Load()
	if b == nil || string(m.Header.Get(payload.RetainField)) != "true" {
		return
	}
	what := "bucket " + b.Name
	err := b.Send(subject.Key(e.Topic), m.Header, m.Data, func(_ jetstream.PubAck, err error) { s.link.ruled(what, err) })
	if err != nil {
		s.link.ruled(what, err)
	}
}

// bring publishes those values of the bucket that the rules import.
func (s *session) bring(b *jetstream.Bucket) {
	ctx, done := context.WithCancel(s.open)
	defer done()
	err := b.Watch(ctx, ">", func(e *jetstream.Entry) {
		uri, ok := subject.OfKey(e.Key)
		if !ok || e.Deleted || !s.link.latest.newer(e.Key, e.Revision) {
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
	}, done)
	if ctx.Err() == nil {
		s.link.log.Warn("retained events are not imported", "bucket", b.Name, "err", err)
	}
}
