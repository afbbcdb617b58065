package jetstream_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
)

// A stream, a consumer and a watch survive the loss of any server but the client's own. Without a quorum, their errors
// say that JetStream is unavailable.
func TestCluster(t *testing.T) {
	t.Parallel()
	kit.EachNATS(t, func(t *testing.T, binary string) {
		t.Parallel() // it mostly waits for elections
		servers := kit.NATSCluster(t, binary, 3)
		for _, s := range servers {
			s.Start(t)
		}
		c, _ := open(t, servers[0])
		js := jetstream.New(c, jetstream.Options{Timeout: time.Second, Heartbeat: 300 * time.Millisecond})
		create := func(what string, do func(ctx context.Context) error) {
			t.Helper()
			var err error
			kit.Eventually(t, what, func() bool {
				if err = do(patience(t)); err != nil && !jetstream.Temporary(err) {
					t.Errorf("%s: %v", what, err)
				}
				return err == nil
			}, func() string { return fmt.Sprint(err) })
		}
		create("a stream", func(ctx context.Context) error {
			_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "PLANT", Subjects: []string{"plant.>"}, Replicas: 3})
			return err
		})
		var consumer *jetstream.Consumer
		create("a consumer", func(ctx context.Context) (err error) {
			consumer, err = js.CreateConsumer(ctx, "PLANT", jetstream.ConsumerConfig{Durable: "gw", AckWait: kit.Patience})
			return err
		})
		var bucket *jetstream.Bucket
		create("a bucket", func(ctx context.Context) (err error) {
			bucket, err = js.CreateBucket(ctx, jetstream.BucketConfig{Bucket: "states", Replicas: 3})
			return err
		})
		texts, values := make(chan string, 1000), make(chan string, 1000)
		pull(t, consumer, jetstream.PullOptions{}, func(m *conn.Msg) {
			js.Ack(string(m.Reply))
			texts <- string(m.Data)
		})
		watching, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			ended <- bucket.Watch(watching, ">", func(e *jetstream.Entry) { values <- string(e.Value) }, nil)
		}()
		t.Cleanup(func() {
			cancel()
			kit.Receive(t, "end of Watch", ended)
		})
		n := 0
		both := func() {
			t.Helper()
			n++
			text := fmt.Sprint(n)
			create("a publication", func(ctx context.Context) error {
				_, err := js.Publish(ctx, message("plant.a", text, text))
				return err
			})
			create("a value", func(ctx context.Context) error {
				_, err := bucket.Put(ctx, "k", nil, []byte(text))
				return err
			})
			for kit.Receive(t, "message "+text, texts) != text {
			}
			for kit.Receive(t, "value "+text, values) != text {
			}
		}
		both()
		servers[1].Kill()
		both()
		servers[2].Kill()
		kit.Eventually(t, "loss of the quorum", func() bool {
			_, err := js.Publish(patience(t), message("plant.a", "lost", "lost"))
			if err != nil && !jetstream.Temporary(err) {
				t.Error(err)
			}
			return err != nil
		})
		servers[1].Start(t)
		both()
	})
}
