package nats_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/spool"
)

// A consumer that its servers have lost does not delay exports, and another one replaces it. The server has no
// JetStream, so the test answers in its place.
func TestLostConsumer(t *testing.T) { kit.EachNATS(t, testLostConsumer) }

func testLostConsumer(t *testing.T, binary string) {
	t.Cleanup(nats.ShortenLostTime())
	server := kit.StartNATS(t, binary, "")
	program := newPlain(t, server)
	created := make(chan string, 10) // consumers
	var delivered atomic.Bool
	answer := func(m *conn.Msg) string {
		call := strings.TrimPrefix(string(m.Subject), "$JS.API.")
		switch {
		case call == "STREAM.NAMES":
			return `{"streams":["S"],"total":1,"limit":1024}`
		case strings.HasPrefix(call, "STREAM.INFO."):
			return `{"config":{"name":"S","subjects":["com.>"]},"created":"2026-01-01T00:00:00Z","state":{"last_seq":1}}`
		case strings.HasPrefix(call, "CONSUMER.INFO.") && strings.HasSuffix(call, "-0"):
			return `{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`
		case strings.HasPrefix(call, "CONSUMER.INFO."), strings.HasPrefix(call, "CONSUMER.DELETE."):
			return `{"error":{"code":404,"err_code":10014,"description":"consumer not found"}}`
		case strings.HasPrefix(call, "CONSUMER.DURABLE.CREATE."):
			var request struct {
				Config struct {
					Name    string `json:"durable_name"`
					Deliver string `json:"deliver_policy"`
				} `json:"config"`
			}
			json.Unmarshal(m.Data, &request)
			kit.Send(t, created, request.Config.Deliver+" "+request.Config.Name[strings.LastIndexByte(request.Config.Name, '-'):])
			return `{"name":"` + request.Config.Name + `"}`
		case strings.HasPrefix(call, "CONSUMER.MSG.NEXT.") && delivered.CompareAndSwap(false, true):
			return ""
		}
		return ""
	}
	_, err := program.Subscribe("$JS.API.>", "", func(m *conn.Msg) {
		if text := answer(m); text != "" {
			program.Publish(conn.Out{Subject: string(m.Reply), Data: []byte(text)})
		}
	})
	kit.Must(t, err)
	_, err = program.Subscribe("com.export.>", "", func(m *conn.Msg) {
		program.Publish(conn.Out{Subject: string(m.Reply), Data: []byte(`{"stream":"S","seq":2}`)})
	})
	kit.Must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	kit.Must(t, program.Flush(ctx))

	a := newSite(t, "a", nats.Options{
		Export: []nats.Rule{topics("com.export.", spool.Durable)}, Import: []nats.Rule{topics("com.command.", spool.Durable)},
	}, server)
	a.await("up", isUp)
	say(t, a.program(), "com.export.t", 7)
	a.await("drained", isDrained)
	if got := kit.Receive(t, "new consumer", created); got != "all -1" {
		t.Errorf("created the consumer %q; expected all -1", got)
	}
	kit.Eventually(t, "the new consumer is read", delivered.Load)
}

// A durable import takes the valid events that are still of use, in order. It is done with all messages: none is delivered again.
func TestDurableImportRefuses(t *testing.T) { kit.EachNATS(t, testDurableImportRefuses) }

func testDurableImportRefuses(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	old := topics("com.old.", spool.Durable)
	old.MaxAge = 1
	opts := nats.Options{Import: []nats.Rule{topics("com.in.", spool.Durable), old}}
	a := newSite(t, "a", opts, server)
	heard, p := a.received(), newPlain(t, server)
	kit.Eventually(t, "the consumers", func() bool { return p.consumers(t, nats.DefaultStream) == 2 })
	typed := func(kind string) conn.Header { return conn.Header(nil).Add(payload.TypeField, kind) }
	send := func() {
		t.Helper()
		for _, m := range []conn.Out{
			{Subject: "com.in.t", Header: typed(payload.Event).Add(payload.HopsField, "{"), Data: []byte("1")},
			{Subject: "com.in.t", Header: typed(payload.Event).Add(payload.ContentTypeField, "application/cbor"), Data: []byte("\xff")},
			{Subject: "com.in.t", Header: typed(payload.Result), Data: []byte("2")},
			{Subject: "com.old.t", Data: []byte("3")},
			{Subject: "com.in.t", Header: typed(payload.Event).Add(payload.TTLField, "3600000"), Data: []byte("4")},
			{Subject: "com.in.t", Data: []byte("5")},
		} {
			kit.Must(t, p.Publish(m))
		}
	}
	done := func(dropped uint64) {
		t.Helper()
		expect(t, heard, "com.in.t [4] map[]", "com.in.t [5] map[]")
		a.await("the damaged ones are dropped", func(s uplink.State) bool { return s.EventsDown.Dropped == dropped })
		kit.Eventually(t, "all are acknowledged", func() bool {
			list := string(p.request(t, "$JS.API.CONSUMER.LIST."+nats.DefaultStream, "").Data)
			return strings.Count(list, `"num_ack_pending": 0`)+strings.Count(list, `"num_ack_pending":0`) == 2 &&
				strings.Count(list, `"num_pending": 0`)+strings.Count(list, `"num_pending":0`) == 2
		})
	}
	send()
	done(2)
	a.stop()
	kit.Receive(t, "end of the link", a.ended)
	const limit = 20 * time.Millisecond
	kit.Must(t, p.Publish(conn.Out{Subject: "com.in.t", Header: typed(payload.Event).Add(payload.TTLField, payload.Timeout(limit)), Data: []byte("6")}))
	send()
	kit.Eventually(t, "all are stored", func() bool { return p.stored(t, nats.DefaultStream) == 13 })
	time.Sleep(2 * limit) // of the event that is then of no use
	a.openSpool()
	opts.Spool = a.spool
	a.start(opts, server)
	done(2)
}
