package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// arrivesAfter starts the tier above and waits until the events of a topic have arrived there, in order and without
// duplicates.
func (r *tier) arrivesAfter(topic string, want ...int64) {
	r.Helper()
	r.hidden = true
	r.begin()
	l := newLedger()
	l.watch(r.T, r.join())
	r.show()
	arrived := func() []int64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return slices.Clone(l.seen[topic])
	}
	kit.Eventually(r.T, fmt.Sprintf("%d events of %s arrive", len(want), topic), func() bool { return len(arrived()) >= len(want) })
	if got := arrived(); !slices.Equal(got, want) {
		r.Errorf("%s: %d events, expected %d: %v", topic, len(got), len(want), got)
	}
}

func to(n int64) (list []int64) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

func (r *tier) publish(c *client.Client, topic string, n int64) error {
	return c.Publish(r.Context(), topic, client.PublishOptions{Acknowledge: true}, client.Args(n))
}

// Events of class disk that were written survive a crash, and arrive once.
func TestDiskSurvivesAKill(t *testing.T) {
	list := tiers(t, "min_free = 0\nspill_after = \"10ms\"", "edge", "top")
	edge, top := list[0], list[1]
	edge.begin()
	c := edge.join()
	for _, n := range to(300) {
		if err := edge.publish(c, "crash.disk.x", n); err != nil {
			t.Fatal(err)
		}
	}
	kit.Eventually(t, "all is written", func() bool { return edge.queue(c).onDisk == 300 })
	edge.kill()
	edge.begin()
	defer edge.stop()
	defer func() { top.stop() }()
	top.arrivesAfter("crash.disk.x", to(300)...)
}

// If the disk is full, publishers of durable events get an error, the alarm is raised, and everything else continues.
// The events in memory still arrive.
func TestFullDisk(t *testing.T) {
	list := tiers(t, "min_free = 0\nspill_after = \"10ms\"\nsync = \"5ms\"", "edge", "top")
	edge, top := list[0], list[1]
	edge.limit = "64" // blocks of 512 bytes, per file
	edge.begin()
	defer edge.stop()
	c := edge.join()
	stored, refused := int64(0), int64(0)
	for n := int64(1); refused < 10 && n < 5000; n++ {
		if err := c.Publish(t.Context(), "crash.durable.x", client.PublishOptions{Acknowledge: true}, client.Args(n, strings.Repeat("x", 1000))); err == nil {
			stored++
		} else if refused++; !strings.Contains(err.Error(), "store") {
			t.Fatal(err)
		}
	}
	if stored < 5 || refused < 10 {
		t.Fatalf("%d events stored, %d refused", stored, refused)
	}
	if q := edge.queue(c); q.alarm == "" || q.events != stored+refused || q.dropped > 0 {
		t.Errorf("%+v", q)
	}
	heard := make(chan int64, 1)
	if _, err := c.Subscribe(t.Context(), "crash.disk.y", client.SubscribeOptions{}, func(e *client.Event) { heard <- e.Args()[0].(int64) }); err != nil {
		t.Fatal(err)
	}
	if err := edge.publish(edge.join(), "crash.disk.y", 7); err != nil || <-heard != 7 {
		t.Errorf("routing has suffered: %v", err)
	}
	defer func() { top.stop() }()
	top.arrivesAfter("crash.durable.x", to(stored+refused)...)
}

// A spool whose directory cannot be used works in memory, and reports it.
func TestNoPlace(t *testing.T) {
	list := tiers(t, "", "edge", "top")
	edge, top := list[0], list[1]
	if err := os.MkdirAll(filepath.Join(edge.data(), "uplink"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(edge.data(), "uplink", "above"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	edge.begin()
	defer edge.stop()
	c := edge.join()
	if err := edge.publish(c, "crash.durable.x", 1); err == nil {
		t.Error("a durable event was stored nowhere")
	}
	for _, n := range to(50) {
		if err := edge.publish(c, "crash.disk.x", n); err != nil {
			t.Fatal(err)
		}
	}
	kit.Eventually(t, "all is in the spool", func() bool { return edge.queue(c).events == 51 })
	if q := edge.queue(c); q.alarm == "" || q.onDisk != 0 {
		t.Errorf("%+v", q)
	}
	defer func() { top.stop() }()
	top.arrivesAfter("crash.disk.x", to(50)...)
}

// Events that the centre rejects are held and do not delay other events.
func TestRefused(t *testing.T) {
	list := tiers(t, "min_free = 0", "edge", "top")
	edge, top := list[0], list[1]
	edge.begin()
	defer edge.stop()
	c := edge.join()
	for _, n := range to(3) {
		if err := edge.publish(c, "crash.disk.secret", n); err != nil {
			t.Fatal(err)
		}
	}
	if err := edge.publish(c, "crash.disk.x", 1); err != nil {
		t.Fatal(err)
	}
	defer func() { top.stop() }()
	top.arrivesAfter("crash.disk.x", 1)
	if _, err := edge.process.Logs(`topic held: the far side rejects its events.*topic=crash.disk.secret.*not_authorized`); err != nil {
		t.Error(err)
	}
	kit.Eventually(t, "the rejected events alone are kept", func() bool { q := edge.queue(c); return q.events == 3 && q.dropped == 0 })
}

// TestQueueCommand runs the queue commands as a user does.
func TestQueueCommand(t *testing.T) {
	edge := tiers(t, "min_free = 0\nspill_after = \"10ms\"", "edge", "top")[0]
	edge.begin()
	defer edge.stop()
	c := edge.join()
	for _, n := range to(5) {
		if err := edge.publish(c, "crash.disk.x", n); err != nil {
			t.Fatal(err)
		}
	}
	kit.Eventually(t, "all is written", func() bool { return edge.queue(c).onDisk == 5 })
	for _, command := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"queue", "ls"}, 0, "above  5 "},
		{[]string{"queue", "ls", "--json"}, 0, `"on_disk":5`},
		{[]string{"status"}, 0, "QUEUE"},
		{[]string{"status", "--json"}, 0, `"queue":{`},
		{[]string{"queue", "peek", "above", "-n", "2"}, 0, "disk crash.disk.x 2\n"},
		{[]string{"queue", "peek", "above", "--json"}, 0, `"args":[5]`},
		{[]string{"queue", "peek", "below"}, 1, `no uplink`},
		{[]string{"queue", "peek", "above", "-n", "0"}, 2, "-n 0"},
		{[]string{"queue", "drop", "above"}, 2, "-n COUNT"},
		{[]string{"queue", "drop", "above", "-n", "2"}, 0, "2 dropped"},
		{[]string{"queue", "peek", "above"}, 0, "crash.disk.x 3\n"},
		{[]string{"queue", "drop", "above", "--all"}, 0, "4 dropped"}, // including the gap
		{[]string{"queue", "peek", "above"}, 0, "gap"},
	} {
		cmd := executable.Command(append(command.args, "--url", edge.socket())...)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != command.status || !strings.Contains(string(out), command.want) {
			t.Errorf("%v: status %d, expected %d with %q:\n%s", command.args, cmd.ProcessState.ExitCode(), command.status, command.want, out)
		}
	}
}
