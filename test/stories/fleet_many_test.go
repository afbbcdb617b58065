package stories

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport"
)

const many = 300

// fleetReport is the report of a gateway with three serial lines.
func fleetReport(id string, uptime int) map[string]any {
	line := func(name, state string) map[string]any { return map[string]any{"name": name, "state": state} }
	return map[string]any{
		"node": id, "version": "1.2.0", "board": "Raspberry Pi 4 (2 GB)", "uptime": uptime,
		"lines":  []any{line("greenhouse", "serving"), line("meter", "serving"), line("weather", "waiting")},
		"queues": []any{map[string]any{"uplink": "central", "events": 12}},
		"alarms": []any{"serial line weather: the port is not open (waiting): open serial /dev/ttyUSB0: no such file or directory"},
	}
}

// 300 nodes attend at one centre. The list is right, also when one of them is cut, and a node costs the centre little.
func TestFleetOf300(t *testing.T) {
	var principals strings.Builder
	for i := range many {
		fmt.Fprintf(&principals, "[[realm.principal]]\nauthid = \"gw-%03d\"\nrole = \"gateway\"\nticket = \"the ticket of gw-%03d\"\n", i, i)
	}
	dir := place(t)
	c := &fleetCentre{file: filepath.Join(dir, "runnel.toml"), unix: "unix://" + filepath.Join(dir, "runnel.sock")}
	runnel(t, "init", "centre", "-c", c.file, "--yes", "--listen", "tcp://127.0.0.1:0,tls://127.0.0.1:0").expect(t, 0, "", "")
	kit.Write(t, dir, "conf.d/nodes.toml", "[[realm]]\nname = \"realm1\"\n"+principals.String())
	c.begin(t)
	before, status := program.Resident(c.PID()), c.status(t)
	var conns [many]client.Conn
	var clients [many]*client.Client
	each := func(do func(int)) {
		var work sync.WaitGroup
		ids := make(chan int)
		for range 8 {
			work.Go(func() {
				for i := range ids {
					do(i)
				}
			})
		}
		for i := range many {
			ids <- i
		}
		close(ids)
		work.Wait()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*kit.Patience)
	defer cancel()
	var attending sync.WaitGroup
	defer attending.Wait()
	each(func(i int) {
		id := fmt.Sprintf("gw-%03d", i)
		var err error
		clients[i], err = client.Connect(ctx, client.Options{
			Dial: func(ctx context.Context) (client.Conn, error) {
				conn, err := transport.Dial(ctx, c.tcp, transport.DialOptions{Serializer: wamp.CBOR})
				conns[i] = conn
				return conn, err
			},
			Realm: "realm1", Authid: id, Auth: []client.Auth{client.Ticket("the ticket of " + id)}, Reconnect: client.Reconnect{Disabled: true},
		})
		if err != nil {
			t.Error(err)
			return
		}
		in := make(chan struct{})
		entered := sync.OnceFunc(func() { close(in) })
		attending.Go(func() {
			clients[i].Call(ctx, "runnel.fleet.node.attend", client.CallOptions{Progress: func(*client.Result) { entered() }}, client.Args(fleetReport(id, 60)))
			entered()
		})
		<-in
	})
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
	}()
	if t.Failed() {
		return
	}
	joined := c.status(t)
	each(func(i int) {
		if _, err := clients[i].Call(ctx, "runnel.fleet.node.report", client.CallOptions{}, client.Args(fleetReport(fmt.Sprintf("gw-%03d", i), 120))); err != nil {
			t.Error(err)
		}
	})
	after := c.status(t)
	up := func() (n int) {
		for line := range strings.Lines(runnel(t, "fleet", "ls", "--json", "--url", c.unix).stdout) {
			if strings.Contains(line, `"up":true`) && strings.Contains(line, `"queue":12`) {
				n++
			}
		}
		return n
	}
	if n := up(); n != many {
		t.Errorf("%d nodes are up", n)
	}
	node := (program.Resident(c.PID()) - before) / many
	t.Logf("%d nodes: %d bytes of memory each with the session, %d bytes of a report, %d bytes of the answer", many, node, (after.in-joined.in)/many, (after.out-joined.out)/many)
	t.Logf("joining: %d bytes in, %d bytes out each", (joined.in-status.in)/many, (joined.out-status.out)/many)
	if node > 128<<10 {
		t.Errorf("a node takes %d bytes of memory", node)
	}
	var longest time.Duration
	for k, i := range []int{7, 0, 150, many - 1, 64} {
		cut := time.Now()
		conns[i].Close() // as the kernel does for a process that is killed
		kit.Within(t, kit.Patience, 10*time.Millisecond, "a node that was cut is offline, and no other", func() bool { return up() == many-1-k && !c.node(t, fmt.Sprintf("gw-%03d", i)).Up })
		longest = max(longest, time.Since(cut))
	}
	t.Logf("a node that is cut is offline in the list after %v at most, with two commands to look", longest)
}

type traffic struct{ in, out int }

// status returns the bytes of all listeners.
func (c *fleetCentre) status(t *testing.T) (sum traffic) {
	t.Helper()
	got := runnel(t, "status", "--json", "--url", c.unix)
	got.expect(t, 0, "", "")
	var s struct {
		Listeners []struct {
			URL       string
			OctetsIn  int `json:"octets_in"`
			OctetsOut int `json:"octets_out"`
		}
	}
	kit.Must(t, json.Unmarshal([]byte(got.stdout), &s))
	for _, l := range s.Listeners {
		if l.URL == c.tcp {
			sum = traffic{l.OctetsIn, l.OctetsOut}
		}
	}
	return sum
}
