package jetstream

import (
	"context"
	"time"

	"runnel/uplink/nats/conn"
)

// BucketConfig is the configuration of a key-value bucket. Fields that are zero have the server's default.
type BucketConfig struct {
	Bucket      string // letters, digits, - and _
	Description string
	History     int // values kept per key; 0: 1
	Storage     string
	Replicas    int
	MaxBytes    int64
	TTL         time.Duration // of a value; 0: for ever
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
	Time     time.Time
	Deleted  bool   // the key was deleted, or has expired
	Pending  uint64 // entries of the watch that follow at once; 0: the last values are complete
}

// CreateBucket creates a bucket. If it exists with the same configuration, that is no error.
func (j *JetStream) CreateBucket(ctx context.Context, config BucketConfig) (*Bucket, error) {
	return nil, nil
}

// Bucket returns an existing bucket. Its error has CodeStreamNotFound if there is none.
func (j *JetStream) Bucket(ctx context.Context, name string) (*Bucket, error) { return nil, nil }

// Put stores a value and returns its revision. Header may be empty.
func (b *Bucket) Put(ctx context.Context, key string, header conn.Header, value []byte) (revision uint64, err error) {
	return 0, nil
}

// Send is Put without waiting, as JetStream.Send.
func (b *Bucket) Send(key string, header conn.Header, value []byte, done func(PubAck, error)) error {
	return nil
}

// Update stores a value if the last revision of the key is the given one; 0: the key has no value. Its error has CodeWrongLast if
// it is not.
func (b *Bucket) Update(ctx context.Context, key string, header conn.Header, value []byte, last uint64) (revision uint64, err error) {
	return 0, nil
}

// Get returns the last value of a key. Its error has CodeMessageNotFound if there is none or it was deleted.
func (b *Bucket) Get(ctx context.Context, key string) (*Entry, error) { return nil, nil }

// Delete deletes a key: its marker replaces the value.
func (b *Bucket) Delete(ctx context.Context, key string) error { return nil }

// Purge deletes a key with all its earlier values.
func (b *Bucket) Purge(ctx context.Context, key string) error { return nil }

// Watch hands the last value of each key that a pattern matches to a handler, then each change, until ctx is done or the connection
// ends. Pattern ">" matches all. The goroutine of the connection's Run calls the handler, which must not wait. ready is called by
// the same goroutine once, when the last values are complete; it may be nil. An entry may come again after trouble; its
// revision says so.
func (b *Bucket) Watch(ctx context.Context, pattern string, handler func(*Entry), ready func()) error {
	return nil
}
