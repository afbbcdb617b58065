// Package client is a WAMP client session: the uplink's, the command line's, and any Go program's. It works with every
// WAMP router.
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
// # The life of a client
//
// Connect joins and keeps the client connected until Close. A part of a larger program that must start while the router
// is away calls New and Run instead. When a session ends, the client dials again after a pause (exponential back-off,
// full jitter) and makes every Subscription and Registration anew, so that they stay valid; one that the router refuses
// is reported and tried again. Requests never wait for a router that is away: they fail at once with
// wamp.NetworkFailure, and so do the ones under way when a session ends. WaitUp waits for the next session.
//
// # Order and back-pressure
//
// Events are handed to their handlers one at a time, in the order in which they came, by one goroutine of the client. A
// handler may call any method of the client but Close. When handlers do not keep up, events gather in a queue bounded
// by Options.EventBuffer; once it is full the client stops reading, which slows down the router. It reads on while
// requests of this client are unanswered, for a handler may be waiting for the answer, up to four times the buffer. Since
// PING and replies must get through whatever a handler does, this waiting lasts for Options.HandlerWait at most: then
// the oldest events are dropped, counted (Dropped) and logged once, until the queue has half emptied.
//
// Invocations run at the same time, up to Options.Invocations; more wait, up to Options.EventBuffer in bytes, and what
// is beyond that is answered with wamp.error.unavailable. Progressive results are handed over by the goroutine that is
// in Call.
//
// Messages going out gather in a buffer bounded by Options.WriteBuffer: Publish, Call and Progress wait while it is full.
// Publish with PublishOptions.Done waits as well while Options.Unacknowledged publications are not acknowledged.
// The goroutine that finds nobody writing writes at once; whatever comes while it does goes out in one piece behind it.
//
// # Payloads
//
// Arguments travel in a Payload, made of Go values by Args and Kwargs, or of bytes as they came from another peer by Raw.
// What is received holds its payload as bytes, which Args, Kwargs and Decode read. The bytes of an Event are valid until
// the handler returns; Clone keeps them.
package client
