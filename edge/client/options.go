package client

import (
	"context"
	"log/slog"
	"time"

	"runnel/edge/wamp"
)

// Conn is a connection to a router, returned by Options.Dial. The transports implement it.
type Conn = wamp.Conn

// Options configure a Client. Dial and Realm are required, all other fields have defaults.
type Options struct {
	Dial  func(ctx context.Context) (Conn, error)
	Realm string

	Authid string // HELLO.Details.authid; "": the router chooses
	Auth   []Auth // methods in order of preference; none: anonymous
	Agent  string // HELLO.Details.agent, "runnel/1.2.3"; default "runnel"

	// Brief means that the client runs for a single command. A Runnel on the same machine logs its session at level debug.
	Brief bool

	Node wamp.Node // the local router, if the client is one of its links (HELLO.Details._node); zero: no link

	Reconnect      Reconnect
	RequestTimeout time.Duration // for dialling, joining and every request but a call; default 30 s

	// OnUp is called once the client has joined and established its subscriptions and registrations. OnDown is called
	// with the reason when that session has ended; the two alternate. OnFailed is called when an attempt to join has
	// failed. One goroutine calls all three, and does not reconnect while they run.
	OnUp     func(Welcome)
	OnDown   func(error)
	OnFailed func(error)

	Log *slog.Logger // default: no log

	WriteBuffer int           // limit of bytes waiting to be written; default 1 MiB
	EventBuffer int           // limit of bytes waiting for a handler; default 1 MiB
	HandlerWait time.Duration // how long a full queue may stop the client from reading; default 2 s
	Invocations int           // limit of handlers of invocations running concurrently; default 1024

	Unacknowledged int // limit of pending publications with PublishOptions.Done; default 1024
}

// Reconnect is the policy for joining again: exponential back-off with full jitter. Each pause is random between 0 and
// a bound that doubles with every failure, and does not exceed the outage so far.
type Reconnect struct {
	Disabled bool          // the client ends with its first session
	Min, Max time.Duration // first and last bound on the pause; default 500 ms and 60 s
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
