package jetstream

import (
	"context"
	"errors"

	"runnel/uplink/nats/conn"
)

// Headers of publications.
const (
	HeaderMsgID        = "Nats-Msg-Id"                         // within its duplicate window, the stream stores one message of an id
	HeaderExpectStream = "Nats-Expected-Stream"                // the name of the stream that must store it
	HeaderExpectLast   = "Nats-Expected-Last-Subject-Sequence" // the sequence of the subject's last message
	HeaderRollup       = "Nats-Rollup"                         // "sub" removes all earlier messages of the subject
)

// PubAck is the answer of the stream that has stored a message.
type PubAck struct {
	Stream    string `json:"stream"`
	Sequence  uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"` // the stream had a message of the same HeaderMsgID
	Domain    string `json:"domain"`
}

// errNoPubAck is the answer of a plain program that subscribes to the subject without a stream.
var errNoPubAck = errors.New("jetstream: the answer to a publication is no PubAck: no stream stores the subject, but a program answers requests to it")

// Send publishes a message to the stream of its subject and does not wait. done is called once if Send returns no error: with the
// stream's answer, or with an error. The error is ErrNoResponders of conn if no stream has the subject, or if its stream has no
// leader at the moment. done must not wait.
func (j *JetStream) Send(m conn.Out, done func(PubAck, error)) error {
	return j.conn.Send(m, j.timeout, func(answer *conn.Msg, err error) {
		var ack PubAck
		if err == nil {
			ack, err = parsePubAck(answer.Data)
		}
		done(ack, err)
	})
}

// Publish is Send, and waits.
func (j *JetStream) Publish(ctx context.Context, m conn.Out) (ack PubAck, err error) {
	done := make(chan struct{})
	var failed error
	var stored PubAck
	err = j.Send(m, func(a PubAck, err error) {
		stored, failed = a, err
		close(done)
	})
	if err != nil {
		return ack, err
	}
	select {
	case <-done:
		return stored, failed
	case <-ctx.Done():
		return ack, ctx.Err()
	}
}

func parsePubAck(data []byte) (ack PubAck, err error) {
	if err := decode(data, &ack); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return ack, err
		}
		return ack, errNoPubAck
	}
	if ack.Stream == "" || ack.Sequence == 0 {
		return ack, errNoPubAck
	}
	return ack, nil
}
