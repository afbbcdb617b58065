package jetstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// withJetStream is the configuration of a server with JetStream.
const withJetStream = "jetstream { max_memory_store: 64MB, max_file_store: 256MB }"

// open opens a connection, and runs it until the test's end.
func open(t testing.TB, s *kit.NATS) (*conn.Conn, *jetstream.JetStream) {
	t.Helper()
	raw, err := net.Dial("tcp", s.Address)
	kit.Must(t, err)
	c, err := conn.Open(patience(t), raw, conn.Options{})
	kit.Must(t, err)
	kit.Background(t, func() { c.Run(context.Background()) }, c.Close)
	return c, jetstream.New(c, jetstream.Options{Timeout: kit.Patience})
}

func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	t.Cleanup(cancel)
	return ctx
}

func message(subject, id, text string) conn.Out {
	m := conn.Out{Subject: subject, Data: []byte(text)}
	if id != "" {
		m.Header = m.Header.Add(jetstream.HeaderMsgID, id)
	}
	return m
}

func TestPublish(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, withJetStream)
		_, js := open(t, s)
		ctx := patience(t)
		if _, err := js.Publish(ctx, message("plant.1", "", "x")); err != conn.ErrNoResponders || !jetstream.Temporary(err) {
			t.Error(err)
		}
		if names, err := js.StreamsOf(ctx, "plant.1"); err != nil || len(names) > 0 {
			t.Error(names, err)
		}
		if _, err := js.Stream(ctx, "PLANT"); !jetstream.IsCode(err, jetstream.CodeStreamNotFound) || jetstream.Temporary(err) {
			t.Error(err)
		}
		config := jetstream.StreamConfig{Name: "PLANT", Subjects: []string{"plant.>"}, MaxAge: time.Hour, Duplicates: time.Minute}
		for range 2 { // a second call has no effect
			info, err := js.CreateStream(ctx, config)
			if err != nil || info.Config.Duplicates != time.Minute || info.Config.Subjects[0] != "plant.>" {
				t.Errorf("%+v, %v", info, err)
			}
		}
		if names, err := js.StreamsOf(ctx, "plant.1"); err != nil || len(names) != 1 || names[0] != "PLANT" {
			t.Error(names, err)
		}
		for i, want := range []jetstream.PubAck{{Stream: "PLANT", Sequence: 1}, {Stream: "PLANT", Sequence: 1, Duplicate: true}, {Stream: "PLANT", Sequence: 2}} {
			ack, err := js.Publish(ctx, message("plant.1", fmt.Sprint("gw:", i/2), "x"))
			if err != nil || ack != want {
				t.Errorf("%+v instead of %+v, %v", ack, want, err)
			}
		}
		wrong := conn.Out{Subject: "plant.1", Header: conn.Header(nil).Add(jetstream.HeaderExpectStream, "OTHER")}
		var e *jetstream.Error
		if _, err := js.Publish(ctx, wrong); !errors.As(err, &e) || jetstream.Temporary(err) {
			t.Error(err)
		}
		const n = 500
		acks := make(chan uint64, n)
		for range n {
			kit.Must(t, js.Send(message("plant.2", "", "x"), nil, func(a jetstream.PubAck, err error) {
				if err != nil {
					t.Error(err)
				}
				acks <- a.Sequence
			}))
		}
		for i := range n {
			if s := kit.Receive(t, "PubAck", acks); s != uint64(i+3) {
				t.Errorf("sequence %d as number %d", s, i)
			}
		}
		if info, err := js.Stream(ctx, "PLANT"); err != nil || info.State.Messages != n+2 || info.State.Last != n+2 {
			t.Errorf("%+v, %v", info, err)
		}
		kit.Must(t, js.SetSubjects(ctx, "PLANT", []string{"plant.>", "office.*"}))
		if info, err := js.Stream(ctx, "PLANT"); err != nil || info.State.Messages != n+2 || fmt.Sprint(info.Config.Subjects) != "[plant.> office.*]" || info.Config.MaxAge != time.Hour {
			t.Errorf("%+v, %v", info, err)
		}
		if err := js.SetSubjects(ctx, "NONE", nil); !jetstream.IsCode(err, jetstream.CodeStreamNotFound) {
			t.Error(err)
		}
		config.MaxMessages = 20
		if _, err := js.CreateStream(ctx, config); !jetstream.IsCode(err, jetstream.CodeStreamExists) {
			t.Error(err)
		}
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"plant.1"}}); !jetstream.IsCode(err, jetstream.CodeSubjectOverlap) {
			t.Error(err)
		}
		// The client ignores the answers of a plain program, even if they arrive first.
		d, _ := open(t, s)
		_, err := d.Subscribe("plain", "", func(m *conn.Msg) { d.Publish(conn.Out{Subject: string(m.Reply), Data: []byte("{}")}) })
		kit.Must(t, err)
		kit.Must(t, d.Flush(ctx))
		c, _ := open(t, s)
		impatient := jetstream.New(c, jetstream.Options{Timeout: 300 * time.Millisecond})
		kit.Eventually(t, "the program answers in time", func() bool {
			_, err = impatient.Publish(ctx, message("plain", "", "x"))
			return err != nil && strings.Contains(err.Error(), "not a PubAck")
		}, func() string { return fmt.Sprint(err) })
	})
}

// The errors say that JetStream is missing.
func TestNotEnabled(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		_, js := open(t, kit.StartNATS(t, binary, ""))
		if _, err := js.Stream(patience(t), "A"); !errors.Is(err, conn.ErrNoResponders) {
			t.Error(err)
		}
	})
}

// pull runs Pull until stop is called, which returns its error.
func pull(t *testing.T, c *jetstream.Consumer, opts jetstream.PullOptions, handler func(*conn.Msg)) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- c.Pull(ctx, opts, handler) }()
	stopped := false
	stop = func() error {
		stopped = true
		cancel()
		return kit.Receive(t, "end of Pull", end)
	}
	t.Cleanup(func() {
		if !stopped {
			stop()
		}
	})
	return stop
}

func TestPull(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, withJetStream)
		_, js := open(t, s)
		ctx := patience(t)
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "PLANT", Subjects: []string{"plant.>"}})
		kit.Must(t, err)
		publish := func(from, n int) {
			for i := from; i < from+n; i++ {
				_, err := js.Publish(ctx, message("plant.a", "", fmt.Sprint(i)))
				kit.Must(t, err)
				_, err = js.Publish(ctx, message("plant.b", "", "other"))
				kit.Must(t, err)
			}
		}
		publish(0, 20)
		config := jetstream.ConsumerConfig{Durable: "gw", Filter: "plant.a", AckWait: kit.Patience, MaxAckPending: 100}
		c, err := js.CreateConsumer(ctx, "PLANT", config)
		kit.Must(t, err)
		if c.Name != "gw" || c.Pending != 20 {
			t.Errorf("%+v", c)
		}
		texts := make(chan string, 1000)
		keep := func(m *conn.Msg) {
			meta, ok := jetstream.ParseMeta(m.Reply)
			if !ok || meta.Stream != "PLANT" || meta.Consumer != "gw" || string(m.Subject) != "plant.a" || time.Since(meta.Time) > time.Hour {
				t.Errorf("%s: %+v", m.Reply, meta)
			}
			texts <- fmt.Sprint(string(m.Data), "/", meta.Delivered)
			kit.Must(t, js.Ack(string(m.Reply)))
		}
		stop := pull(t, c, jetstream.PullOptions{Batch: 7, Expires: 200 * time.Millisecond}, keep)
		for i := range 40 {
			if i == 20 {
				publish(20, 20)
			}
			if text := kit.Receive(t, "message", texts); text != fmt.Sprint(i, "/1") {
				t.Errorf("%s as number %d", text, i)
			}
		}
		if err := stop(); err != context.Canceled {
			t.Error(err)
		}
		kit.Eventually(t, "acknowledgements", func() bool {
			info, err := js.Consumer(ctx, "PLANT", "gw")
			return err == nil && info.AckPending == 0 && info.Pending == 0
		})

		// Another Pull continues after those messages, and rejects messages.
		publish(40, 3)
		c, err = js.CreateConsumer(ctx, "PLANT", config)
		kit.Must(t, err)
		refused := false
		stop = pull(t, c, jetstream.PullOptions{Batch: 2}, func(m *conn.Msg) {
			meta, _ := jetstream.ParseMeta(m.Reply)
			texts <- fmt.Sprint(string(m.Data), "/", meta.Delivered)
			reply := string(m.Reply)
			switch {
			case string(m.Data) == "40" && !refused:
				refused = true
				kit.Must(t, js.Nak(reply, 0))
			case string(m.Data) == "41":
				kit.Must(t, js.Term(reply))
			case string(m.Data) == "42" && meta.Delivered == 1:
				kit.Must(t, js.Progress(reply))
				kit.Must(t, js.Nak(reply, time.Millisecond))
			default:
				kit.Must(t, js.Ack(reply))
			}
		})
		got := map[string]int{}
		for range 5 {
			got[kit.Receive(t, "message", texts)]++
		}
		if want := (map[string]int{"40/1": 1, "40/2": 1, "41/1": 1, "42/1": 1, "42/2": 1}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Error(got)
		}
		kit.Eventually(t, "acknowledgements", func() bool {
			info, err := js.Consumer(ctx, "PLANT", "gw")
			return err == nil && info.AckPending == 0 && info.Pending == 0
		})
		stop()

		// Pull ends if the consumer is deleted or does not exist.
		end := make(chan error, 1)
		go func() { end <- c.Pull(ctx, jetstream.PullOptions{}, keep) }()
		publish(43, 1)
		kit.Receive(t, "message", texts)
		kit.Must(t, js.DeleteConsumer(ctx, "PLANT", "gw"))
		if err := kit.Receive(t, "end of Pull", end); !jetstream.IsCode(err, jetstream.CodeConsumerNotFound) {
			t.Error(err)
		}
		if err := c.Pull(ctx, jetstream.PullOptions{Expires: 200 * time.Millisecond}, keep); !jetstream.IsCode(err, jetstream.CodeConsumerNotFound) {
			t.Error(err)
		}
	})
}

// After a restart of the server and of the client, unacknowledged messages are delivered again.
func TestPullRestart(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, withJetStream)
		old, js := open(t, s)
		_, err := js.CreateStream(patience(t), jetstream.StreamConfig{Name: "PLANT", Subjects: []string{"plant.>"}})
		kit.Must(t, err)
		for i := range 10 {
			_, err := js.Publish(patience(t), message("plant.a", "", fmt.Sprint(i)))
			kit.Must(t, err)
		}
		config := jetstream.ConsumerConfig{Durable: "gw", AckWait: time.Second}
		c, err := js.CreateConsumer(patience(t), "PLANT", config)
		kit.Must(t, err)
		texts := make(chan string, 100)
		stop := pull(t, c, jetstream.PullOptions{}, func(m *conn.Msg) {
			if string(m.Data) < "5" {
				js.Ack(string(m.Reply))
			}
			texts <- string(m.Data)
		})
		for range 10 {
			kit.Receive(t, "message", texts)
		}
		kit.Must(t, old.Flush(patience(t)))
		s.Kill()
		<-old.Done()
		if err := stop(); err != conn.ErrClosed && err != context.Canceled {
			t.Error(err)
		}
		s.Start(t)
		_, js = open(t, s)
		kit.Eventually(t, "JetStream", func() bool {
			c, err = js.CreateConsumer(patience(t), "PLANT", config)
			return err == nil
		})
		again := map[string]bool{}
		pull(t, c, jetstream.PullOptions{}, func(m *conn.Msg) {
			js.Ack(string(m.Reply))
			texts <- string(m.Data)
		})
		for len(again) < 5 {
			text := kit.Receive(t, "message", texts)
			if text >= "5" {
				again[text] = true
			}
		}
	})
}

func TestBucket(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, withJetStream)
		_, js := open(t, s)
		ctx := patience(t)
		if _, err := js.Bucket(ctx, "states"); !jetstream.IsCode(err, jetstream.CodeStreamNotFound) {
			t.Error(err)
		}
		b, err := js.CreateBucket(ctx, jetstream.BucketConfig{Bucket: "states"})
		kit.Must(t, err)
		_, err = js.Bucket(ctx, "states")
		kit.Must(t, err)
		if _, err := b.Get(ctx, "a.b"); !jetstream.IsCode(err, jetstream.CodeMessageNotFound) {
			t.Error(err)
		}
		for i, text := range []string{"one", "two"} {
			revision, err := b.Put(ctx, "a.b", conn.Header(nil).Add("Unit", "bar"), []byte(text))
			if err != nil || revision != uint64(i+1) {
				t.Error(revision, err)
			}
		}
		e, err := b.Get(ctx, "a.b")
		if err != nil || string(e.Value) != "two" || e.Revision != 2 || string(e.Header.Get("Unit")) != "bar" || e.Key != "a.b" || time.Since(e.Time) > time.Hour {
			t.Errorf("%+v %v", e, err)
		}
		if _, err := b.Update(ctx, "a.b", nil, []byte("x"), 1); !jetstream.IsCode(err, jetstream.CodeWrongLast) {
			t.Error(err)
		}
		if revision, err := b.Update(ctx, "a.b", nil, []byte("three"), 2); err != nil || revision != 3 {
			t.Error(revision, err)
		}
		if revision, err := b.Update(ctx, "a.c", nil, []byte("new"), 0); err != nil || revision != 4 {
			t.Error(revision, err)
		}
		kit.Must(t, b.Delete(ctx, "a.c"))
		if _, err := b.Get(ctx, "a.c"); !jetstream.IsCode(err, jetstream.CodeMessageNotFound) {
			t.Error(err)
		}

		entries := make(chan string, 100)
		ready := make(chan int, 2)
		watching, cancel := context.WithCancel(ctx)
		end := make(chan error, 1)
		go func() {
			end <- b.Watch(watching, ">", func(e *jetstream.Entry) {
				entries <- fmt.Sprintf("%s %s %d %v", e.Key, e.Value, e.Revision, e.Deleted)
			}, func() { ready <- len(entries) })
		}()
		if n := kit.Receive(t, "last values", ready); n != 2 {
			t.Errorf("ready after %d entries", n)
		}
		// The bucket keeps one value for each key, so the test waits for each value before the next change.
		expect := func(want string) {
			t.Helper()
			if got := kit.Receive(t, "entry", entries); got != want {
				t.Errorf("%q instead of %q", got, want)
			}
		}
		expect("a.b three 3 false")
		expect("a.c  5 true")
		done := make(chan error, 2)
		kit.Must(t, b.Send("d", nil, []byte("four"), func(a jetstream.PubAck, err error) { done <- err }))
		kit.Must(t, kit.Receive(t, "PubAck", done))
		expect("d four 6 false")
		kit.Must(t, b.SendDelete("d", nil, func(a jetstream.PubAck, err error) { done <- err }))
		kit.Must(t, kit.Receive(t, "PubAck", done))
		expect("d  7 true")
		kit.Must(t, b.Purge(ctx, "a.b"))
		expect("a.b  8 true")
		cancel()
		if err := kit.Receive(t, "end of Watch", end); err != context.Canceled {
			t.Error(err)
		}

		// A watch of an empty bucket is ready at once.
		empty, err := js.CreateBucket(ctx, jetstream.BucketConfig{Bucket: "empty", TTL: time.Hour, Storage: "memory", History: 5, MaxBytes: 1 << 20})
		kit.Must(t, err)
		watching, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() {
			end <- empty.Watch(watching, "x.*", func(e *jetstream.Entry) { entries <- e.Key }, func() { ready <- 0 })
		}()
		kit.Receive(t, "last values", ready)
		_, err = empty.Put(ctx, "y.z", nil, nil)
		kit.Must(t, err)
		_, err = empty.Put(ctx, "x.z", nil, nil)
		kit.Must(t, err)
		if key := kit.Receive(t, "entry", entries); key != "x.z" {
			t.Error(key)
		}
		cancel()
		kit.Receive(t, "end of Watch", end)
	})
}

// The watch continues after the loss of its consumer.
func TestWatchAgain(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		c, js := open(t, kit.StartNATS(t, binary, withJetStream))
		ctx := patience(t)
		b, err := js.CreateBucket(ctx, jetstream.BucketConfig{Bucket: "states"})
		kit.Must(t, err)
		watching, cancel := context.WithCancel(ctx)
		end, entries := make(chan error, 1), make(chan string, 100)
		go func() { end <- b.Watch(watching, ">", func(e *jetstream.Entry) { entries <- string(e.Value) }, nil) }()
		_, err = b.Put(ctx, "k", nil, []byte("1"))
		kit.Must(t, err)
		kit.Receive(t, "entry", entries)
		answer, err := c.Request(ctx, conn.Out{Subject: "$JS.API.CONSUMER.NAMES.KV_states"})
		kit.Must(t, err)
		var names struct{ Consumers []string }
		kit.Must(t, json.Unmarshal(answer.Data, &names))
		if len(names.Consumers) != 1 {
			t.Error(names)
		}
		for _, name := range names.Consumers {
			kit.Must(t, js.DeleteConsumer(ctx, "KV_states", name))
		}
		_, err = b.Put(ctx, "k", nil, []byte("2"))
		kit.Must(t, err)
		kit.Eventually(t, "the entry after the loss", func() bool { return kit.Receive(t, "entry", entries) == "2" })
		cancel()
		kit.Receive(t, "end of Watch", end)
	})
}
