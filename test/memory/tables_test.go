package memory

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
)

// Connections that send nothing, or only their handshake.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	v := start(t, "")
	v.crowd(3000, func(i int) *raw {
		if i%3 > 0 {
			return v.connect(kinds[i%2])
		}
		conn, err := net.Dial("tcp", v.tcp)
		if err != nil {
			return nil
		}
		return &raw{Conn: conn}
	})
	v.served()
}

// Sessions that fill the tables: subscriptions with long URIs, registrations, retained events, and calls that are never
// answered.
func TestFullTables(t *testing.T) {
	for name, message := range map[string]func(session, i int) string{
		"subscriptions": func(s, i int) string {
			return fmt.Sprintf(`[32,%d,{},"com.%d.%d.%s"]`, i+1, s, i, strings.Repeat("x", 20_000))
		},
		"short": func(s, i int) string { return fmt.Sprintf(`[32,%d,{"match":"prefix"},"com.%d.%d"]`, i+1, s, i) },
		"registrations": func(s, i int) string {
			return fmt.Sprintf(`[64,%d,{},"com.%d.%d.%s"]`, i+1, s, i, strings.Repeat("x", 2_000))
		},
		"retained": func(s, i int) string {
			return fmt.Sprintf(`[16,%d,{"retain":true},"com.%d.%d",["%s"]]`, i+1, s, i, strings.Repeat("x", 20_000))
		},
		"calls": func(s, i int) string {
			if i == 0 {
				return fmt.Sprintf(`[64,1,{},"com.never.%d"]`, s)
			}
			return fmt.Sprintf(`[48,%d,{},"com.never.%d",["%s"]]`, i+1, s, strings.Repeat("x", 100))
		},
		"testaments": func(s, i int) string {
			return fmt.Sprintf(`[48,%d,{},"wamp.session.add_testament",["com.a",["%s"],{}]]`, i+1, strings.Repeat("x", 10_000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := start(t, "")
			v.crowd(200, func(s int) *raw {
				r := v.join("websocket")
				if r == nil {
					return nil
				}
				go io.Copy(io.Discard, r)
				for i := range 1000 {
					r.SetDeadline(time.Now().Add(5 * time.Second))
					if _, err := r.sayAll(message(s, i)); err != nil {
						break
					}
				}
				return r
			})
			v.served()
		})
	}
}

// sayAll sends several messages in one write.
func (r *raw) sayAll(text string) (int, error) {
	n := len(text)
	head := []byte{0x81, 0x80 | 126, byte(n >> 8), byte(n), 0, 0, 0, 0}
	if n < 126 {
		head = []byte{0x81, 0x80 | byte(n), 0, 0, 0, 0}
	}
	return io.WriteString(r, string(head)+text)
}

// Many publishers of long events, many subscribers that do not read, and some that do.
func TestManyLongEvents(t *testing.T) {
	t.Parallel()
	v := start(t, "")
	v.crowd(50, func(i int) *raw {
		r := v.join(kinds[i%2])
		if r != nil {
			r.say(`[32,1,{},"com.a"]`)
			if i%5 == 0 {
				go io.Copy(io.Discard, r)
			}
		}
		return r
	})
	v.crowd(20, func(i int) *raw {
		r := v.join(kinds[i%2])
		if r == nil {
			return nil
		}
		go io.Copy(io.Discard, r)
		for n := range 10 {
			r.SetDeadline(time.Now().Add(kit.Patience))
			r.say(fmt.Sprintf(`[16,%d,{},"com.a",["%s"]]`, n+1, strings.Repeat("x", 1_000_000)))
		}
		return r
	})
	v.served()
}

// A short event for many subscribers must not allocate a long buffer for each of them.
func TestManySubscribers(t *testing.T) {
	t.Parallel()
	v := start(t, "")
	v.crowd(600, func(i int) *raw {
		r := v.join(kinds[i%2])
		if r != nil {
			r.say(`[32,1,{},"com.a"]`)
			go io.Copy(io.Discard, r)
		}
		return r
	})
	v.publish(50, 6_000)
	v.served()
}

// Long-poll clients that send incomplete bodies or do not fetch their messages.
func TestLongPoll(t *testing.T) {
	t.Parallel()
	v := start(t, "")
	v.crowd(200, func(i int) *raw {
		id := v.open()
		if id == "" {
			return nil
		}
		v.post(id+"/send", hello)
		v.post(id+"/receive", "")
		if i%2 == 0 {
			v.post(id+"/send", `[32,1,{},"com.a"]`)
			return nil
		}
		conn, err := net.Dial("tcp", v.tcp)
		if err != nil {
			return nil
		}
		fmt.Fprintf(conn, "POST /lp/%s/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n", id)
		conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
		io.WriteString(conn, strings.Repeat("x", 700_000))
		return &raw{Conn: conn}
	})
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	c, err := v.dial(ctx)
	for ; err != nil && ctx.Err() == nil; c, err = v.dial(ctx) { // there is no room until some of the crowd has been cut
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for range 10 {
		if err := c.Publish(ctx, "com.a", client.PublishOptions{Acknowledge: true}, client.Args(strings.Repeat("x", 900_000))); err != nil {
			t.Fatal(err)
		}
	}
	v.served()
}

// open opens a long-poll transport and returns its id.
func (v *victim) open() string {
	text := v.post("open", `{"protocols":["wamp.2.json"]}`)
	_, rest, _ := strings.Cut(text, `"transport":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// post makes a request over a connection of its own. It returns the body of the response, or "" if there is none.
func (v *victim) post(path, body string) string {
	conn, err := net.Dial("tcp", v.tcp)
	if err != nil {
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(kit.Patience))
	fmt.Fprintf(conn, "POST /lp/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}
