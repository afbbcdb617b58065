package cluster

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
)

// stream describes the stream of the cluster: the first missing events of each topic, and its state.
func (w *world) stream() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var raw net.Conn
	var err error
	for _, s := range w.servers {
		if raw, err = net.Dial("tcp", s.Address); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Sprint("\nstream: ", err)
	}
	c, err := conn.Open(ctx, raw, conn.Options{})
	if err != nil {
		return fmt.Sprint("\nstream: ", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(context.Background())
	}()
	defer func() {
		c.Close()
		<-ended
	}()
	js := jetstream.New(c, jetstream.Options{Timeout: 5 * time.Second})
	names, err := js.StreamsOf(ctx, "cluster.durable.>")
	if err != nil || len(names) == 0 {
		return fmt.Sprint("\nstream: ", names, err)
	}
	info, err := js.Stream(ctx, names[0])
	text := fmt.Sprintf("\nstream: %+v %v", info, err)
	reader, err := js.CreateConsumer(ctx, names[0], jetstream.ConsumerConfig{Ack: "none", Replicas: 1, Memory: true, Inactive: time.Minute})
	if err != nil {
		return text + err.Error()
	}
	has := map[string]map[int64]bool{}
	reading, done := context.WithCancel(ctx)
	reader.Pull(reading, jetstream.PullOptions{Batch: 500}, func(m *conn.Msg) {
		topic, data := string(m.Subject), strings.TrimPrefix(string(m.Data), `{"args":[`)
		if has[topic] == nil {
			has[topic] = map[int64]bool{}
		}
		number, _, _ := strings.Cut(data, ",")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			has[topic][n] = true
		}
		if meta, _ := jetstream.ParseMeta(m.Reply); meta.Pending == 0 {
			done()
		}
	})
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	for topic, acked := range w.ledger.acked {
		lacks := 0
		for _, n := range acked {
			if !has[topic][n] {
				if lacks++; lacks < 5 {
					text += fmt.Sprintf("\nthe stream lacks %d of %s", n, topic)
				}
			}
		}
		text += fmt.Sprintf("\nthe stream lacks %d events of %s", lacks, topic)
	}
	return text
}
