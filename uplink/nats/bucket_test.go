package nats_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/spool"
)

// api sends a request to the API of JetStream.
func (p *plain) api(t *testing.T, call, data string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	_, err := p.Request(ctx, conn.Out{Subject: "$JS.API." + call, Data: []byte(data)})
	kit.Must(t, err)
}

// value waits until a bucket has a value.
func (p *plain) value(t *testing.T, bucket, key, want string) {
	t.Helper()
	var got string
	kit.Eventually(t, key+" in the bucket", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		b, err := p.js.Bucket(ctx, bucket)
		if err != nil {
			got = err.Error()
			return false
		}
		e, err := b.Get(ctx, key)
		if got = fmt.Sprint(err); err == nil {
			got = string(e.Value)
		}
		return got == want
	}, func() string { return got })
}

// retained publishes a retained event.
func retained(t *testing.T, c *client.Client, topic string, args ...any) {
	t.Helper()
	kit.Must(t, c.Publish(context.Background(), topic, client.PublishOptions{Acknowledge: true, Retain: true}, client.Args(args...)))
}

// While the bucket is unavailable, events still cross. The newest value of each topic waits, and the bucket gets it
// later, whatever the class of the event. With a spool on disk, this also holds after a restart.
func TestBucketIsAway(t *testing.T) { kit.EachNATS(t, testBucketIsAway) }

func testBucketIsAway(t *testing.T, binary string) {
	for _, c := range []struct {
		class   spool.Class
		disk    bool
		restart bool
	}{{spool.Memory, true, false}, {spool.Memory, false, false}, {spool.Durable, true, false}, {spool.Durable, true, true}, {spool.Memory, true, true}} {
		t.Run(fmt.Sprintf("%v disk=%v restart=%v", c.class, c.disk, c.restart), func(t *testing.T) {
			server := kit.StartNATS(t, binary, withJetStream)
			program := newPlain(t, server)
			o := spool.Options{Sync: time.Millisecond, RetryFirst: 50 * time.Millisecond, RetryLast: 200 * time.Millisecond}
			if c.disk {
				o.Dir = t.TempDir()
			}
			open := func() *spool.Spool {
				s, err := spool.Open(o)
				kit.Must(t, err)
				return s
			}
			opts := nats.Options{Export: []nats.Rule{topics("com.example.", c.class)}, Bucket: "retained", Spool: open(), AnswerTime: kit.Patience}
			a := newSite(t, "a", opts, server)
			speaker := a.program()
			a.spool = opts.Spool
			retained(t, speaker, "com.example.state", 0)
			expect(t, program.heard, "com.example.state 0")
			program.value(t, "retained", "com.example.state", "0")
			a.await("drained", isDrained)
			program.api(t, "STREAM.DELETE.KV_retained", "")
			for i := range 20 {
				retained(t, speaker, "com.example.state", 1+i)
				retained(t, speaker, "com.example.other", -i)
			}
			for i := range 20 {
				expect(t, program.heard, fmt.Sprint("com.example.state ", 1+i), fmt.Sprint("com.example.other ", -i))
			}
			if c.disk {
				a.await("the newest values wait", func(s uplink.State) bool {
					return s.Queue.Events == 2 && s.Queue.Held.Events == 2 && s.Queue.Dropped.Events == 0
				})
			} else {
				a.await("the newest values wait in memory", func(s uplink.State) bool { return s.Queue.Events == 0 && len(s.Refused) > 0 })
			}
			if c.restart {
				a.stop()
				kit.Receive(t, "end of the link", a.ended)
				opts.Spool = open()
				a.start(opts, server) // it creates the bucket
			} else {
				ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
				defer cancel()
				_, err := program.js.CreateBucket(ctx, jetstream.BucketConfig{Bucket: "retained", History: 3})
				kit.Must(t, err)
			}
			program.value(t, "retained", "com.example.state", "20")
			program.value(t, "retained", "com.example.other", "-19")
			a.await("drained", isDrained)
			retained(t, speaker, "com.example.state", "end")
			program.value(t, "retained", "com.example.state", `"end"`)
			a.await("drained", func(s uplink.State) bool { return isDrained(s) && len(s.Refused) == 0 && s.Queue.Dropped.Events == 0 })
		})
	}
}

// A bucket that an operator deletes and creates again restarts its revisions. The link imports its values all the same.
func TestBucketIsMadeAgain(t *testing.T) { kit.EachNATS(t, testBucketIsMadeAgain) }

func testBucketIsMadeAgain(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	program := newPlain(t, server)
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	b, err := program.js.CreateBucket(ctx, jetstream.BucketConfig{Bucket: "retained"})
	kit.Must(t, err)
	a := newSite(t, "a", nats.Options{Import: []nats.Rule{topics("com.example.", spool.Memory)}, Bucket: "retained"}, server)
	heard := a.received()
	for i := range 5 {
		_, err := b.Put(ctx, "com.example.state", nil, fmt.Append(nil, i))
		kit.Must(t, err)
	}
	kit.Eventually(t, "the last value", func() bool { return kit.Receive(t, "a value", heard) == "com.example.state [4] map[]" })
	for i := range 3 {
		program.api(t, "STREAM.DELETE.KV_retained", "")
		if i == 1 { // the link notices the loss before the new bucket exists
			a.await("the bucket is missed", func(s uplink.State) bool { return len(s.Refused) > 0 })
		}
		b, err = program.js.CreateBucket(ctx, jetstream.BucketConfig{Bucket: "retained", History: 3})
		kit.Must(t, err)
		_, err = b.Put(ctx, "com.example.state", nil, fmt.Append(nil, 10+i))
		kit.Must(t, err)
		expect(t, heard, fmt.Sprintf("com.example.state [%d] map[]", 10+i))
	}
}
