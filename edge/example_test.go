package edge_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
)

// A program embeds the router: it makes a realm, and serves each connection in a goroutine of its own.
func ExampleRouter() {
	router := edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})
	guest := auth.NewRole("guest", []auth.Permission{{URI: "com.example.", Match: wamp.Prefix, Allow: auth.Everything}})
	if err := router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "guest", Roles: []*auth.Role{guest}}); err != nil {
		log.Fatal(err)
	}
	listener, err := transport.Listen("tcp://127.0.0.1:0", transport.ListenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- listener.Run(ctx, func(c transport.Conn) { router.Serve(c) }) }()

	c, err := client.Connect(ctx, client.Options{Realm: "realm1", Dial: func(ctx context.Context) (client.Conn, error) {
		return transport.Dial(ctx, fmt.Sprint("tcp://", listener.Addr().(*net.TCPAddr)), transport.DialOptions{})
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Publish(ctx, "com.example.weather", client.PublishOptions{Acknowledge: true}, client.Args(21.5)))
	c.Close(ctx)

	stop() // no further connections
	<-ended
	router.Close(context.Background()) // the sessions end with GOODBYE
	// Output: <nil>
}
