// Command go is the Go example: it offers a procedure, subscribes to a topic, publishes a reading and calls the procedure.
//
//	go run ./examples/go [URL]
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"runnel/edge/client"
	"runnel/transport"
)

func main() {
	url := "tcp://127.0.0.1:8080"
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := weather(ctx, url); err != nil {
		log.Fatal(err)
	}
}

func weather(ctx context.Context, url string) error {
	c, err := client.Connect(ctx, client.Options{
		Realm: "realm1",
		Dial: func(ctx context.Context) (client.Conn, error) {
			return transport.Dial(ctx, url, transport.DialOptions{})
		},
	})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", url, err)
	}
	defer c.Close(ctx)

	// Each call runs in its own goroutine.
	if _, err := c.Register(ctx, "com.example.go.to_fahrenheit", client.RegisterOptions{}, toFahrenheit); err != nil {
		return fmt.Errorf("register: %w", err)
	}

	// Events are handled one at a time, in the order in which they arrive.
	received := make(chan struct{}, 1)
	_, err = c.Subscribe(ctx, "com.example.weather", client.SubscribeOptions{}, func(e *client.Event) {
		celsius, err := degrees(e.Args())
		if err != nil {
			log.Printf("event of com.example.weather: %v", err)
			return
		}
		fmt.Println("event", "com.example.weather", celsius)
		select {
		case received <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}

	// A publisher does not get its own events unless it asks for them.
	published := client.PublishOptions{Acknowledge: true, IncludeMe: true}
	if err := c.Publish(ctx, "com.example.weather", published, client.Args(21.5)); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	select {
	case <-received:
	case <-ctx.Done():
		return ctx.Err()
	}

	result, err := c.Call(ctx, "com.example.go.to_fahrenheit", client.CallOptions{}, client.Args(21.5))
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	fahrenheit, err := degrees(result.Args())
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	fmt.Println("result", fahrenheit)
	return nil
}

func toFahrenheit(_ context.Context, inv *client.Invocation) (client.Payload, error) {
	celsius, err := degrees(inv.Args())
	if err != nil {
		return client.Payload{}, client.NewError("wamp.error.invalid_argument", err.Error())
	}
	return client.Args(celsius*9/5 + 32), nil
}

// degrees reads the only argument. It checks it, because arguments come from other programs.
func degrees(args []any) (float64, error) {
	if len(args) == 1 {
		if d, ok := args[0].(float64); ok {
			return d, nil
		}
	}
	return 0, fmt.Errorf("want one number with a fraction, got %v", args)
}
