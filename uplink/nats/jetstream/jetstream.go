package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"runnel/uplink/nats/conn"
)

// Options configure a JetStream. The zero value is the default.
type Options struct {
	Prefix  string        // of the API's subjects; "": "$JS.API"; of a domain: "$JS.DOMAIN.API"
	Timeout time.Duration // for an answer; 0: 5 s

	// Heartbeat is the longest time between two heartbeats of a consumer that has no messages. After three times that,
	// the consumer's server is assumed lost. 0: 5 s.
	Heartbeat time.Duration
}

// JetStream is the JetStream of the cluster behind a connection. The goroutine of the connection's Run may call only
// Send, Ack, Nak, Term and Progress. Any other goroutine may call all methods.
type JetStream struct {
	conn      *conn.Conn
	prefix    string
	timeout   time.Duration
	heartbeat time.Duration
}

// New returns the JetStream behind a connection.
func New(c *conn.Conn, opts Options) *JetStream {
	j := &JetStream{c, opts.Prefix, opts.Timeout, opts.Heartbeat}
	if j.prefix == "" {
		j.prefix = "$JS.API"
	}
	if j.timeout == 0 {
		j.timeout = 5 * time.Second
	}
	if j.heartbeat == 0 {
		j.heartbeat = 5 * time.Second
	}
	return j
}

// Error is an error of the API. Code is an HTTP status, and ErrCode identifies the error.
type Error struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *Error) Error() string { return fmt.Sprintf("jetstream: %s (%d)", e.Description, e.ErrCode) }

// Values of Error.ErrCode.
const (
	CodeConsumerNotFound = 10014
	CodeStreamNotFound   = 10059
	CodeMessageNotFound  = 10037
	CodeStreamExists     = 10058 // with another configuration
	CodeSubjectOverlap   = 10065 // another stream has the subject
	CodeWrongLast        = 10071 // another message was stored before
	CodeNotEnabled       = 10076
	CodeNotForAccount    = 10039
	CodeNotLeader        = 10009
	CodeInProcess        = 10158 // the stream is about to store a message of the same HeaderMsgID
	CodeNoPeers          = 10005 // too few servers for the replicas: the cluster is starting, or too small
	CodeUnavailable      = 10008 // temporarily, such as without a quorum
)

// IsCode reports whether an error is one of the API with one of the codes.
func IsCode(err error, codes ...int) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.ErrCode == c {
			return true
		}
	}
	return false
}

// Temporary reports whether the same request may succeed later without a change of the cluster's configuration. It
// returns true after a timeout, without responders (no quorum, no leader, JetStream is starting), or if the server's
// error says so.
func Temporary(err error) bool {
	if errors.Is(err, conn.ErrTimeout) || errors.Is(err, conn.ErrNoResponders) || errors.Is(err, conn.ErrFull) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.ErrCode {
	case CodeNotEnabled, CodeNotForAccount:
		return false
	case CodeNoPeers, CodeNotLeader, CodeInProcess:
		return true
	}
	return e.Code == 503 || e.Code >= 500 && e.ErrCode == 0
}

// call sends a request to the API and decodes the answer. in may be nil. out needs no field for the error.
func (j *JetStream) call(ctx context.Context, subject string, in, out any) error {
	var data []byte
	if in != nil {
		var err error
		if data, err = json.Marshal(in); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, j.timeout, conn.ErrTimeout)
	defer cancel()
	m, err := j.conn.Request(ctx, conn.Out{Subject: j.prefix + "." + subject, Data: data})
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("jetstream %s: %w", subject, err)
	}
	if err := decode(m.Data, out); err != nil {
		return fmt.Errorf("jetstream %s: %w", subject, err)
	}
	return nil
}

// decode decodes an answer into its error or into out. If out is nil, decode only checks for an error.
func decode(data []byte, out any) error {
	var failed struct {
		Error *Error `json:"error"`
	}
	if err := json.Unmarshal(data, &failed); err != nil {
		return fmt.Errorf("invalid answer: %w", err)
	}
	if failed.Error != nil {
		return failed.Error
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}
