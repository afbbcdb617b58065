package jetstream

import (
	"context"
	"errors"
	"sync"
	"time"

	"runnel/uplink/nats/conn"
)

// watchInactive is the time for which the server keeps the consumer of a watch after its connection has ended.
const watchInactive = 5 * time.Minute

// errAgain ends the consumer of a watch after a failure, such as a lost message or a lost server. A new consumer
// begins with the last values.
var errAgain = errors.New("jetstream: the consumer of a watch is lost")

// Watch passes the last value of each key that matches a pattern to a handler, and then each change, until ctx is done
// or the connection ends. Pattern ">" matches all keys. The goroutine of the connection's Run calls the handler, which
// must not wait. Any goroutine calls ready once when the last values are complete; ready may be nil. Entries may be
// repeated, for example after the loss of the watch's server. To recognize repetitions, compare Revision and Born. A
// value that is soon replaced may never be delivered.
func (b *Bucket) Watch(ctx context.Context, pattern string, handler func(*Entry), ready func()) error {
	var once sync.Once
	complete := func() {
		if ready != nil {
			once.Do(ready)
		}
	}
	for pause := newPause(); ; {
		err := b.watch(ctx, pattern, handler, complete)
		if !errors.Is(err, errAgain) && !Temporary(err) || ctx.Err() != nil {
			return err
		}
		if err := pause.wait(ctx, b.js.conn.Done()); err != nil {
			return err
		}
	}
}

// watch is one consumer of a watch.
func (b *Bucket) watch(ctx context.Context, pattern string, handler func(*Entry), complete func()) error {
	c, err := b.js.CreateConsumer(ctx, b.stream(), ConsumerConfig{
		Filter: b.subject(pattern), Deliver: "last_per_subject", Ack: "none", Inactive: watchInactive, Memory: true, Replicas: 1,
	})
	if err != nil {
		return err
	}
	info, err := b.js.Stream(ctx, b.stream()) // c gets no values of a bucket that was created after it
	if err != nil {
		return err
	}
	if c.Pending == 0 {
		complete()
	}
	trouble, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	prefix, last := len(b.subject("")), uint64(0)
	c.pull(trouble, PullOptions{}, func(m *conn.Msg) {
		meta, ok := ParseMeta(m.Reply)
		if !ok || len(m.Subject) < prefix {
			return
		}
		if last++; meta.ConsumerSequence != last {
			cancel(errAgain)
			return
		}
		handler(&Entry{
			Key: string(m.Subject[prefix:]), Value: m.Data, Header: m.Header, Revision: meta.Sequence, Time: meta.Time,
			Born: info.Created, Deleted: deleted(m.Header),
		})
		if meta.Pending == 0 {
			complete()
		}
	}, true)
	if b.js.conn.Err() != nil {
		return conn.ErrClosed
	}
	// Do not wait for the answer to the deletion.
	b.js.conn.Publish(conn.Out{Subject: b.js.prefix + ".CONSUMER.DELETE." + c.Stream + "." + c.Name})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errAgain
}
