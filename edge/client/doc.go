// Package client is a WAMP client. Uplinks, the command line and other Go programs use it. It works with every WAMP router.
//
//	c, err := client.Connect(ctx, client.Options{
//		Dial:  func(ctx context.Context) (client.Conn, error) { return transport.Dial(ctx, "tcp://127.0.0.1:8080", ...) },
//		Realm: "realm1",
//	})
//	...
//	defer c.Close(ctx)
//
//	c.Subscribe(ctx, "com.example.weather", client.SubscribeOptions{}, func(e *client.Event) {
//		fmt.Println(e.Topic(), e.Args())
//	})
//	add := func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
//		...
//		return client.Args(a + b), nil
//	}
//	c.Register(ctx, "com.example.add", client.RegisterOptions{}, add)
//	err = c.Publish(ctx, "com.example.weather", client.PublishOptions{}, client.Args(21.5))
//	sum, err := c.Call(ctx, "com.example.add", client.CallOptions{}, client.Args(2, 3))
//
// # Connecting
//
// Connect joins a realm and keeps the client connected until Close. A program that must start while the router is
// unreachable calls New and Run instead. When a session ends, the client dials again after a pause (exponential
// back-off, full jitter) and establishes every Subscription and Registration again. If the router refuses one, the
// client reports that and retries. Requests never wait for a connection: without a session they fail at once with
// wamp.NetworkFailure. Pending requests fail with it when the session ends. WaitUp waits for the next session.
//
// # Order and back-pressure
//
// One goroutine of the client calls the handlers of events, one event at a time, in the order of arrival. A handler may
// call any method of the client but Close. When handlers do not keep up, events wait in a queue bounded by
// Options.EventBuffer. Once it is full, the client stops reading, which slows down the router. While requests of this
// client are unanswered it reads on, up to four times the buffer, because a handler may be waiting for the answer. The
// client stops reading for Options.HandlerWait at most, so that PING and replies still get through. After that it drops
// the oldest events until the queue is half empty. Dropped counts them; the log has one line for it.
//
// Invocations run concurrently, up to Options.Invocations. Further ones wait in a queue of Options.EventBuffer bytes; beyond
// that they are answered with wamp.error.unavailable. Progressive results are passed on by the goroutine that called Call.
//
// Outgoing messages wait in a buffer bounded by Options.WriteBuffer: Publish, Call and Progress block while it is full.
// Publish with PublishOptions.Done also blocks while Options.Unacknowledged publications are not acknowledged. A
// goroutine that finds no write in progress writes its message itself. Messages sent meanwhile follow in one write.
//
// # Payloads
//
// Arguments travel in a Payload. Args and Kwargs make one of Go values, Raw makes one of the bytes received from
// another peer. Received messages hold their payload as bytes, which Args, Kwargs and Decode read. The bytes of an
// Event are valid until the handler returns; Clone keeps them.
package client
