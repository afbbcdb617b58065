package nats_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
)

// A program may use one reply subject for several requests at a time. Each request gets its own answer, with the
// request's name.
func TestOneReplySubject(t *testing.T) { kit.EachNATS(t, testOneReplySubject) }

func testOneReplySubject(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a := newSite(t, "a", bothWays(), server)
	p := alone(t, server)
	const requests = 20
	var made sync.WaitGroup
	made.Add(requests)
	register(t, a, p, "com.echo", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		if inv.Args()[0] != "alone" {
			made.Done()
			made.Wait() // all calls are pending at the same time
		}
		return client.Raw(inv.Payload), nil
	})
	answers := make(chan string, 10*requests)
	_, err := p.Subscribe("com.answers", "", func(m *conn.Msg) {
		kit.Send(t, answers, fmt.Sprintf("%s %s", m.Header.Get(payload.CallField), m.Data))
	})
	kit.Must(t, err)
	want := map[string]bool{}
	for i := range requests {
		kit.Must(t, p.Publish(conn.Out{
			Subject: "com.echo", Reply: "com.answers", Header: conn.Header(nil).Add(payload.CallField, fmt.Sprint("r", i)), Data: fmt.Append(nil, i),
		}))
		want[fmt.Sprintf("r%d %d", i, i)] = true
	}
	for range requests {
		got := kit.Receive(t, "an answer", answers)
		if !want[got] {
			t.Errorf("got %q twice, or it is mixed up", got)
		}
		delete(want, got)
	}
	// The answer to a request without a name has no name.
	kit.Must(t, p.Publish(conn.Out{Subject: "com.echo", Reply: "com.answers", Data: []byte(`"alone"`)}))
	if got := kit.Receive(t, "an answer", answers); got != ` "alone"` {
		t.Error(got)
	}
}

// The state lists denied permissions for answers and calls, with the subjects to allow.
func TestRefusedSubjectsOfLinks(t *testing.T) { kit.EachNATS(t, testRefusedSubjectsOfLinks) }

func testRefusedSubjectsOfLinks(t *testing.T, binary string) {
	for name, test := range map[string]struct {
		permissions string
		want        []string // in the state
		probe       []string // in the result of Probe
	}{
		"all":              {`publish: ">", subscribe: ">"`, nil, nil},
		"answers":          {`publish: ">", subscribe: ["com.>", "_RUNNEL.>"]`, []string{"subscribe to _INBOX.>"}, []string{"subscribe to _INBOX.>"}},
		"calls":            {`publish: ">", subscribe: ["com.>", "_INBOX.>", "_RUNNEL.link.>"]`, []string{"subscribe to _RUNNEL.calls"}, []string{"subscribe to _RUNNEL.calls"}},
		"to one router":    {`publish: ">", subscribe: ["com.>", "_INBOX.>", "_RUNNEL.calls"]`, []string{"subscribe to _RUNNEL.link.>"}, []string{"subscribe to _RUNNEL.link.>"}},
		"publish to calls": {`publish: {deny: "_RUNNEL.calls"}, subscribe: ">"`, []string{"publish to _RUNNEL.calls"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			server := kit.NewNATS(t, binary, "authorization { users: [ { user: a, password: a, permissions: { "+test.permissions+" } } ] }\n")
			server.Start(t)
			opts := bothWays()
			opts.Username, opts.Password = "a", "a"
			a := newSite(t, "a", opts, server)
			has := func(list, want []string) bool {
				text := strings.Join(list, "\n")
				for _, w := range want {
					if !strings.Contains(text, "allow the user of this link to "+w) {
						return false
					}
				}
				return len(list) == len(want)
			}
			a.await("what is refused", func(s uplink.State) bool { return s.Up && has(s.Refused, test.want) })
			opts.Servers = []nats.Server{{URL: "nats://" + server.Address, Dial: a.serverDial(server)}}
			opts.Node = "probe"
			missing, err := nats.Probe(t.Context(), opts)
			kit.Must(t, err)
			if !has(missing, test.probe) {
				t.Errorf("the probe finds %q; want %q", missing, test.probe)
			}
		})
	}
}
