package mqtt

import (
	"io"
	"net"
	"testing"
	"time"

	"runnel/transport/mqtt/packet"
)

// FuzzGuest sends arbitrary bytes after CONNECT. The router must answer or close, and stay alive for others.
func FuzzGuest(f *testing.F) {
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		var b []byte
		for _, p := range []packet.Packet{
			&packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: "a/#", Options: 2}, {Topic: "$share/g/+"}}},
			&packet.Publish{Topic: "a/b", QoS: 2, ID: 7, Payload: []byte(`{"args":[1]}`), Retain: true},
			&packet.Publish{Topic: "a", QoS: 1, ID: 8, Payload: []byte("x")}, &packet.Ack{Type: packet.TypePubrel, ID: 7}, &packet.Ack{Type: packet.TypePubrec, ID: 1},
			&packet.Publish{Topic: "$call/wamp/session/count", Properties: packet.Properties{{ID: packet.ResponseTopic, Text: "a"}}},
			&packet.Unsubscribe{ID: 3, Topics: []string{"a/#"}}, packet.Ping{Type: packet.TypePingreq}, &packet.Disconnect{},
		} {
			b = p.Append(b, v)
		}
		f.Add(byte(v), b)
	}
	s := newStage(f, "")
	f.Fuzz(func(t *testing.T, v byte, data []byte) {
		version := packet.V311
		if v&1 != 0 {
			version = packet.V5
		}
		near, far := net.Pipe()
		defer near.Close()
		served := make(chan struct{})
		go func() {
			defer close(served)
			defer far.Close()
			if c, err := s.door.Accept(far, s.peer(), nil, time.Now().Add(time.Minute)); err == nil {
				s.router.Serve(c)
				c.Close()
			}
		}()
		read := make(chan struct{})
		go func() { io.Copy(io.Discard, near); close(read) }()
		near.SetWriteDeadline(time.Now().Add(time.Minute))
		near.Write((&packet.Connect{Version: version, CleanStart: true, ClientID: ""}).Append(nil, version))
		near.Write(data)
		near.Close()
		<-served
		<-read
	})
}
