package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// exampleRouter routes one realm whose anonymous sessions may do everything. dial connects to it within this process.
// Other programs use transport.Dial instead.
func exampleRouter() (dial func(context.Context) (client.Conn, error), stop func()) {
	guest := auth.NewRole("guest", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})
	router := edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})
	if err := router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "guest", Roles: []*auth.Role{guest}}); err != nil {
		log.Fatal(err)
	}
	dial = func(context.Context) (client.Conn, error) {
		inside, outside := memory.Pipe(memory.Options{})
		go router.Serve(inside)
		return outside, nil
	}
	stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		router.Close(ctx)
	}
	return dial, stop
}

// connect joins realm1 of the router.
func connect(ctx context.Context, dial func(context.Context) (client.Conn, error)) *client.Client {
	c, err := client.Connect(ctx, client.Options{Dial: dial, Realm: "realm1"})
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// A client joins a realm and stays connected until Close.
func ExampleConnect() {
	dial, stop := exampleRouter()
	defer stop()
	ctx := context.Background()

	c, err := client.Connect(ctx, client.Options{Dial: dial, Realm: "realm1"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)

	welcome, up := c.Welcome()
	fmt.Println(up, welcome.Authrole())
	// Output: true guest
}

// Events reach the handler one at a time, in the order in which they were published.
func ExampleClient_Subscribe() {
	dial, stop := exampleRouter()
	defer stop()
	ctx := context.Background()
	station, display := connect(ctx, dial), connect(ctx, dial)
	defer station.Close(ctx)
	defer display.Close(ctx)

	shown := make(chan string)
	_, err := display.Subscribe(ctx, "com.example.weather.", client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) {
		shown <- fmt.Sprintln(e.Topic(), e.Args())
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := station.Publish(ctx, "com.example.weather.roof", client.PublishOptions{}, client.Args(21.5)); err != nil {
		log.Fatal(err)
	}
	fmt.Print(<-shown)
	// Output: com.example.weather.roof [21.5]
}

// An acknowledged Publish returns once the router has accepted the event, or with the router's reason for rejecting it.
func ExampleClient_Publish() {
	dial, stop := exampleRouter()
	defer stop()
	ctx := context.Background()
	c := connect(ctx, dial)
	defer c.Close(ctx)

	acknowledged := client.PublishOptions{Acknowledge: true}
	fmt.Println(c.Publish(ctx, "com.example.weather", acknowledged, client.Args(21.5)))
	err := c.Publish(ctx, "com.example..weather", acknowledged, client.Args(21.5))
	fmt.Println(errors.Is(err, wamp.InvalidURI))
	// Output:
	// <nil>
	// true
}

// Each call of a procedure runs in its own goroutine.
func ExampleClient_Register() {
	dial, stop := exampleRouter()
	defer stop()
	ctx := context.Background()
	callee, caller := connect(ctx, dial), connect(ctx, dial)
	defer callee.Close(ctx)
	defer caller.Close(ctx)

	greet := func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		args := inv.Args()
		if len(args) != 1 {
			return client.Payload{}, client.NewError("wamp.error.invalid_argument", "one name is needed")
		}
		return client.Args(fmt.Sprint("hello ", args[0])), nil
	}
	if _, err := callee.Register(ctx, "com.example.greet", client.RegisterOptions{}, greet); err != nil {
		log.Fatal(err)
	}
	result, err := caller.Call(ctx, "com.example.greet", client.CallOptions{}, client.Args("world"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Args()...)
	// Output: hello world
}

// An error of the callee or the router carries a URI. errors.Is compares it.
func ExampleClient_Call() {
	dial, stop := exampleRouter()
	defer stop()
	ctx := context.Background()
	c := connect(ctx, dial)
	defer c.Close(ctx)

	_, err := c.Call(ctx, "com.example.unknown", client.CallOptions{}, client.Args())
	fmt.Println(errors.Is(err, wamp.NoSuchProcedure))
	// Output: true
}
