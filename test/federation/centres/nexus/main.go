// Nexus runs a nexus router for tests of links to it. Every session may do everything in "realm1". The program prints its
// address, and ends when its standard input does.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/gammazero/nexus/v3/router"
)

func main() {
	r, err := router.NewRouter(&router.Config{RealmConfigs: []*router.RealmConfig{
		{URI: "realm1", AnonymousAuth: true, AllowDisclose: true},
	}}, log.New(os.Stderr, "", 0))
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	l, err := router.NewRawSocketServer(r).ListenAndServe("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	fmt.Println("listening", l.(net.Listener).Addr())
	io.Copy(io.Discard, os.Stdin)
}
