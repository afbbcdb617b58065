package client

import (
	"context"
	"log/slog"
	"time"

	"runnel/edge/wamp"
)

// Conn is a connection to a router, dialled by Options.Dial. The transports make such connections.
type Conn interface {
	// ReadMessage returns the router's next message. Its bytes are valid until the next call. more reports whether a
	// further message is buffered already.
	ReadMessage() (msg []byte, more bool, err error)

	// Write sends a batch: messages, each behind its length in four octets, big-endian. With wait it returns when all
	// of it is written. Without, it takes what the wire takes at once and returns n < len(batch), perhaps in
	// mid-message; the client goes on with batch[n:]. One goroutine at a time.
	Write(batch []byte, wait bool) (n int, err error)

	// Close unblocks ReadMessage and Write. Any goroutine may call it, any number of times.
	Close() error

	// Transport says how the router is reached; it does not change.
	Transport() *wamp.Transport
}

// Options say how a Client connects. Dial and Realm are needed, the rest has defaults.
type Options struct {
	Dial  func(ctx context.Context) (Conn, error)
	Realm string

	Authid string // HELLO.Details.authid; "" leaves it to the router
	Auth   []Auth // what the client can prove, in order of preference; none: anonymous
	Agent  string // HELLO.Details.agent, "runnel/1.2.3"; default "runnel"

	Node wamp.Node // the router that the client is a link of: HELLO.Details._node; the zero value: it is none

	Reconnect      Reconnect
	RequestTimeout time.Duration // for everything but a call, and for dialling and joining; default 30 s

	// OnUp is called when the client has joined and made its subscriptions and registrations again; OnDown when that
	// session has ended, with the reason; OnFailed when an attempt to join has come to nothing. OnUp and OnDown
	// alternate. All are called by one goroutine, and delay the reconnect while they run.
	OnUp     func(Welcome)
	OnDown   func(error)
	OnFailed func(error)

	Log *slog.Logger // default: nothing is logged

	WriteBuffer int           // bytes waiting to be written; default 1 MiB
	EventBuffer int           // bytes waiting for a handler; default 1 MiB
	HandlerWait time.Duration // how long a full queue may keep the client from reading; default 2 s
	Invocations int           // handlers of procedures running at the same time; default 1024

	Unacknowledged int // publications with PublishOptions.Done under way at the same time; default 1024
}

// Reconnect is the policy for joining again: exponential back-off with full jitter, that is a random pause between 0 and
// a bound which doubles with each failure.
type Reconnect struct {
	Disabled bool          // the end of the first session is the end of the client
	Min, Max time.Duration // the bound on the pause, at first and at last; default 500 ms and 60 s
}

const (
	defaultAgent          = "runnel"
	defaultRequestTimeout = 30 * time.Second
	defaultBuffer         = 1 << 20
	defaultHandlerWait    = 2 * time.Second
	defaultInvocations    = 1024
	defaultUnacknowledged = 1024
	defaultReconnectMin   = 500 * time.Millisecond
	defaultReconnectMax   = time.Minute
)

// withDefaults returns o with every field set.
func (o Options) withDefaults() Options {
	orDefault(&o.Agent, defaultAgent)
	orDefault(&o.RequestTimeout, defaultRequestTimeout)
	orDefault(&o.WriteBuffer, defaultBuffer)
	orDefault(&o.EventBuffer, defaultBuffer)
	orDefault(&o.HandlerWait, defaultHandlerWait)
	orDefault(&o.Invocations, defaultInvocations)
	orDefault(&o.Unacknowledged, defaultUnacknowledged)
	orDefault(&o.Reconnect.Min, defaultReconnectMin)
	orDefault(&o.Reconnect.Max, defaultReconnectMax)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OnUp == nil {
		o.OnUp = func(Welcome) {}
	}
	if o.OnDown == nil {
		o.OnDown = func(error) {}
	}
	if o.OnFailed == nil {
		o.OnFailed = func(error) {}
	}
	return o
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
