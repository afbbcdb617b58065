package memory

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
)

// raw is a connection on which an attacker sends arbitrary bytes.
type raw struct {
	net.Conn
	over string
}

var kinds = []string{"rawsocket", "websocket"}

// connect opens a connection up to the point where messages begin. It returns nil if the router refuses it.
func (v *victim) connect(over string) *raw {
	conn, err := net.Dial("tcp", v.tcp)
	if err != nil {
		return nil
	}
	r := &raw{conn, over}
	conn.SetDeadline(time.Now().Add(kit.Patience))
	answer := make([]byte, 4)
	if over == "websocket" {
		io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n")
		for !strings.HasSuffix(string(answer), "\r\n\r\n") {
			var b [1]byte
			if _, err := io.ReadFull(conn, b[:]); err != nil {
				conn.Close()
				return nil
			}
			answer = append(answer, b[0])
		}
		return r
	}
	conn.Write([]byte{0x7F, 0xF1, 0, 0})
	if _, err := io.ReadFull(conn, answer); err != nil || answer[1]&0xF == 0 {
		conn.Close()
		return nil
	}
	return r
}

// begin sends the header of a message of the given length.
func (r *raw) begin(length int) {
	if r.over == "websocket" {
		head := binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, uint64(length))
		r.Write(append(head, 0, 0, 0, 0))
		return
	}
	r.Write(binary.BigEndian.AppendUint32(nil, uint32(length)))
}

// say sends a complete message.
func (r *raw) say(text string) {
	r.begin(len(text))
	io.WriteString(r, text)
}

const hello = `[1,"realm1",{"roles":{"publisher":{},"subscriber":{},"caller":{},"callee":{}}}]`

// join opens a session without reading the answer.
func (v *victim) join(over string) *raw {
	r := v.connect(over)
	if r != nil {
		r.say(hello)
	}
	return r
}

// crowd runs many attackers in parallel and keeps their connections open until the test ends.
func (v *victim) crowd(n int, do func(i int) *raw) {
	v.Helper()
	var work sync.WaitGroup
	turns := make(chan struct{}, 64)
	for i := range n {
		turns <- struct{}{}
		work.Go(func() {
			defer func() { <-turns }()
			if r := do(i); r != nil {
				v.Cleanup(func() { r.Close() })
			}
		})
	}
	work.Wait()
}

// Connections that begin to send HELLO and stop.
func TestBegunHellos(t *testing.T) {
	for _, over := range kinds {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			v := start(t, "")
			for range 3 {
				v.crowd(806, func(int) *raw {
					r := v.connect(over)
					if r != nil {
						r.begin(60_000)
						io.WriteString(r, strings.Repeat("[", 59_000))
					}
					return r
				})
				v.served()
			}
		})
	}
}

// Sessions that begin a message and stop, or send a single byte now and then.
func TestBegunMessages(t *testing.T) {
	for _, over := range kinds {
		for _, limit := range []string{"", "[limits]\nmax_message = \"16MiB\"\n"} {
			t.Run(fmt.Sprint(over, len(limit)), func(t *testing.T) {
				t.Parallel()
				length := 1 << 20
				if limit != "" {
					length = 16 << 20
				}
				v := start(t, limit)
				v.crowd(59, func(i int) *raw {
					r := v.join(over)
					if r == nil {
						return nil
					}
					r.begin(length - 1)
					r.SetWriteDeadline(time.Now().Add(3 * time.Second))
					io.WriteString(r, `[16,1,{},"com.a",["`+strings.Repeat("x", length*3/4))
					go func() {
						for i := 0; ; i++ {
							r.SetWriteDeadline(time.Now().Add(time.Second))
							if _, err := r.Write([]byte("x")); err != nil {
								return
							}
							time.Sleep(10 * time.Millisecond)
						}
					}()
					return r
				})
				v.served()
				// A session that sends a whole long message succeeds.
				ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
				defer cancel()
				c, err := v.dial(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Publish(ctx, "com.b", client.PublishOptions{Acknowledge: true}, client.Args(strings.Repeat("x", 900_000))); err != nil {
					t.Error(err)
				}
				c.Close(ctx)
				v.served()
			})
		}
	}
}

// Subscribers that do not read while long events are published.
func TestDeafSubscribers(t *testing.T) {
	for _, over := range kinds {
		for _, many := range []int{10, 100} {
			t.Run(fmt.Sprint(over, many), func(t *testing.T) {
				t.Parallel()
				v := start(t, "")
				v.crowd(many, func(int) *raw {
					r := v.join(over)
					if r != nil {
						r.say(`[32,1,{},"com.a"]`)
					}
					return r
				})
				v.publish(40, 1_000_000)
				v.served()
			})
		}
	}
}
