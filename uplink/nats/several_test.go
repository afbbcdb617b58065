package nats_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/spool"
)

// createStream creates a stream.
func (p *plain) createStream(t *testing.T, name string, subjects ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	_, err := p.js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: subjects})
	kit.Must(t, err)
}

// A durable import reads all streams that store a part of its pattern, each in order and each event once. A stream may
// begin to store a part later, while the link is down or up. The import reads its events since the beginning of the
// import.
func TestDurableImportOfSeveralStreams(t *testing.T) {
	kit.EachNATS(t, testDurableImportOfSeveralStreams)
}

func testDurableImportOfSeveralStreams(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	program := newPlain(t, server)
	program.createStream(t, "A", "com.example.a.>")
	program.createStream(t, "B", "com.example.b.*", "com.other.>")
	ctx := context.Background()
	publish := func(subject string, from, n int) {
		for i := from; i < from+n; i++ {
			_, err := program.js.Publish(ctx, conn.Out{Subject: subject, Data: fmt.Append(nil, i)})
			kit.Must(t, err)
		}
	}
	publish("com.example.a.t", -3, 3) // before the import
	publish("com.example.b.t", -3, 3)
	opts := nats.Options{Import: []nats.Rule{topics("com.example.", spool.Durable)}}
	a := newSite(t, "a", opts, server)
	heard := a.received()
	// hear expects the events of each topic in order.
	hear := func(from, n int, topics ...string) {
		t.Helper()
		next := make(map[string]int)
		for range n * len(topics) {
			event := kit.Receive(t, "an event", heard)
			topic, _, _ := strings.Cut(event, " ")
			if want := fmt.Sprintf("%s [%d] map[]", topic, from+next[topic]); event != want {
				t.Fatalf("heard %q, expected %q", event, want)
			}
			next[topic]++
		}
		for _, topic := range topics {
			if next[topic] != n {
				t.Errorf("%d events of %s", next[topic], topic)
			}
		}
	}
	kit.Eventually(t, "the consumers", func() bool { return program.consumers(t, "A") == 1 && program.consumers(t, "B") == 1 })
	publish("com.example.a.t", 0, 50)
	publish("com.other.t", 0, 5)
	publish("com.example.b.t", 0, 50)
	hear(0, 50, "com.example.a.t", "com.example.b.t")
	a.stop()
	kit.Receive(t, "end of the link", a.ended)
	publish("com.example.a.t", 50, 150)
	publish("com.example.b.t", 50, 150)
	program.createStream(t, "C", "com.example.c.>")
	publish("com.example.c.t", 50, 150)
	a.openSpool()
	opts.Spool = a.spool
	a.start(opts, server)
	hear(50, 150, "com.example.a.t", "com.example.b.t", "com.example.c.t")
	program.createStream(t, "D", "com.example.d.>")
	publish("com.example.d.t", 200, 10)
	a.await("up", isUp)
	server.Kill()
	server.Start(t)
	program = newPlain(t, server)
	hear(200, 10, "com.example.d.t")
	all := []string{"com.example.a.t", "com.example.b.t", "com.example.c.t", "com.example.d.t"}
	for _, topic := range all {
		publish(topic, 1000, 1)
	}
	hear(1000, 1, all...) // no event came twice
	if s := a.link.State(); s.EventsDown.Dropped != 0 || len(s.Refused) > 0 {
		t.Errorf("%+v", s)
	}
}

// Events of denied subjects never count as forwarded, however many subjects the server denies.
func TestManyDeniedSubjects(t *testing.T) { kit.EachNATS(t, testManyDeniedSubjects) }

func testManyDeniedSubjects(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, `authorization { users: [
		{ user: gw, password: secret, permissions: { publish: ["com.open.>", "_INBOX.>", "_RUNNEL.>"], subscribe: ["_INBOX.>", "_RUNNEL.>"] } } ] }`)
	a := newSite(t, "a", nats.Options{
		Username: "gw", Password: "secret", Export: []nats.Rule{topics("com.open.", spool.Memory), topics("com.closed.", spool.Memory)},
	}, server)
	a.await("up", isUp)
	speaker := a.program()
	const n = 2500
	for i := range n {
		say(t, speaker, fmt.Sprint("com.closed.t", i), i)
		if i%100 == 0 {
			say(t, speaker, "com.open.t", i)
		}
	}
	a.await("the denied events are dropped, the others sent", func(s uplink.State) bool {
		return isDrained(s) && s.EventsUp.Dropped == n && s.EventsUp.Forwarded == n/100
	})
}

// An event leaves the queue when its own stream has it, even if programs and other streams answer, too.
func TestOthersAnswer(t *testing.T) { kit.EachNATS(t, testOthersAnswer) }

func testOthersAnswer(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	program := newPlain(t, server)
	program.api(t, "STREAM.CREATE.silent", `{"name":"silent","subjects":["com.durable.silent"],"no_ack":true,"storage":"memory"}`)
	program.createStream(t, "events", "com.durable.t")
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	_, err := program.Subscribe("com.durable.>", "", func(m *conn.Msg) {
		for _, text := range []string{`7`, `{"stream":"other","seq":1}`} {
			program.Publish(conn.Out{Subject: string(m.Reply), Data: []byte(text)})
		}
	})
	kit.Must(t, err)
	kit.Must(t, program.Flush(ctx))
	a := newSite(t, "a", nats.Options{Export: []nats.Rule{topics("com.durable.", spool.Durable)}}, server)
	speaker := a.program()
	for i := range 20 {
		say(t, speaker, "com.durable.t", i)
	}
	program.expectStored(t, "events", count("com.durable.t #", 20)...)
	a.await("all are acknowledged", func(s uplink.State) bool { return isDrained(s) && s.EventsUp.Forwarded == 20 })
	say(t, speaker, "com.durable.silent", 1)
	a.await("an event without an answer of its stream is held", func(s uplink.State) bool {
		return s.Queue.Held.Events == 1 && strings.Contains(s.Queue.Held.Reason, "not a PubAck") && s.EventsUp.Forwarded == 20
	})
}
