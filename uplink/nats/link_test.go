package nats_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/nats/conn"
	"runnel/uplink/spool"
)

// Events cross both ways between a realm and plain NATS programs, and between two realms. No event comes back.
func TestEvents(t *testing.T) { kit.EachNATS(t, testEvents) }

func testEvents(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	opts := nats.Options{
		Export: []nats.Rule{topics("com.example.", spool.Memory), {Rule: uplink.Rule{Topic: "com.local.", Match: 1, LocalPrefix: "com.local.", RemotePrefix: "com.far."}}},
		Import: []nats.Rule{topics("com.example.", spool.Memory), topics("com.far.", spool.Memory)},
	}
	a, b := newSite(t, "a", opts, server), newSite(t, "b", opts, server)
	a.await("up", isUp)
	b.await("up", isUp)
	atA, atB, program := a.received(), b.received(), newPlain(t, server)
	program.subscribed(t, "com.far.", atA, atB)
	speaker := a.program()
	say(t, speaker, "com.example.t", "x")
	expect(t, program.heard, `com.example.t "x"`)
	expect(t, atB, "com.example.t [x] map[]")
	expect(t, atA, "com.example.t [x] map[]")
	say(t, speaker, "com.local.t", 1, 2)
	expect(t, program.heard, `com.far.t {"args":[1,2]}`)
	expect(t, atB, "com.far.t [1 2] map[]")
	expect(t, atA, "com.local.t [1 2] map[]")
	program.publish(t, "com.example.u", `{"kwargs":{"k":1}}`)
	program.publish(t, "com.example.v", `hello`)
	for _, at := range []chan string{atA, atB} {
		expect(t, at, "com.example.u [] map[k:1]", "com.example.v [hello] map[]")
	}
	// A message with a reply subject and without the mark of an event is a call. Messages of the servers' own subjects
	// do not enter the realm.
	kit.Must(t, program.Publish(conn.Out{Subject: "com.example.call", Reply: "com.example.answer", Data: []byte("1")}))
	program.publish(t, "com.example.end", "")
	for _, at := range []chan string{atA, atB} {
		expect(t, at, "com.example.end [] map[]")
	}
	if s := a.link.State(); s.Looped != 0 || s.Protocol == "" || !strings.HasPrefix(s.Protocol, "NATS ") {
		t.Errorf("%+v", s)
	}
	a.await("all sent", isDrained)
}

// While the server is unreachable, durable and disk events wait. They arrive once and in order, whatever happens to the
// server.
func TestServerIsKilled(t *testing.T) { kit.EachNATS(t, testServerIsKilled) }

func testServerIsKilled(t *testing.T, binary string) {
	server := kit.NewNATS(t, binary, withJetStream)
	a := newSite(t, "a", nats.Options{Export: []nats.Rule{topics("com.example.", spool.Durable)}}, server)
	speaker := a.program()
	say(t, speaker, "com.example.t", 0) // before the server runs for the first time
	server.Start(t)
	a.await("drained", isDrained)
	server.Kill()
	for i := range 100 {
		say(t, speaker, "com.example.t", 1+i)
		if i == 50 {
			server.Start(t)
		}
	}
	a.await("drained", isDrained)
	program := newPlain(t, server)
	program.expectStored(t, nats.DefaultStream, count("com.example.t #", 101)...)
}

// A server without JetStream gets events of class disk by core NATS. Those of class durable are held, with the remedy.
func TestNoJetStream(t *testing.T) { kit.EachNATS(t, testNoJetStream) }

func testNoJetStream(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a := newSite(t, "a", nats.Options{Export: []nats.Rule{topics("com.disk.", spool.Disk), topics("com.durable.", spool.Durable)}}, server)
	program := newPlain(t, server)
	speaker := a.program()
	say(t, speaker, "com.durable.t", 1)
	say(t, speaker, "com.disk.t", 2)
	expect(t, program.heard, "com.disk.t 2")
	a.await("durable event is held", func(s uplink.State) bool { return s.Queue.Events == 1 && s.Queue.Held.Events == 1 })
	if list := a.spool.HeldTopics(1); len(list) != 1 || !strings.Contains(list[0].Reason, "no JetStream; start it with JetStream") {
		t.Errorf("%+v", list)
	}
}

// While JetStream has no quorum, durable events are held and other events cross. After its recovery, all of them are
// stored once and in order.
func TestNoQuorum(t *testing.T) { kit.EachNATS(t, testNoQuorum) }

func testNoQuorum(t *testing.T, binary string) {
	servers := kit.NATSCluster(t, binary, 3)
	servers[0].Start(t)
	opts := nats.Options{
		Export: []nats.Rule{topics("com.durable.", spool.Durable), topics("com.core.", spool.Memory)}, Replicas: 3, Stream: "events",
	}
	a := newSite(t, "a", opts, servers[0])
	program := newPlain(t, servers[0])
	speaker := a.program()
	for i := range 10 {
		say(t, speaker, "com.durable.t", i)
	}
	say(t, speaker, "com.core.t", 1)
	expect(t, program.heard, "com.core.t 1")
	a.await("durable events are held", func(s uplink.State) bool { return s.Queue.Held.Events == 10 })
	servers[1].Start(t)
	servers[2].Start(t)
	a.await("drained", isDrained)
	program.expectStored(t, "events", count("com.durable.t #", 10)...)
}

// A stream that can't store an event for a moment gets it soon, although JetStream itself never became unavailable.
func TestStreamIsBackSoon(t *testing.T) { kit.EachNATS(t, testStreamIsBackSoon) }

func testStreamIsBackSoon(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	program := newPlain(t, server)
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	_, err := program.Request(ctx, conn.Out{ // a stream that leaves the answers to the program
		Subject: "$JS.API.STREAM.CREATE.silent", Data: []byte(`{"name":"silent","subjects":["com.durable.>"],"no_ack":true,"storage":"memory"}`),
	})
	kit.Must(t, err)
	var asked atomic.Int64
	_, err = program.Subscribe("com.durable.>", "", func(m *conn.Msg) {
		answer := `{"stream":"silent","seq":1}`
		if asked.Add(1) <= 2 {
			answer = `{"error":{"code":503,"err_code":10008,"description":"system temporarily unavailable"}}`
		}
		program.Publish(conn.Out{Subject: string(m.Reply), Data: []byte(answer)})
	})
	kit.Must(t, err)
	kit.Must(t, program.Flush(ctx))
	seldom, err := spool.Open(spool.Options{Dir: t.TempDir(), Sync: time.Millisecond, RetryFirst: time.Hour, RetryLast: time.Hour})
	kit.Must(t, err)
	a := newSite(t, "a", nats.Options{
		Export: []nats.Rule{topics("com.durable.", spool.Durable)}, Spool: seldom, AnswerTime: kit.Patience, // no late answer makes it send again
	}, server)
	a.await("up", isUp)
	say(t, a.program(), "com.durable.t", 1)
	a.await("drained", isDrained)
	if n := asked.Load(); n != 3 {
		t.Errorf("the event was sent %d times; expected 3", n)
	}
}

// A link that replaces another loses and repeats no event.
func TestHandover(t *testing.T) { kit.EachNATS(t, testHandover) }

func testHandover(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	opts := nats.Options{Export: []nats.Rule{topics("com.example.", spool.Disk)}}
	a := newSite(t, "a", opts, server)
	a.await("up", isUp)
	program := newPlain(t, server)
	speaker := a.program()
	const n = 200
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range n {
			speaker.Publish(context.Background(), "com.example.t", client.PublishOptions{Acknowledge: true}, client.Args(i))
		}
	}()
	for range 3 {
		old, ended, h := a.link, a.ended, uplink.NewHandover()
		stop := a.stop
		old.SetHandover(h)
		opts.From, opts.Spool = h, a.spool
		a.start(opts, server)
		stop()
		kit.Receive(t, "end of the link before", ended)
	}
	<-sent
	a.await("drained", isDrained)
	program.expectStored(t, nats.DefaultStream, count("com.example.t #", n)...)
}

// A durable import gets the events that were published while the link was down, once and in order. They come from other
// Runnels and from plain programs. The realm's own events do not come back.
func TestDurableImport(t *testing.T) { kit.EachNATS(t, testDurableImport) }

func testDurableImport(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	a := newSite(t, "a", nats.Options{Export: []nats.Rule{topics("com.example.", spool.Durable)}}, server)
	a.await("up", isUp)
	speaker, program := a.program(), newPlain(t, server)
	say(t, speaker, "com.example.t", "first")
	a.await("drained", isDrained)
	opts := nats.Options{Import: []nats.Rule{topics("com.example.", spool.Durable)}, Export: []nats.Rule{topics("com.example.b.", spool.Durable)}}
	b := newSite(t, "b", opts, server)
	heard := b.received()
	kit.Eventually(t, "the consumer", func() bool { return program.consumers(t, nats.DefaultStream) == 1 })
	say(t, speaker, "com.example.t", "second")
	expect(t, heard, "com.example.t [second] map[]")
	b.stop()
	kit.Receive(t, "end of the link", b.ended)
	for i := range 300 {
		say(t, speaker, "com.example.t", i)
	}
	a.await("drained", isDrained)
	program.publish(t, "com.example.plain", "x")
	kit.Eventually(t, "all stored", func() bool { return program.stored(t, nats.DefaultStream) == 303 })
	server.Kill()
	b.openSpool()
	opts.Spool = b.spool
	b.start(opts, server)
	say(t, b.program(), "com.example.b.own", 1)
	expect(t, heard, "com.example.b.own [1] map[]")
	server.Start(t)
	expect(t, heard, count("com.example.t [#] map[]", 300)...)
	expect(t, heard, "com.example.plain [x] map[]")
	b.await("drained", isDrained)
	say(t, speaker, "com.example.t", "end")
	expect(t, heard, "com.example.t [end] map[]")
	b.await("302 events", func(s uplink.State) bool { return s.EventsDown.Forwarded >= 302 }) // some may have been delivered again
	if s := b.link.State(); s.Looped != 0 || s.EventsDown.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

// Two centres on one cluster are one realm. A gateway that loses its centre before the answer resends its event to the
// other centre. No subscriber gets the event twice, and the stream stores it once.
func TestGatewayGoesToAnotherCentre(t *testing.T) { kit.EachNATS(t, testGatewayGoesToAnotherCentre) }

func testGatewayGoesToAnotherCentre(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	rule := []nats.Rule{topics("com.example.", spool.Durable)}
	var sites []*site
	var heard []chan string
	var speakers []*client.Client
	for name, imports := range map[string][]nats.Rule{"a": {topics("com.example.", spool.Memory)}, "b": {topics("com.example.", spool.Memory)}, "c": rule} {
		s := newSite(t, name, nats.Options{Export: rule, Import: imports}, server)
		s.await("up", isUp)
		sites, heard, speakers = append(sites, s), append(heard, s.received()), append(speakers, s.program())
	}
	program := newPlain(t, server)
	kit.Eventually(t, "the consumer", func() bool { return program.consumers(t, nats.DefaultStream) == 1 })
	program.subscribed(t, "com.example.", heard...)
	before := program.stored(t, nats.DefaultStream)
	for i := range 50 {
		origin := &client.Origin{Node: "gw-1/central", Epoch: 7, Sequence: uint64(1 + i)}
		for n := range 3 { // each time another centre answers first
			kit.Eventually(t, "the answer", func() bool { // the event may come from the cluster at the same time
				o := client.PublishOptions{Acknowledge: true, Origin: origin}
				return speakers[(i+n)%3].Publish(context.Background(), "com.example.t", o, client.Args(i)) == nil
			})
		}
	}
	for _, h := range heard {
		expect(t, h, count("com.example.t [#] map[]", 50)...)
	}
	for _, s := range sites {
		s.await("drained", isDrained)
	}
	if n := program.stored(t, nats.DefaultStream) - before; n != 50 {
		t.Errorf("the stream has %d events", n)
	}
	program.publish(t, "com.example.end", "")
	for _, h := range heard {
		expect(t, h, "com.example.end [] map[]")
	}
}

// A server announces its shutdown, and the link connects to another one. Events continue to cross.
func TestLameDuck(t *testing.T) { kit.EachNATS(t, testLameDuck) }

func testLameDuck(t *testing.T, binary string) {
	servers := kit.NATSCluster(t, binary, 2)
	for _, s := range servers {
		s.Start(t)
	}
	a := newSite(t, "a", nats.Options{Export: []nats.Rule{topics("com.example.", spool.Memory)}}, servers...)
	a.await("up", isUp)
	leaving, staying := servers[0], servers[1]
	if a.link.State().URL == "nats://"+staying.Address {
		leaving, staying = staying, leaving
	}
	leaving.LameDuck(t)
	a.await("at the other server", func(s uplink.State) bool { return s.Up && s.URL == "nats://"+staying.Address })
	program := newPlain(t, staying)
	say(t, a.program(), "com.example.t", 1)
	expect(t, program.heard, "com.example.t 1")
}
