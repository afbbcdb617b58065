package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"runnel/uplink/nats/conn"
)

// ConsumerConfig is the configuration of a pull consumer. A zero field selects the server's default.
type ConsumerConfig struct {
	Durable       string        `json:"durable_name,omitempty"` // without it the consumer ends some time after its reader
	Description   string        `json:"description,omitempty"`
	Filter        string        `json:"filter_subject,omitempty"`
	Deliver       string        `json:"deliver_policy"` // "all", "new", "last", "last_per_subject", "by_start_sequence", "by_start_time"
	StartSequence uint64        `json:"opt_start_seq,omitempty"`
	StartTime     *time.Time    `json:"opt_start_time,omitempty"`
	Ack           string        `json:"ack_policy"` // "explicit" or "none"
	AckWait       time.Duration `json:"ack_wait,omitempty"`
	MaxDeliver    int           `json:"max_deliver,omitempty"`
	MaxAckPending int           `json:"max_ack_pending,omitempty"` // messages delivered without Ack; the server then waits
	Inactive      time.Duration `json:"inactive_threshold,omitempty"`
	Replay        string        `json:"replay_policy"`
	Replicas      int           `json:"num_replicas"`
	Memory        bool          `json:"mem_storage,omitempty"`
}

// ConsumerInfo is the state of a consumer.
type ConsumerInfo struct {
	Name       string    `json:"name"`
	Created    time.Time `json:"created"`
	AckPending int       `json:"num_ack_pending"` // messages delivered without Ack
	Pending    uint64    `json:"num_pending"`     // messages not delivered yet
	Waiting    int       `json:"num_waiting"`     // requests for messages
	Config     struct {
		Description   string `json:"description"`
		StartSequence uint64 `json:"opt_start_seq"`
	} `json:"config"`
	AckFloor struct {
		Sequence uint64 `json:"stream_seq"` // all messages up to this one are acknowledged
	} `json:"ack_floor"`
}

// Consumer is a pull consumer of a stream.
type Consumer struct {
	Stream, Name string
	Created      time.Time // by the clock of the servers
	Pending      uint64    // messages that waited when it was created

	js *JetStream
}

// CreateConsumer creates a consumer. If a consumer of that name exists, it changes that one as far as possible.
func (j *JetStream) CreateConsumer(ctx context.Context, stream string, config ConsumerConfig) (*Consumer, error) {
	if config.Deliver == "" {
		config.Deliver = "all"
	}
	if config.Ack == "" {
		config.Ack = "explicit"
	}
	config.Replay = "instant"
	in := struct {
		Stream string         `json:"stream_name"`
		Config ConsumerConfig `json:"config"`
	}{stream, config}
	subject := "CONSUMER.CREATE." + stream
	if config.Durable != "" {
		subject = "CONSUMER.DURABLE.CREATE." + stream + "." + config.Durable
	}
	var info ConsumerInfo
	if err := j.call(ctx, subject, in, &info); err != nil {
		return nil, err
	}
	return &Consumer{stream, info.Name, info.Created, info.Pending, j}, nil
}

// Existing returns a consumer that is known to exist.
func (j *JetStream) Existing(stream, name string) *Consumer {
	return &Consumer{Stream: stream, Name: name, js: j}
}

// Consumer returns the state of a consumer. Its error has CodeConsumerNotFound if there is none.
func (j *JetStream) Consumer(ctx context.Context, stream, name string) (info ConsumerInfo, err error) {
	err = j.call(ctx, "CONSUMER.INFO."+stream+"."+name, nil, &info)
	return info, err
}

// DeleteConsumer deletes a consumer.
func (j *JetStream) DeleteConsumer(ctx context.Context, stream, name string) error {
	return j.call(ctx, "CONSUMER.DELETE."+stream+"."+name, nil, nil)
}

// Ack acknowledges a message by its Reply. If the connection breaks, the acknowledgement may be lost, and the message
// is delivered again.
func (j *JetStream) Ack(reply string) error { return j.answer(reply, "+ACK") }

// Nak asks for another delivery of a message, after a delay; 0: at once.
func (j *JetStream) Nak(reply string, delay time.Duration) error {
	if delay <= 0 {
		return j.answer(reply, "-NAK")
	}
	return j.answer(reply, fmt.Sprintf(`-NAK {"delay": %d}`, delay))
}

// Term ends the deliveries of a message that cannot be handled.
func (j *JetStream) Term(reply string) error { return j.answer(reply, "+TERM") }

// Progress asks for more time: AckWait starts again.
func (j *JetStream) Progress(reply string) error { return j.answer(reply, "+WPI") }

func (j *JetStream) answer(reply, text string) error {
	return j.conn.Publish(conn.Out{Subject: reply, Data: []byte(text)})
}

// Meta describes where a delivered message comes from.
type Meta struct {
	Stream, Consumer string
	Delivered        uint64 // how many times so far; 1: the first
	Sequence         uint64 // in the stream
	ConsumerSequence uint64
	Time             time.Time // when the stream stored it
	Pending          uint64    // messages after it
}

// ParseMeta parses the Reply of a delivered message: $JS.ACK with stream, consumer, delivered, sequence, consumer
// sequence, time and pending. Later servers insert the domain and the account's hash before the stream.
func ParseMeta(reply []byte) (m Meta, ok bool) {
	tokens := bytes.Split(reply, []byte("."))
	if len(tokens) < 9 || string(tokens[0]) != "$JS" || string(tokens[1]) != "ACK" {
		return m, false
	}
	tokens = tokens[2:]
	if len(tokens) >= 9 {
		tokens = tokens[2:]
	}
	m.Stream, m.Consumer = string(tokens[0]), string(tokens[1])
	var at uint64
	for i, field := range []*uint64{&m.Delivered, &m.Sequence, &m.ConsumerSequence, &at, &m.Pending} {
		n, err := strconv.ParseUint(string(tokens[2+i]), 10, 63)
		if err != nil {
			return m, false
		}
		*field = n
	}
	m.Time = time.Unix(0, int64(at))
	return m, true
}
