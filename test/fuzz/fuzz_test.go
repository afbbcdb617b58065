// Package fuzz sends random streams to a real router through a real listener. Two bystanders in the attacker's realm must not
// be affected.
//
// Messages have effects in the router until their session ends. So an input that fails may depend on the inputs before it.
// The packages of the single layers have their own fuzz tests.
package fuzz

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/say"
	"runnel/transport"
	"runnel/transport/memory"
)

// patience is how long a check waits for the router.
const patience = 30 * time.Second

// house is a router with a listener, and the bystanders.
type house struct {
	router  *edge.Router
	address string
	stop    context.CancelFunc
	ended   sync.WaitGroup

	talks, listens *client.Client
	heard          chan int64
	rounds         int64
}

// roles gives anonymous peers all rights except those that could harm others.
func roles() []*auth.Role {
	mine := auth.Permission{URI: "bystander.", Match: wamp.Prefix, Allow: auth.Everything}
	free := []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}, {URI: "bystander.", Match: wamp.Prefix}}
	for _, procedure := range []string{"wamp.session.kill", "wamp.subscription.remove_subscriber", "wamp.registration.remove_callee"} {
		free = append(free, auth.Permission{URI: procedure, Match: wamp.Prefix})
	}
	return []*auth.Role{auth.NewRole("guest", free), auth.NewRole("bystander", []auth.Permission{mine})}
}

func newHouse(f *testing.F) *house {
	quiet := slog.New(slog.DiscardHandler)
	h := &house{heard: make(chan int64, 100), router: edge.NewRouter(edge.Options{
		Log: quiet, MaxSubscriptions: 50, MaxRegistrations: 50, MaxCalls: 50, MaxRetained: 1 << 20, CloseTimeout: 100 * time.Millisecond,
	})}
	check(f, h.router.AddRealm(edge.RealmOptions{
		Name: "realm1", Anonymous: "guest", Roles: roles(),
		History: []edge.HistoryRule{{URI: "a.", Match: wamp.Prefix, Events: 20, Octets: 64 << 10}},
	}))
	l, err := transport.Listen("tcp://127.0.0.1:0", transport.ListenOptions{Log: quiet, MaxMessage: 64 << 10, Compress: true})
	check(f, err)
	h.address = strings.TrimPrefix(l.URL(), "tcp://")
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	h.ended.Go(func() { l.Run(ctx, func(c transport.Conn) { h.router.Serve(c) }) })
	h.talks, h.listens = h.bystander(f), h.bystander(f)
	_, err = h.listens.Subscribe(ctx, "bystander.topic", client.SubscribeOptions{}, func(e *client.Event) {
		n, _ := e.Args()[0].(int64)
		h.heard <- n
	})
	check(f, err)
	_, err = h.listens.Register(ctx, "bystander.echo", client.RegisterOptions{}, func(_ context.Context, i *client.Invocation) (client.Payload, error) {
		return client.Args(i.Args()...), nil
	})
	check(f, err)
	f.Cleanup(h.close)
	return h
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bystander joins a client that notices at once when its connection ends.
func (h *house) bystander(f *testing.F) *client.Client {
	c, err := client.Connect(context.Background(), client.Options{
		Dial: func(context.Context) (client.Conn, error) {
			near, far := memory.Pipe(memory.Options{Authid: "bystander", Role: "bystander", Realm: "realm1"})
			h.ended.Go(func() { h.router.Serve(far) })
			return near, nil
		},
		Realm: "realm1", Log: slog.New(slog.DiscardHandler), Reconnect: client.Reconnect{Disabled: true},
	})
	check(f, err)
	return c
}

func (h *house) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	h.talks.Close(ctx)
	h.listens.Close(ctx)
	h.stop()
	h.router.Close(ctx)
	h.ended.Wait()
}

// attack sends octets over its own connection, until the router closes it or has read all of them.
func (h *house) attack(t *testing.T, octets []byte) {
	t.Helper()
	c, err := net.Dial("tcp", h.address)
	check(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	go func() {
		c.Write(octets) // the router may hang up in the middle
		c.(*net.TCPConn).CloseWrite()
	}()
	if _, err := io.Copy(io.Discard, c); os.IsTimeout(err) {
		t.Fatal("the router does not hang up")
	}
}

// unmoved checks that the bystanders work as before, and that no other session is left.
func (h *house) unmoved(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	h.rounds++
	check(t, h.talks.Publish(ctx, "bystander.topic", client.PublishOptions{}, client.Args(h.rounds)))
	result, err := h.talks.Call(ctx, "bystander.echo", client.CallOptions{}, client.Args(h.rounds))
	check(t, err)
	if got := result.Args()[0]; got != any(h.rounds) {
		t.Fatalf("called with %d, got %v", h.rounds, got)
	}
	select {
	case got := <-h.heard:
		if got != h.rounds {
			t.Fatalf("published %d, heard %d", h.rounds, got)
		}
	case <-ctx.Done():
		t.Fatal("the event does not come")
	}
	for s := h.router.Status(); s.Connections != 2 || s.Realms[0].Sessions != 2 || s.Realms[0].Registrations != 1; s = h.router.Status() {
		if ctx.Err() != nil {
			t.Fatalf("something is left: %+v", s)
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// mostMemory limits the memory in use between two attacks, in bytes. The fuzzer itself uses 100 MiB.
const mostMemory = 164 << 20

func (h *house) modest(t *testing.T) {
	t.Helper()
	if h.rounds%256 != 0 {
		return
	}
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapAlloc < mostMemory {
		return
	}
	runtime.GC()
	if runtime.ReadMemStats(&m); m.HeapAlloc > mostMemory {
		t.Fatalf("%d MiB are in use", m.HeapAlloc>>20)
	}
}

// FuzzStream sends random octets to the port that serves RawSocket and HTTP.
func FuzzStream(f *testing.F) {
	for _, s := range wamp.Serializers {
		for _, text := range said {
			f.Add(append(raw(s), frames(s, hello, text)...))
			f.Add(append(upgrade("wamp.2."+s.String()), webFrames(s, false, hello, text)...))
		}
		f.Add(append(upgrade("wamp.2."+s.String()+".batched"), webFrames(s, true, hello, said[0])...))
	}
	for _, text := range []string{
		"", "\x7f\xf1", "\x7f\xf0\x00\x00", "\x7f\xf9\x00\x00", "\x7f\xf3\x01\x02", "\x7f\xf1\x00\x00\x08\x00\x00\x00", "\x7f\xf1\x00\x00\x00\xff\xff\xff",
		"\x7f\xf1\x00\x00\x01\x00\x00\x04ping\x02\x00\x00\x00", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
		"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, octets []byte) {
		h.attack(t, octets)
		h.unmoved(t)
		h.modest(t)
	})
}

// between separates two messages of a fuzzed session.
var between = []byte("\n~\n")

// FuzzSession sends random messages in a session, over RawSocket (way 0 to 2, by serializer), WebSocket (3 to 5) and batched
// WebSocket (6 to 8).
func FuzzSession(f *testing.F) {
	for way := range uint8(9) {
		s := wamp.Serializers[way%3]
		for _, text := range said {
			f.Add(way, bytes.Join(messages(s, text), between))
		}
	}
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, way uint8, session []byte) {
		s := wamp.Serializers[way%3]
		list := append(messages(s, hello), bytes.Split(session, between)...)
		var octets []byte
		switch way / 3 % 3 {
		case 0:
			octets = append(raw(s), framed(list)...)
		case 1:
			octets = append(upgrade("wamp.2."+s.String()), webFramed(s, list)...)
		case 2:
			octets = append(upgrade("wamp.2."+s.String()+".batched"), webFramed(s, [][]byte{batched(s, list)})...)
		}
		h.attack(t, octets)
		h.unmoved(t)
		h.modest(t)
	})
}

const hello = `[1,"realm1",{"roles":{"publisher":{"features":{"payload_passthru_mode":true}},"subscriber":{},` +
	`"caller":{"features":{"progressive_call_invocations":true,"call_canceling":true,"payload_passthru_mode":true}},` +
	`"callee":{"features":{"progressive_call_results":true,"progressive_call_invocations":true,"call_canceling":true,"payload_passthru_mode":true,"call_timeout":true}}}}]`

// said lists seed sessions, with one message per line.
var said = []string{
	`[32,1,{},"a.b"]
[32,2,{"match":"prefix","get_retained":true},"a."]
[32,3,{"match":"wildcard"},"a..c"]
[16,4,{"exclude_me":false,"acknowledge":true,"retain":true},"a.b",[1,"\u0000AQID",2.5,null],{"k":[{}]}]
[16,5,{"exclude":[1],"eligible":[2],"eligible_authrole":["guest"],"exclude_authid":["x"]},"a.b.c",[]]
[34,6,1]
[6,{},"wamp.close.normal"]`,
	`[64,1,{},"p"]
[64,2,{"match":"prefix","invoke":"roundrobin"},"p."]
[48,3,{"receive_progress":true,"timeout":1000,"disclose_me":true},"p",[1],{"k":"v"}]
[70,1,{"progress":true},[1]]
[70,1,{},[2],{"r":18446744073709551615}]
[48,4,{"progress":true},"p.q",["\u0000AQID"]]
[48,4,{},"p.q"]
[49,4,{"mode":"kill"}]
[8,68,2,{},"a.error",["x"],{}]
[66,5,1]
[48,6,{},"nobody"]
[49,7,{"mode":"skip"}]`,
	`[48,1,{},"wamp.session.list"]
[48,2,{},"wamp.session.count",[["guest"]]]
[48,3,{},"wamp.session.get",[1]]
[48,4,{},"wamp.session.add_testament",["a.will",[1],{"k":2}],{"scope":"detached","publish_options":{"retain":true}}]
[48,5,{},"wamp.session.flush_testaments",[],{"scope":"destroyed"}]
[48,6,{},"wamp.subscription.lookup",["a.",{"match":"prefix"}]]
[48,7,{},"wamp.subscription.get_events",[1],{"limit":5,"reverse":true,"from_time":"2026-01-01T00:00:00Z"}]
[48,8,{},"wamp.registration.match",["p.x"]]
[48,9,{},"wamp.reflect.define",["p","what it does"],{"kind":"procedure"}]
[48,10,{},"wamp.reflect.describe",["p"]]`,
	`[16,1,{"ppt_scheme":"wamp","ppt_serializer":"cbor","ppt_cipher":"xsalsa20poly1305","ppt_keyid":"k"},"a.b",["\u0000AQID"]]
[64,2,{"x_custom":{},"force_reregister":true},"p"]
[48,3,{"ppt_scheme":"mqtt","rkey":"k","runmode":"partition"},"p",["\u0000AQID"]]
[337,1]
[1,"realm1",{}]`,
	`[32,1,{"_confirm":true,"get_retained":true},"a.b"]
[16,2,{"acknowledge":true,"exclude_me":false,"forward_for":[{"session":1,"authid":"x","authrole":"y"}],"_origin":["node",1,7],"_time":"2026-01-01T00:00:00Z"},"a.b",[1]]
[337,1]
[8,36,2,{},"a.error"]
[64,3,{"forward_timeout":true},"p"]
[48,4,{"timeout":20,"forward_for":[]},"p"]
[70,1,{},[1]]
[3,{},"wamp.close.normal"]`,
}

// messages encodes a session of one message per line.
func messages(s wamp.Serializer, text string) (list [][]byte) {
	for line := range strings.Lines(text) {
		data, err := say.Names{}.Encode(s, strings.TrimSpace(line))
		if err != nil {
			panic(err) // the texts are constants
		}
		list = append(list, data)
	}
	return list
}

// raw is RawSocket's handshake.
func raw(s wamp.Serializer) []byte { return []byte{0x7f, 0xf0 | byte(s), 0, 0} }

func frames(s wamp.Serializer, texts ...string) []byte {
	return framed(messages(s, strings.Join(texts, "\n")))
}

func framed(list [][]byte) (octets []byte) {
	for _, m := range list {
		octets = append(binary.BigEndian.AppendUint32(octets, uint32(len(m))), m...)
	}
	return octets
}

func upgrade(subprotocol string) []byte {
	return []byte("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + subprotocol + "\r\n\r\n")
}

func webFrames(s wamp.Serializer, asBatch bool, texts ...string) []byte {
	list := messages(s, strings.Join(texts, "\n"))
	if asBatch {
		list = [][]byte{batched(s, list)}
	}
	return webFramed(s, list)
}

// batched returns the list as one message of a batched WebSocket.
func batched(s wamp.Serializer, list [][]byte) (batch []byte) {
	if s != wamp.JSON {
		return framed(list)
	}
	for _, m := range list {
		batch = append(append(batch, m...), 0x1e)
	}
	return batch
}

// webFramed puts each message into a WebSocket frame with a zero mask.
func webFramed(s wamp.Serializer, list [][]byte) (octets []byte) {
	const final, masked = 0x80, 0x80
	kind := byte(final | 2)
	if s == wamp.JSON {
		kind = final | 1
	}
	for _, m := range list {
		octets = append(octets, kind)
		if len(m) < 126 {
			octets = append(octets, masked|byte(len(m)))
		} else {
			octets = binary.BigEndian.AppendUint64(append(octets, masked|127), uint64(len(m)))
		}
		octets = append(append(octets, 0, 0, 0, 0), m...)
	}
	return octets
}
