// Xconn runs an xconn router for tests of links to it. Every session may do everything in "realm1". The program prints
// its address, and ends when its standard input does.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/xconnio/xconn-go"
)

func main() {
	r, err := xconn.NewRouter(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	everything := xconn.Permission{MatchPolicy: "prefix", AllowCall: true, AllowPublish: true, AllowRegister: true, AllowSubscribe: true}
	err = r.AddRealm("realm1", &xconn.RealmConfig{Meta: true, Roles: []xconn.RealmRole{
		{Name: "anonymous", Permissions: []xconn.Permission{everything}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := xconn.NewServer(r, nil, nil).ListenAndServeRawSocket(xconn.NetworkTCP, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	fmt.Println("listening", l.Addr())
	io.Copy(io.Discard, os.Stdin)
}
