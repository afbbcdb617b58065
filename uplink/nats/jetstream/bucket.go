package jetstream

import (
	"context"
	"strconv"
	"time"

	"runnel/uplink/nats/conn"
)

// BucketConfig is the configuration of a key-value bucket. A zero field selects the server's default.
type BucketConfig struct {
	Bucket      string // letters, digits, - and _
	Description string
	History     int64 // values kept per key; 0: 1
	Storage     string
	Replicas    int
	MaxBytes    int64
	TTL         time.Duration // of a value; 0: no limit
}

// Bucket is a key-value bucket: a stream that keeps the last values of its subjects (ADR-8).
type Bucket struct {
	Name string

	js *JetStream
}

// Entry is a value of a key. The Entry and its bytes are valid until the handler returns.
type Entry struct {
	Key      string
	Value    []byte
	Header   conn.Header
	Revision uint64
	Time     time.Time // when the bucket stored it
	Born     time.Time // when the bucket was created: another bucket of the same name counts revisions from 1; set by Watch only
	Deleted  bool      // the key was deleted, or has expired
}

// CreateBucket creates a bucket. An existing bucket with the same configuration is no error.
func (j *JetStream) CreateBucket(ctx context.Context, config BucketConfig) (*Bucket, error) {
	b := &Bucket{config.Bucket, j}
	_, err := j.CreateStream(ctx, StreamConfig{
		Name: b.stream(), Description: config.Description, Subjects: []string{b.subject(">")}, Storage: config.Storage,
		Replicas: config.Replicas, Discard: "new", MaxBytes: config.MaxBytes, MaxAge: config.TTL, MaxPerSubject: max(config.History, 1),
		Duplicates: min(config.TTL, 2*time.Minute), DenyDelete: true, AllowRollup: true, AllowDirect: true,
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Bucket returns an existing bucket. Its error has CodeStreamNotFound if there is none.
func (j *JetStream) Bucket(ctx context.Context, name string) (*Bucket, error) {
	b := &Bucket{name, j}
	if _, err := j.Stream(ctx, b.stream()); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Bucket) stream() string { return "KV_" + b.Name }

// subject returns the subject of a key, or of a pattern.
func (b *Bucket) subject(key string) string { return "$KV." + b.Name + "." + key }

// Put stores a value and returns its revision. The header may be empty.
func (b *Bucket) Put(ctx context.Context, key string, header conn.Header, value []byte) (revision uint64, err error) {
	ack, err := b.js.Publish(ctx, conn.Out{Subject: b.subject(key), Header: header, Data: value})
	return ack.Sequence, err
}

// Send stores a value like Put, but does not wait, like JetStream.Send.
func (b *Bucket) Send(key string, header conn.Header, value []byte, done func(PubAck, error)) error {
	return b.js.Send(conn.Out{Subject: b.subject(key), Header: header, Data: value}, func(stream string) bool { return stream == b.stream() }, done)
}

// Update stores a value if last is the key's last revision; 0: the key was never stored. Otherwise the error has
// CodeWrongLast.
func (b *Bucket) Update(ctx context.Context, key string, header conn.Header, value []byte, last uint64) (revision uint64, err error) {
	return b.Put(ctx, key, header.Add(HeaderExpectLast, strconv.FormatUint(last, 10)), value)
}

// Header fields of the markers of deleted and expired keys.
const (
	headerOperation = "KV-Operation"
	headerMarker    = "Nats-Marker-Reason"
)

// Delete deletes a key: a marker replaces the value.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	_, err := b.Put(ctx, key, conn.Header(nil).Add(headerOperation, "DEL"), nil)
	return err
}

// SendDelete deletes a key like Delete, but does not wait, like JetStream.Send.
func (b *Bucket) SendDelete(key string, header conn.Header, done func(PubAck, error)) error {
	return b.Send(key, header.Add(headerOperation, "DEL"), nil, done)
}

// Purge deletes a key with all its earlier values.
func (b *Bucket) Purge(ctx context.Context, key string) error {
	_, err := b.Put(ctx, key, conn.Header(nil).Add(headerOperation, "PURGE").Add(HeaderRollup, "sub"), nil)
	return err
}

// deleted reports whether a message of a bucket is a marker.
func deleted(h conn.Header) bool {
	return len(h) > 0 && (h.Get(headerOperation) != nil || h.Get(headerMarker) != nil)
}

// Get returns the last value of a key. The error has CodeMessageNotFound if the key has no value or was deleted.
func (b *Bucket) Get(ctx context.Context, key string) (*Entry, error) {
	in := struct {
		Last string `json:"last_by_subj"`
	}{b.subject(key)}
	var out struct {
		Message struct {
			Sequence uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	if err := b.js.call(ctx, "STREAM.MSG.GET."+b.stream(), in, &out); err != nil {
		return nil, err
	}
	m := &out.Message
	e := &Entry{Key: key, Value: m.Data, Header: conn.ParseHeader(m.Header), Revision: m.Sequence, Time: m.Time}
	if deleted(e.Header) {
		return nil, &Error{404, CodeMessageNotFound, "the key was deleted"}
	}
	return e, nil
}
