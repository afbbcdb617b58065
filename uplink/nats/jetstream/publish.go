package jetstream

import (
	"context"
	"errors"
	"sync/atomic"

	"runnel/uplink/nats/conn"
)

// Headers of publications.
const (
	HeaderMsgID        = "Nats-Msg-Id"                         // within its duplicate window, the stream stores one message for each id
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

// ErrNoPubAck means that all answers came from others than the stream, such as a plain program that subscribes to the
// subject.
var ErrNoPubAck = errors.New("jetstream: the answer to a publication is not a PubAck of its stream: a program answers requests to the subject, and no stream does")

// Send publishes a message to the stream of its subject and does not wait. If Send returns no error, done is called
// once, with the stream's answer or an error. The error is ErrNoResponders of conn if no stream has the subject, or if
// its stream currently has no leader. done must not wait.
//
// from reports whether a stream of this name may answer; nil: any may. Send ignores other answers, because programs
// that subscribe to the subject may answer, too. If only such answers arrive in time, the error is ErrNoPubAck.
func (j *JetStream) Send(m conn.Out, from func(stream string) bool, done func(PubAck, error)) error {
	var ack PubAck
	var failed error
	var strange atomic.Bool
	return j.conn.SendFor(m, j.timeout, func(answer *conn.Msg) bool {
		a, err := parsePubAck(answer.Data)
		if err == ErrNoPubAck || err == nil && from != nil && !from(a.Stream) {
			strange.Store(true)
			return false
		}
		ack, failed = a, err
		return true
	}, func(_ *conn.Msg, err error) {
		switch {
		case err == nil:
			done(ack, failed)
		case err == conn.ErrTimeout && strange.Load():
			done(PubAck{}, ErrNoPubAck)
		default:
			done(PubAck{}, err)
		}
	})
}

// Publish publishes a message like Send, and waits for the answer.
func (j *JetStream) Publish(ctx context.Context, m conn.Out) (ack PubAck, err error) {
	done := make(chan struct{})
	var failed error
	var stored PubAck
	err = j.Send(m, nil, func(a PubAck, err error) {
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
		return ack, ErrNoPubAck
	}
	if ack.Stream == "" || ack.Sequence == 0 {
		return ack, ErrNoPubAck
	}
	return ack, nil
}
